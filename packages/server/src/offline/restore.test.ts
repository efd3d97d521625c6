import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CrashDisk } from "@nacre/testkit/crash-files";
import { Random } from "@nacre/testkit/random";
import { type Identity, readIdentity, writeIdentity } from "../cluster/identity.ts";
import { crc32 } from "../storage/crc32.ts";
import { DamageError, QUARANTINE_MARKER } from "../storage/damage.ts";
import { type Files, replaceFile } from "../storage/files.ts";
import { setAside } from "../storage/quarantine.ts";
import { checkSnapshot, snapshotPath, snapshotRows, writeSnapshot } from "../storage/snapshot.ts";
import type { SnapshotRow } from "../storage/sql/snapshot-rows.ts";
import { readVote } from "../storage/vote-file.ts";
import { backupBytes, describeBackup, verifyBackup } from "./backup-file.ts";
import { finishOfflineOrder, ORDER_FILE } from "./order.ts";
import { planRestore, restore } from "./restore.ts";
import { Tally } from "./tally.ts";

const FILE = "backups/nightly.backup";
const DATA = "data";
const ORIGIN = {
  clusterId: "prod",
  epoch: 1,
  memberId: "a",
  address: "10.0.0.1:8848",
  version: "1.2.3",
  at: 1_700_000_000_000,
};
const ROWS: readonly SnapshotRow[] = [
  { kind: "persistent", key: "orders", value: '{"ip":"10.1.0.1"}' },
  { kind: "raft", key: "clock", value: '{"time":7}' },
  { kind: "service", key: "orders", value: "{}" },
  { kind: "config_info", key: "1", value: ["1", "app.yaml", "é\n".repeat(300), null] },
];
/** The last one met an order that a killed process had left in the page cache alone. */
const SEEDS = [...Array.from({ length: 300 }, (_, at) => at + 1), 2000];
const EXISTING = {
  memberId: "b",
  clusterId: "prod",
  settled: true,
  incarnation: 9,
  epoch: 4,
  group: "joins" as const,
  peers: { c: "10.0.0.3:8848" },
  joined: [],
};

async function backup(files: Files, rows: readonly SnapshotRow[] = ROWS, index = 12): Promise<void> {
  const mark = { index, term: 3, checksum: 5, configuration: '{"voters":["a","b","c"],"learners":[]}' };
  const view = { mark, rows: rows.values(), close: () => {} };
  const bytes = (await writeSnapshot(files, "made", view, () => false)) ?? 0;
  const snapshot = { path: snapshotPath("made", index), index, term: 3, bytes };
  const head = await describeBackup(files, snapshot, ORIGIN);
  await replaceFile(files, "backups", "nightly.backup", await bytesOf(backupBytes(files, head, snapshot.path)));
}

async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const piece of pieces) chunks.push(piece);
  return Buffer.concat(chunks);
}

async function existing(files: Files): Promise<void> {
  await writeIdentity(files, DATA, EXISTING);
  await replaceFile(files, `${DATA}/log`, "0000000000000001.log", "the old log");
  await replaceFile(files, `${DATA}/snapshots`, "0000000000000099.snapshot", "the old snapshot");
  await replaceFile(files, DATA, "run.json", '{"boot":null,"cleanAt":99}');
}

async function rowsIn(files: Files, path: string): Promise<SnapshotRow[]> {
  const rows: SnapshotRow[] = [];
  for await (const row of snapshotRows(files, path)) rows.push(row);
  return rows;
}

describe("a backup", () => {
  test("says what it holds, with a hash of the state that leaves out how it came about", async () => {
    const files = new CrashDisk(new Random(1)).restart(false);
    await backup(files);
    const head = await verifyBackup(files, FILE);
    const { counts, index, term, clusterId } = head;
    assert.deepEqual(
      { counts, index, term, clusterId },
      { counts: { config_info: 1, persistent: 1, service: 1 }, index: 12, term: 3, clusterId: "prod" },
    );
    await backup(
      files,
      ROWS.map((row) => (row.kind === "raft" ? { ...row, value: '{"time":8}' } : row)),
    );
    assert.equal((await verifyBackup(files, FILE)).stateHash, head.stateHash);
    await backup(files, ROWS.slice(1));
    assert.notEqual((await verifyBackup(files, FILE)).stateHash, head.stateHash);
  });

  test("is refused with the place and the rule wherever a byte differs, is missing or too many", async () => {
    const files = new CrashDisk(new Random(1)).restart(false);
    await backup(files);
    const whole = await files.read(FILE);
    const refusal = async (bytes: Buffer): Promise<string> => {
      await replaceFile(files, "backups", "nightly.backup", bytes);
      const thrown = await verifyBackup(files, FILE).then(
        () => assert.fail("it was taken"),
        (error: unknown) => error as { failure: string; message: string },
      );
      assert.equal(thrown.failure, "invalidParameter");
      return thrown.message;
    };
    const headEnd = whole.indexOf(10) + 1;
    for (let at = 0; at < whole.length; at += 7) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      const message = await refusal(bytes);
      if (at >= headEnd)
        assert.match(message, new RegExp(`bytes ${headEnd} to ${whole.length} are damaged, because their checksum`));
      else assert.match(message, /head/);
    }
    assert.match(await refusal(whole.subarray(0, headEnd - 1)), /does not begin with the head of a backup/);
    assert.match(
      await refusal(whole.subarray(0, -9)),
      new RegExp(`ends at byte ${whole.length - 9} and not at byte ${whole.length}.*cut off`),
    );
    assert.match(await refusal(Buffer.concat([whole, Buffer.of(10)])), /goes on behind byte/);
    assert.match(await refusal(Buffer.from("{}\n")), /does not begin with the head/);
    const [line = "", ...rest] = whole.toString("latin1").split("\n");
    const forged = JSON.stringify({ ...JSON.parse(line), blocks: { bytes: 0, sums: [] } });
    assert.match(await refusal(Buffer.from([forged, ...rest].join("\n"), "latin1")), /head.*is damaged/);
  });
});

describe("a snapshot that is damaged", () => {
  /** The file of the snapshot, with a bit of a row turned. */
  async function damaged(files: Files): Promise<Buffer> {
    const path = snapshotPath("made", 12);
    const bytes = await files.read(path);
    const at = bytes.indexOf("10.1.0.1");
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await replaceFile(files, "made", "0000000000000012.snapshot", bytes);
    return bytes;
  }

  test("is made no backup, whose sums would fit", async () => {
    const files = new CrashDisk(new Random(1)).restart(false);
    await backup(files);
    const { length } = await damaged(files);
    const path = snapshotPath("made", 12);
    await assert.rejects(describeBackup(files, { path, index: 12, term: 3, bytes: length }, ORIGIN), {
      failure: "dataAccess",
      message: /0012\.snapshot, of which the backup was to be made, is damaged \(its checksum is wrong\)/,
    });
  });

  test("is not restored from a backup that takes it for whole", async () => {
    const files = new CrashDisk(new Random(1)).restart(false);
    await backup(files);
    const { sum: _, ...head } = JSON.parse(String(await files.read(FILE)).split("\n", 1)[0] ?? "");
    const bytes = await damaged(files);
    const tally = new Tally();
    tally.push(bytes);
    const fits = { ...head, ...tally.end(), blocks: { ...head.blocks, sums: [crc32(bytes)] } };
    const line = Buffer.from(`${JSON.stringify({ ...fits, sum: crc32(JSON.stringify(fits)) })}\n`);
    await replaceFile(files, "backups", "nightly.backup", Buffer.concat([line, bytes]));
    const plan = await planRestore(files, FILE, DATA);
    await assert.rejects(restore(files, plan), {
      failure: "invalidParameter",
      message: /nightly\.backup cannot be used as a backup: in its snapshot, its checksum is wrong/,
    });
    assert.deepEqual(await files.list(DATA), []);
  });
});

describe("a backup of a later version", () => {
  /** With a checksum that fits. */
  const lined = (head: object): string => `${JSON.stringify({ ...head, sum: crc32(JSON.stringify(head)) })}\n`;

  test("is refused by name, when it is looked at and when it is restored", async () => {
    const files = new CrashDisk(new Random(1)).restart(false);
    await backup(files);
    const whole = await files.read(FILE);
    const { sum: _, ...head } = JSON.parse(whole.toString("utf8", 0, whole.indexOf(10)));
    const later = Buffer.from(lined({ ...head, format: "nacre-backup-2" }));
    await replaceFile(
      files,
      "backups",
      "nightly.backup",
      Buffer.concat([later, whole.subarray(whole.indexOf(10) + 1)]),
    );
    const refusal = {
      failure: "invalidParameter",
      message:
        /nightly\.backup cannot be used as a backup: its format is version 2, and this program reads up to version 1/,
    };
    await assert.rejects(verifyBackup(files, FILE), refusal);
    await assert.rejects(planRestore(files, FILE, DATA), refusal);
  });

  test("may be one for its snapshot alone, which a restore refuses by name", async () => {
    const files = new CrashDisk(new Random(1)).restart(false);
    await backup(files);
    const path = snapshotPath("made", 12);
    const made = await files.read(path);
    const { sum: _, ...head } = JSON.parse(made.toString("utf8", 0, made.indexOf(10)));
    const begin = Buffer.from(lined({ ...head, format: "nacre-snapshot-4" }));
    const footAt = made.lastIndexOf(10, made.length - 2) + 1;
    const rows = made.subarray(made.indexOf(10) + 1, footAt);
    const foot = { ...JSON.parse(made.toString("utf8", footAt)), checksum: crc32(Buffer.concat([begin, rows])) };
    const later = Buffer.concat([begin, rows, Buffer.from(`${JSON.stringify(foot)}\n`)]);
    await replaceFile(files, "made", "0000000000000012.snapshot", later);
    const described = await describeBackup(files, { path, index: 12, term: 3, bytes: later.length }, ORIGIN);
    await replaceFile(files, "backups", "nightly.backup", await bytesOf(backupBytes(files, described, path)));
    const plan = await planRestore(files, FILE, DATA);
    await assert.rejects(restore(files, plan), {
      failure: "invalidParameter",
      message: /in its snapshot, its format is version 4, and this program reads up to version 3/,
    });
  });
});

describe("a restore", () => {
  test("into an empty folder makes a group of one, with a cluster id of its own and the same rows", async () => {
    const files = new CrashDisk(new Random(1)).restart(false);
    await backup(files);
    const plan = await planRestore(files, FILE, DATA);
    assert.equal(plan.existing, undefined);
    await restore(files, plan);
    assert.deepEqual(await files.list(DATA), ["member.json", "snapshots", "vote"]);
    const identity = await readIdentity(files, DATA);
    assert.deepEqual(identity, plan.identity);
    assert.notEqual(identity?.clusterId, ORIGIN.clusterId);
    assert.deepEqual([identity?.epoch, identity?.settled], [0, true]);
    const path = snapshotPath(`${DATA}/snapshots`, 12);
    assert.deepEqual(await checkSnapshot(files, path), {
      index: 12,
      term: 3,
      checksum: 5,
      configuration: JSON.stringify({ voters: [identity?.memberId], learners: [] }),
    });
    assert.deepEqual(await rowsIn(files, path), ROWS);
    assert.deepEqual((await readVote(files, `${DATA}/vote`, { powerLoss: false }))?.state, {
      term: 4,
      vote: undefined,
      trust: "whole",
    });
  });

  test("into a folder that is used keeps the member, sets what it held aside, and begins another epoch", async () => {
    const files = new CrashDisk(new Random(1)).restart(false);
    await backup(files);
    await existing(files);
    const plan = await planRestore(files, FILE, DATA);
    const { epoch } = plan.identity;
    assert.equal(plan.existing?.clusterId, "prod");
    assert.ok(epoch > EXISTING.epoch);
    await restore(files, plan);
    assert.deepEqual(await readIdentity(files, DATA), { ...EXISTING, epoch, peers: {} });
    assert.deepEqual(await files.list(`${DATA}/snapshots`), ["0000000000000012.snapshot"]);
    assert.deepEqual(await files.list(DATA), ["member.json", "replaced", "snapshots", "vote"]);
    assert.deepEqual(await files.list(`${DATA}/replaced/${epoch}`), ["log", "reason.json", "run.json", "snapshots"]);
  });

  /** The last start ended while it set a damaged log aside; then a backup is restored. */
  async function interrupted(files: Files): Promise<Identity> {
    const damage = { part: "log", path: `${DATA}/log`, fromIndex: 1 } as const;
    const { rename } = files;
    const ends: Files = {
      ...files,
      rename: (from, to) => (from.endsWith("snapshots") ? Promise.reject(new Error("it ends")) : rename(from, to)),
    };
    await assert.rejects(setAside(ends, DATA, new DamageError(damage, "the log is damaged")));
    const plan = await planRestore(files, FILE, DATA);
    await restore(files, plan);
    return plan.identity;
  }

  test("is not set aside by the next start, which would finish to set aside what was damaged there before", async () => {
    const files = new CrashDisk(new Random(1)).restart(false);
    await backup(files);
    await existing(files);
    const { epoch } = await interrupted(files);
    assert.deepEqual(await files.list(DATA), ["damaged", "member.json", "replaced", "snapshots", "vote"]);
    assert.deepEqual(await files.list(`${DATA}/replaced/${epoch}`), [
      QUARANTINE_MARKER,
      "reason.json",
      "run.json",
      "snapshots",
    ]);
  });

  test("is as if it had not been, or all done after the next start, wherever process or machine stop", async () => {
    const seen = { before: 0, done: 0 };
    for (const seed of SEEDS) {
      const random = new Random(seed);
      const disk = new CrashDisk(random);
      let files = disk.restart(false);
      await backup(files);
      const isUsed = random.chance(0.6);
      if (isUsed) await existing(files);
      for (let life = 0; ; life += 1) {
        const where = `seed ${seed}, life ${life}`;
        disk.stopsAfter = life < 4 ? disk.operations + random.below(30) : Number.POSITIVE_INFINITY;
        const told = await planRestore(files, FILE, DATA)
          .then((plan) => restore(files, plan))
          .then(
            () => true,
            () => false,
          );
        files = disk.restart(random.chance(0.5));
        disk.stopsAfter = random.chance(0.5) ? disk.operations + random.below(12) : Number.POSITIVE_INFINITY;
        const isStarted = await finishOfflineOrder(files, DATA).then(
          () => true,
          () => false,
        );
        files = disk.restart(false);
        if (!isStarted) continue;
        const present = await files.list(DATA);
        assert.ok(!present.includes(ORDER_FILE), where);
        const snapshots = await files.list(`${DATA}/snapshots`);
        const isDone = snapshots.includes("0000000000000012.snapshot");
        if (told) assert.ok(isDone, where);
        const identity = await readIdentity(files, DATA);
        if (isDone) {
          assert.deepEqual(snapshots, ["0000000000000012.snapshot"], where);
          assert.ok(!present.includes("log") && !present.includes("run.json"), where);
          assert.ok(identity !== undefined && (!isUsed || identity.epoch > 4), where);
          const mark = await checkSnapshot(files, snapshotPath(`${DATA}/snapshots`, 12));
          assert.ok(typeof mark === "object" && mark.configuration.includes(identity.memberId), where);
          assert.ok(((await readVote(files, `${DATA}/vote`, { powerLoss: true }))?.state.term ?? 0) > 3, where);
          if (isUsed) {
            // It may have been ordered again when it was done already.
            const first = Math.min(...(await files.list(`${DATA}/replaced`)).map(Number));
            assert.deepEqual(
              await files.list(`${DATA}/replaced/${first}`),
              ["log", "reason.json", "run.json", "snapshots"],
              where,
            );
          }
        } else {
          assert.deepEqual(identity, isUsed ? EXISTING : undefined, where);
          assert.deepEqual(snapshots, isUsed ? ["0000000000000099.snapshot"] : [], where);
        }
        seen[isDone ? "done" : "before"] += 1;
        if (isDone) break;
      }
    }
    assert.ok(seen.before > 50 && seen.done === SEEDS.length, JSON.stringify(seen));
  });

  test("is refused for a folder that holds parts of a member which nobody can name", async () => {
    const files = new CrashDisk(new Random(1)).restart(false);
    await backup(files);
    await replaceFile(files, DATA, "vote", "x");
    await assert.rejects(planRestore(files, FILE, DATA), { message: /has vote of a member, but not member\.json/ });
  });
});
