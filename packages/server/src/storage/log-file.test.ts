import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { CrashDisk } from "@nacre/testkit/crash-files";
import { faultyFiles } from "@nacre/testkit/faulty-files";
import { Random } from "@nacre/testkit/random";
import { type Files, nodeFiles } from "./files.ts";
import { LogFile } from "./log-file.ts";
import { scanLog } from "./log-scan.ts";
import type { NewRecord } from "./records.ts";

const command = (text: string, term = 1): NewRecord => ({ term, kind: "command", at: 1, payload: Buffer.from(text) });

/** What a log says of itself: term and content of each record, from its first on. */
interface Content {
  readonly first: number;
  readonly records: readonly string[];
}

const told = ({ term, payload }: NewRecord): string => `${term}:${payload}`;

interface Opening {
  readonly directory?: string;
  readonly segmentBytes?: number;
  readonly startAfter?: number;
  readonly powerLoss?: boolean;
}

async function openLog(
  files: Files,
  { directory = "log", segmentBytes = 200, startAfter = 0, powerLoss = true }: Opening = {},
): Promise<{ readonly log: LogFile; readonly content: Content }> {
  const scan = await scanLog(files, directory, { powerLoss, countAfter: 0 });
  const log = await LogFile.open(files, directory, scan, { segmentBytes, startAfter, isSynced: false });
  const records: string[] = [];
  for await (const record of log.recordsAfter(0)) records.push(told(record));
  assert.equal(log.lastIndex, log.firstIndex + records.length - 1);
  return { log, content: { first: log.firstIndex, records } };
}

/** A log in a folder that lives as long as the test. */
async function onDisk(t: TestContext, segmentBytes: number) {
  const directory = await mkdtemp(join(tmpdir(), "nacre-log-file-"));
  const { files, faults } = faultyFiles(nodeFiles, directory);
  const { log } = await openLog(files, { directory, segmentBytes });
  const opened = [log];
  t.after(async () => {
    for (const one of opened) await one.close();
    await rm(directory, { recursive: true });
  });
  return {
    log,
    faults,
    async again() {
      const next = await openLog(nodeFiles, { directory, segmentBytes });
      opened.push(next.log);
      return next;
    },
  };
}

async function read(log: LogFile, from: number, bytesMax: number): Promise<string[] | undefined> {
  return (await log.read(from, bytesMax))?.map((record) => `${record.index} ${told(record)}`);
}

describe("a tail that lost", () => {
  test("is replaced, in one segment and across several", async (t) => {
    for (const segmentBytes of [120, 100_000]) {
      const { log, again } = await onDisk(t, segmentBytes);
      for (let i = 1; i <= 10; i += 1) await log.append([command(`old ${i}`)]);
      await log.truncateFrom(4, [command("new 4", 2), command("new 5", 2)]);
      assert.equal(log.lastIndex, 5);
      await log.append([command("new 6", 3)], 6);
      const expected = ["1:old 1", "1:old 2", "1:old 3", "2:new 4", "2:new 5", "3:new 6"];
      assert.deepEqual((await again()).content, { first: 1, records: expected });
      assert.deepEqual(await read(log, 3, 10), ["3 1:old 3"]);
      assert.deepEqual(await read(log, 4, 100), ["4 2:new 4", "5 2:new 5"]);
    }
  });

  test("may be all of the log, or nothing may follow it", async (t) => {
    const { log, again } = await onDisk(t, 120);
    for (let i = 1; i <= 5; i += 1) await log.append([command(`old ${i}`)]);
    await log.truncateFrom(1, [command("new 1", 2)]);
    assert.deepEqual((await again()).content, { first: 1, records: ["2:new 1"] });
    await log.truncateFrom(1);
    assert.deepEqual((await again()).content, { first: 1, records: [] });
    await log.append([command("newer 1", 3)]);
    assert.deepEqual((await again()).content, { first: 1, records: ["3:newer 1"] });
  });

  test("stays as it is when there is no space for what takes its place", async (t) => {
    const { log, faults, again } = await onDisk(t, 120);
    for (let i = 1; i <= 5; i += 1) await log.append([command(`old ${i}`)]);
    faults.write = { code: "ENOSPC", afterBytes: 10 };
    await assert.rejects(log.truncateFrom(3, [command("new 3", 2)]), { failure: "dataAccess", message: /ENOSPC/ });
    assert.match(log.full ?? "", /free space/);
    assert.equal((await again()).content.records.length, 5);
    faults.write = undefined;
    await log.truncateFrom(3, [command("new 3", 2)]);
    assert.deepEqual((await again()).content.records, ["1:old 1", "1:old 2", "2:new 3"]);
    assert.equal(log.full, undefined);
  });

  test("that cannot be removed lets nothing be written until a restart", async (t) => {
    const { log, faults, again } = await onDisk(t, 100_000);
    for (let i = 1; i <= 5; i += 1) await log.append([command(`old ${i}`)]);
    faults.rename = "EIO";
    await assert.rejects(log.truncateFrom(3, [command("new 3", 2)]), { failure: "dataAccess", message: /restart/ });
    faults.rename = undefined;
    await assert.rejects(log.append([command("late")]), { message: /takes no writes/ });
    assert.equal((await again()).content.records.length, 5);
  });

  test("is gone for readers when they ask", async (t) => {
    const { log } = await onDisk(t, 120);
    for (let i = 1; i <= 9; i += 1) await log.append([command(`old ${i}`)]);
    const cut = log.truncateFrom(3, [command("new 3", 2)]);
    const during = read(log, 3, 1);
    await cut;
    assert.ok(["3 1:old 3", "3 2:new 3", undefined].includes((await during)?.[0]));
    assert.deepEqual(await read(log, 3, 1000), ["3 2:new 3"]);
    assert.equal(await read(log, 4, 1000), undefined);
  });

  test("is the only one that an append refuses to stand in for: a place that is taken is an error", async (t) => {
    const { log } = await onDisk(t, 120);
    await log.append([command("1")]);
    await assert.rejects(log.append([command("2")], 1), /record 1 cannot follow 1/);
    await assert.rejects(log.append([command("2")], 3), /record 3 cannot follow 1/);
  });
});

describe("reading a log back", () => {
  test("begins anywhere, and ends at the bound or with the segment", async (t) => {
    const { log } = await onDisk(t, 40_000);
    const text = (index: number) => `${index}`.padEnd(300, ".");
    for (let i = 1; i <= 1000; i += 10) {
      await log.append(Array.from({ length: 10 }, (_, at) => command(text(i + at))));
    }
    for (const from of [1, 2, 119, 120, 121, 500, 999, 1000]) {
      const records = (await log.read(from, 2000)) ?? [];
      assert.ok(records.length >= 1 && records.length <= 6, `${records.length} from ${from}`);
      for (const [at, { index, payload }] of records.entries()) {
        assert.equal(index, from + at);
        assert.equal(String(payload), text(index));
      }
    }
    assert.equal((await log.read(5, 1))?.length, 1, "at least one");
    const seen: number[] = [];
    for (let next = 1; next <= log.lastIndex; ) {
      const records = (await log.read(next, 10_000)) ?? [];
      seen.push(...records.map(({ index }) => index));
      next += records.length;
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 1000 }, (_, at) => at + 1),
    );
  });

  test("finds a record of megabytes between others", async (t) => {
    const { log } = await onDisk(t, 100_000_000);
    const long = "x".repeat(3_000_000);
    await log.append([command("before"), command(long), command("after")]);
    assert.deepEqual(
      (await log.read(2, 10))?.map(({ payload }) => payload.length),
      [long.length],
    );
    assert.deepEqual(await read(log, 3, 10), ["3 1:after"]);
  });

  test("does not read the segment whole", async (t) => {
    const { log, faults } = await onDisk(t, 100_000_000);
    for (let i = 0; i < 200; i += 1) await log.append([command("x".repeat(50_000))]);
    faults.readBytes = 0;
    await log.read(150, 10_000);
    assert.ok(faults.readBytes < 300_000, `${faults.readBytes} bytes`);
  });

  test("finds nothing before the start and behind the end, and says where a file is damaged", async (t) => {
    const { log, faults } = await onDisk(t, 50);
    for (let i = 1; i <= 5; i += 1) await log.append([command(`${i}`)]);
    await log.dropThrough(2);
    assert.equal(await log.read(2, 10), undefined);
    assert.equal(await log.read(6, 10), undefined);
    faults.flipReads = true;
    await assert.rejects(log.read(4, 10), { failure: "dataAccess", message: /damaged in .*4\.log, where record 4/ });
  });
});

describe("a log on a disk without space", () => {
  test("says so until a write succeeds, and resumes by itself", async (t) => {
    const { log, faults, again } = await onDisk(t, 100_000);
    await log.append([command("1")]);
    assert.equal(log.full, undefined);
    faults.write = { code: "ENOSPC", afterBytes: 20 };
    await assert.rejects(log.append([command("2")]), { failure: "dataAccess", message: /\(ENOSPC\): free space/ });
    assert.match(log.full ?? "", /\(ENOSPC\): free space/);
    faults.write = undefined;
    await log.append([command("3")]);
    assert.equal(log.full, undefined);
    assert.deepEqual((await again()).content.records, ["1:1", "1:3"]);
  });

  test("resumes as well when there was no space even to remove what was written in part", async (t) => {
    const { log, faults, again } = await onDisk(t, 100_000);
    await log.append([command("1")]);
    faults.write = { code: "ENOSPC", afterBytes: 60 };
    faults.truncate = "ENOSPC";
    await assert.rejects(log.append([command("a longer one"), command("another")]), { message: /ENOSPC/ });
    assert.equal(log.refusing, undefined);
    faults.write = undefined;
    await assert.rejects(log.append([command("2")]), { message: /ENOSPC/ }, "nothing is written over the remains");
    faults.truncate = undefined;
    await log.append([command("3")]);
    assert.deepEqual((await again()).content.records, ["1:1", "1:3"]);
  });
});

/** What may be found after an operation that a crash interrupted, and what must be after one that succeeded. */
interface Step {
  readonly run: (log: LogFile) => Promise<unknown>;
  readonly after: Content;
  readonly allows: (found: Content) => boolean;
}

function isStart(of: readonly string[], found: readonly string[], least = 0): boolean {
  return found.length >= least && found.length <= of.length && found.every((one, at) => one === of[at]);
}

function equal(a: Content, b: Content): boolean {
  return a.first === b.first && a.records.length === b.records.length && isStart(a.records, b.records);
}

let written = 0;

function draw(random: Random, now: Content): Step {
  const { first, records } = now;
  const last = first + records.length - 1;
  const highest = Math.max(0, ...records.map((one) => Number.parseInt(one, 10)));
  const term = highest + 1;
  const next = random.chance(0.5) ? term : Math.max(1, highest);
  const fresh = Array.from({ length: 1 + random.below(4) }, () => {
    written += 1;
    return command(`${written} `.repeat(1 + random.below(12)), next);
  });
  const texts = fresh.map(told);
  const choice = random.below(10);
  if (choice < 6 || records.length === 0) {
    const all = [...records, ...texts];
    return {
      run: (log) => log.append(fresh, last + 1),
      after: { first, records: all },
      allows: (found) => found.first === first && isStart(all, found.records, records.length),
    };
  }
  if (choice < 8) {
    const index = first + random.below(records.length);
    const kept = records.slice(0, index - first);
    const put = random.chance(0.3) ? [] : fresh.map((one) => ({ ...one, term }));
    const after = { first, records: [...kept, ...put.map(told)] };
    return {
      run: (log) => log.truncateFrom(index, put),
      after,
      allows: (found) =>
        equal(found, after) || (found.first === first && isStart(records, found.records, index - first)),
    };
  }
  if (choice === 8) {
    const through = first + random.below(records.length);
    const tail = (found: Content) => records.slice(found.first - first);
    return {
      run: (log) => log.dropThrough(through),
      after: now,
      allows: (found) => found.first <= through + 1 && equal(found, { first: found.first, records: tail(found) }),
    };
  }
  const index = last + random.below(5);
  return {
    run: (log) => log.restartAfter(index),
    after: { first: index + 1, records: [] },
    allows: (found) =>
      (found.first === first && isStart(records, found.records)) || equal(found, { first: index + 1, records: [] }),
  };
}

describe("a log that is written, cut, dropped and restarted at random", () => {
  test("is what was written, or a consistent beginning of it, wherever process or machine stop (L4, L5)", async () => {
    let crashes = 0;
    for (let seed = 1; seed <= 400; seed += 1) {
      const random = new Random(seed);
      const disk = new CrashDisk(random);
      let powerLoss = random.chance(0.5);
      let { log, content } = await openLog(disk.restart(false));
      for (let life = 0; life < 6; life += 1) {
        disk.stopsAfter = disk.operations + random.below(40);
        let step = draw(random, content);
        for (let done = 0; ; done += 1) {
          assert.ok(done < 1000);
          const outcome = await step.run(log).then(
            () => "done",
            () => "stopped",
          );
          if (outcome === "stopped") break;
          const found: string[] = [];
          for await (const record of log.recordsAfter(0)) found.push(told(record));
          const now = { first: log.firstIndex, records: found };
          assert.ok(
            step.after === content ? step.allows(now) : equal(now, step.after),
            `seed ${seed}, life ${life}: ${JSON.stringify([content, step.after, now])}`,
          );
          content = now;
          step = draw(random, content);
        }
        crashes += 1;
        powerLoss = random.chance(0.5);
        const startAfter = step.after.first - 1;
        const next = await openLog(disk.restart(powerLoss), { startAfter, powerLoss });
        assert.ok(
          step.allows(next.content),
          `seed ${seed}, life ${life}: ${JSON.stringify([content, step.after, next.content])}`,
        );
        ({ log, content } = next);
      }
    }
    assert.equal(crashes, 2400);
  });
});
