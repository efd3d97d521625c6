import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CrashDisk } from "@nacre/testkit/crash-files";
import { Random } from "@nacre/testkit/random";
import { readIdentity, writeIdentity } from "../cluster/identity.ts";
import { type Files, replaceFile } from "../storage/files.ts";
import { LogFile } from "../storage/log-file.ts";
import { scanLog } from "../storage/log-scan.ts";
import { writeRunMark } from "../storage/run-mark.ts";
import { readVote, VoteFile } from "../storage/vote-file.ts";
import { readLog } from "./folder.ts";
import { finishOfflineOrder, ORDER_FILE } from "./order.ts";
import { planRecovery, recover } from "./recover.ts";

const DATA = "data";
const GROUP = '{"voters":["a","b","c"],"learners":[]}';
const ALONE = '{"voters":["a"],"learners":[]}';
const IDENTITY = {
  memberId: "a",
  clusterId: "prod",
  settled: true,
  incarnation: 7,
  epoch: 2,
  group: "joins" as const,
  peers: { c: "10.0.0.3:8848" },
  joined: ["10.0.0.2:8848"],
};
const AT = 1_700_000_000_000;

const record = (term: number, kind: "command" | "configuration", text: string, at = AT) => ({
  term,
  kind,
  at,
  payload: Buffer.from(text),
});

/** A member of three that was stopped in order, or not. */
async function member(files: Files, { cleanAt = 4 as number | null, configuration = GROUP } = {}): Promise<void> {
  await writeIdentity(files, DATA, IDENTITY);
  const scan = await scanLog(files, `${DATA}/log`, { powerLoss: false, countAfter: 0 });
  const log = await LogFile.open(files, `${DATA}/log`, scan, { segmentBytes: 4096, startAfter: 0, isSynced: true });
  await log.append([record(1, "configuration", configuration)]);
  await log.append([record(1, "command", "one"), record(1, "command", "two")]);
  await log.append([record(3, "command", "three", AT + 5000)]);
  const vote = await VoteFile.open(files, `${DATA}/vote`, { powerLoss: false });
  await vote.write({ term: 5, vote: "b", trust: "whole" });
  await writeRunMark(files, DATA, { boot: "boot-0", cleanAt });
}

async function held(files: Files, boot: string) {
  const { term, lastIndex, configuration } = await readLog(files, DATA, boot);
  const vote = await readVote(files, `${DATA}/vote`, { powerLoss: false });
  const identity = await readIdentity(files, DATA);
  return { term, lastIndex, configuration, vote: vote?.state, epoch: identity?.epoch };
}

describe("a member that is to go on alone, because the majority is lost", () => {
  test("is told what would be done, and nothing has changed then", async () => {
    const disk = new CrashDisk(new Random(1));
    const files = disk.restart(false);
    await member(files);
    const before = disk.operations;
    const { epoch, ...plan } = await planRecovery(files, DATA, "boot-0");
    assert.ok(epoch.from === 2 && epoch.to > 2);
    assert.deepEqual(plan, {
      directory: DATA,
      memberId: "a",
      clusterId: "prod",
      term: { from: 5, to: 6 },
      last: { index: 4, term: 3, at: AT + 5000 },
      appliedIndex: 4,
      voters: ["a", "b", "c"],
      addresses: { c: "10.0.0.3:8848" },
      learners: [],
    });
    assert.equal(disk.operations, before);
  });

  test("is the only voter then, in a term and an epoch of its own, with all of its log", async () => {
    const files = new CrashDisk(new Random(1)).restart(false);
    await member(files);
    const plan = await planRecovery(files, DATA, "boot-0");
    await recover(files, plan, AT, "boot-0");
    const epoch = plan.epoch.to;
    assert.deepEqual(await held(files, "boot-0"), {
      term: 6,
      lastIndex: 5,
      configuration: ALONE,
      vote: { term: 6, vote: "a", trust: "whole" },
      epoch,
    });
    assert.deepEqual(await readIdentity(files, DATA), { ...IDENTITY, epoch, peers: {} });
    await assert.rejects(planRecovery(files, DATA, "boot-0"), {
      failure: "illegalState",
      message: "this member is the only voter of its group: start it, and it leads",
    });
  });

  test("is as before or all done after the next start, wherever process or machine stop", async () => {
    const seen = { before: 0, done: 0 };
    for (let seed = 1; seed <= 400; seed += 1) {
      const random = new Random(seed);
      const disk = new CrashDisk(random);
      let files = disk.restart(false);
      await member(files, { cleanAt: random.chance(0.5) ? 4 : null });
      let boot = 0;
      for (let life = 0; ; life += 1) {
        const where = `seed ${seed}, life ${life}`;
        disk.stopsAfter = life < 4 ? disk.operations + random.below(16) : Number.POSITIVE_INFINITY;
        const isDone = await planRecovery(files, DATA, `boot-${boot}`)
          .then((plan) => recover(files, plan, AT, `boot-${boot}`))
          .then(
            () => true,
            (thrown) => /is the only voter/.test(thrown.message),
          );
        const powerLost = random.chance(0.5);
        if (powerLost) boot += 1;
        files = disk.restart(powerLost);
        // A start, which may be stopped as well.
        disk.stopsAfter = random.chance(0.5) ? disk.operations + random.below(8) : Number.POSITIVE_INFINITY;
        const isFinished = await finishOfflineOrder(files, DATA, `boot-${boot}`).then(
          () => true,
          (thrown) => assert.match(String(thrown.cause ?? thrown), /process has ended/, where) as undefined,
        );
        files = disk.restart(false);
        if (isFinished !== true) continue;
        const { configuration, epoch, term, vote } = await held(files, `boot-${boot}`);
        const isRecovered = epoch !== 2;
        assert.equal(isRecovered, configuration === ALONE, where);
        if (isDone) assert.ok(isRecovered, where);
        assert.ok((vote?.term ?? 0) >= term, where);
        seen[isRecovered ? "done" : "before"] += 1;
        if (isDone) break;
      }
    }
    assert.ok(seen.before > 50 && seen.done > 400, JSON.stringify(seen));
  });

  test("is refused where it would not help, or lose more", async () => {
    const alone = new CrashDisk(new Random(1)).restart(false);
    await member(alone, { configuration: ALONE });
    await assert.rejects(planRecovery(alone, DATA, "boot-0"), { message: /is the only voter of its group: start it/ });

    const over = new CrashDisk(new Random(1)).restart(false);
    await member(over);
    await writeIdentity(over, DATA, { ...IDENTITY, group: "over" });
    await assert.rejects(planRecovery(over, DATA, "boot-0"), { message: /of a group that it is no part of any more/ });

    const lossy = new CrashDisk(new Random(1)).restart(false);
    await member(lossy);
    const vote = await VoteFile.open(lossy, `${DATA}/vote`, { powerLoss: false });
    await vote.write({ term: 5, vote: "b", trust: "logLost" });
    await assert.rejects(planRecovery(lossy, DATA, "boot-0"), {
      message: /has lost acknowledged entries.*another member/,
    });

    await vote.write({ term: 5, vote: "b", trust: "stateLost" });
    await assert.rejects(planRecovery(lossy, DATA, "boot-0"), {
      message: /differs from .* most voters: recover another/,
    });

    const short = new CrashDisk(new Random(1)).restart(false);
    await member(short, { cleanAt: 9 });
    await assert.rejects(planRecovery(short, DATA, "boot-0"), { message: /ends at record 4, but records up to 9/ });

    await assert.rejects(planRecovery(new CrashDisk(new Random(1)).restart(false), DATA, "boot-0"), {
      failure: "notFound",
      message: /no member has used data/,
    });
  });

  test("is refused by name where what was ordered before cannot be read any more", async () => {
    for (const text of ["", "{", "null", '{"type":"recove"}']) {
      const files = new CrashDisk(new Random(1)).restart(false);
      await member(files);
      await replaceFile(files, DATA, ORDER_FILE, text);
      await assert.rejects(planRecovery(files, DATA), {
        failure: "dataAccess",
        message: /offline\.json is damaged, .*: restore a backup into an empty folder/,
      });
      assert.ok((await files.list(DATA)).includes(ORDER_FILE), "it stays for whoever looks into it");
    }
    const read = () => Promise.reject(Object.assign(new Error("it is broken"), { code: "EIO" }));
    const files = { ...new CrashDisk(new Random(1)).restart(false), read };
    await assert.rejects(finishOfflineOrder(files, DATA), {
      failure: "dataAccess",
      message: /offline\.json \(EIO\): check/,
    });
  });

  test("waits for a start that was putting another member's state in place", async () => {
    const files = new CrashDisk(new Random(1)).restart(false);
    await member(files);
    await replaceFile(files, `${DATA}/snapshots`, "9.install", "");
    await assert.rejects(planRecovery(files, DATA, "boot-0"), { message: /start this member once and stop it/ });
    assert.ok(!(await files.list(DATA)).includes(ORDER_FILE));
  });
});
