import assert from "node:assert/strict";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { ConfigRegisterMachine } from "@nacre/testkit/config-registers";
import { configName } from "@nacre/testkit/config-store-suite";
import { faultyFiles } from "@nacre/testkit/faulty-files";
import { put, type RegisterCommand, type RegisterResult } from "@nacre/testkit/log-suite";
import { type Files, nodeFiles } from "./files.ts";
import type { LogRecord, NewRecord } from "./records.ts";
import { checkSnapshot, type SnapshotInfo, snapshotPath } from "./snapshot.ts";
import { openStorage, type Storage, type StorageOptions } from "./storage.ts";

type Options = Partial<StorageOptions<RegisterCommand, RegisterResult>>;

interface Member {
  readonly storage: Storage<RegisterCommand, RegisterResult>;
  readonly machine: ConfigRegisterMachine;
}

/** A data folder of a member of a group: what is in its log is applied when the test says so. */
async function folder(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), "nacre-storage-"));
  const opened: Member["storage"][] = [];
  t.after(async () => {
    for (const storage of opened) await storage.close().catch(() => {});
    await rm(directory, { recursive: true });
  });
  return {
    directory,
    path: (...names: string[]) => join(directory, ...names),
    async open(options: Options = {}): Promise<Member> {
      const machine = new ConfigRegisterMachine();
      const limits = { segmentBytes: 2000, snapshotLogBytes: 10_000_000 };
      const storage = await openStorage({ directory, machine, replays: false, boot: "here", limits, ...options });
      opened.push(storage);
      return { storage, machine };
    },
    /** As after a kill of the process: the files are closed and nothing else is done. */
    async kill({ storage }: Member): Promise<void> {
      opened.splice(opened.indexOf(storage), 1);
      await storage.close().catch(() => {});
      await writeFile(join(directory, "run.json"), JSON.stringify({ boot: "here", cleanAt: null }));
    },
  };
}

const command = (text: RegisterCommand, term = 1): NewRecord => ({
  term,
  kind: "command",
  at: 1000,
  payload: Buffer.from(JSON.stringify(text)),
});

/** Appends registers `from` to `to`, in small batches, and applies them. */
async function write({ storage }: Member, from: number, to: number, term = 1): Promise<void> {
  if (storage.vote.state.term < term) await storage.vote.write({ ...storage.vote.state, term });
  const records = Array.from({ length: to - from + 1 }, (_, at) => {
    return command(put(`key-${(from + at) % 10}`, `value-${from + at}`), term);
  });
  for (let at = 0; at < records.length; at += 5) await storage.log.append(records.slice(at, at + 5), from + at);
  await apply({ storage }, to);
}

async function apply({ storage }: Pick<Member, "storage">, to: number): Promise<void> {
  for (let next = storage.applier.appliedIndex + 1; next <= to; ) {
    const records: readonly LogRecord[] = (await storage.log.read(next, 100_000)) ?? [];
    const wanted = records.filter(({ index }) => index <= to);
    await storage.applier.apply(wanted, () => {});
    next += wanted.length;
    assert.ok(wanted.length > 0, `record ${next} is not in the log`);
  }
}

function expected(count: number): Map<string, string> {
  const registers = new Map<string, string>();
  for (let i = 1; i <= count; i += 1) registers.set(`key-${i % 10}`, `value-${i}`);
  return registers;
}

/** What is in the store shows through the machine of the next start, and in contents. */
async function assertHolds(member: Member, count: number, what = ""): Promise<void> {
  const { storage, machine } = member;
  assert.equal(storage.applier.appliedIndex, count, what);
  assert.deepEqual(new Map([...machine.registers].sort()), new Map([...expected(count)].sort()), what);
  if (count === 0) return;
  const at = `key-${count % 10}`;
  assert.equal(await storage.configs.content(configName(at)), `value-${count}`, what);
}

/** Takes a snapshot of what a member has applied. */
async function snapshotOf(t: TestContext, count: number, term = 3): Promise<{ info: SnapshotInfo; bytes: Buffer }> {
  const data = await folder(t);
  const member = await data.open();
  const members: NewRecord = { term, kind: "configuration", at: 1, payload: Buffer.from('{"voters":["a"]}') };
  for (let i = 1; i < count; i += 1)
    await member.storage.log.append([command(put(`key-${i % 10}`, `value-${i}`), term)]);
  await member.storage.log.append([members, command(put(`key-${count % 10}`, `value-${count}`), term)]);
  await apply(member, count + 1);
  const info = await member.storage.snapshots.take();
  const bytes = await member.storage.snapshots.read(info.index, 0, info.bytes + 10);
  return { info, bytes };
}

async function receive({ storage }: Member, { info, bytes }: { info: SnapshotInfo; bytes: Buffer }, piece = 100) {
  const { index, term, bytes: total } = info;
  const incoming = await storage.receive({ index, term, total });
  while (incoming.offset < total) {
    await incoming.write(incoming.offset, bytes.subarray(incoming.offset, incoming.offset + piece));
  }
  return incoming;
}

describe("the storage of a member of a group", () => {
  test("opens with what was applied, and leaves the rest of the log to who knows what is committed", async (t) => {
    const data = await folder(t);
    const member = await data.open();
    await write(member, 1, 20);
    const members: NewRecord = { term: 2, kind: "configuration", at: 1, payload: Buffer.from("{}") };
    const noop: NewRecord = { term: 3, kind: "noop", at: 1, payload: Buffer.alloc(0) };
    await member.storage.log.append([members, noop, command(put("key-1", "later"), 3)]);
    await member.storage.vote.write({ term: 3, vote: "b", trust: "whole" });
    await data.kill(member);
    const again = await data.open();
    await assertHolds(again, 20);
    assert.equal(again.storage.log.lastIndex, 23);
    assert.deepEqual(again.storage.terms, [
      { first: 1, term: 1 },
      { first: 21, term: 2 },
      { first: 22, term: 3 },
    ]);
    assert.deepEqual(again.storage.configurations, [{ index: 21, text: "{}" }]);
    assert.deepEqual(again.storage.vote.state, { term: 3, vote: "b", trust: "whole" });
    const answered: unknown[] = [];
    const records = (await again.storage.log.read(21, 1000)) ?? [];
    await again.storage.applier.apply(records, (_, applied) => answered.push(applied?.ok));
    assert.deepEqual(answered, [undefined, undefined, true], "only commands are for the machine");
    assert.equal(again.storage.applier.mark.configuration, "{}");
    assert.equal(again.machine.registers.get("key-1"), "later");
  });

  test("keeps the log and the snapshots that others still need", async (t) => {
    const data = await folder(t);
    const member = await data.open({ limits: { segmentBytes: 200 } });
    const { snapshots, log } = member.storage;
    snapshots.retention = { keepFrom: () => 8, inUse: () => [10] };
    for (let i = 10; i <= 50; i += 10) {
      await write(member, i - 9, i);
      await snapshots.take();
    }
    assert.deepEqual(
      (await readdir(data.path("snapshots"))).map((name) => Number.parseInt(name, 10)),
      [10, 40, 50],
    );
    assert.equal((await snapshots.read(10, 0, 10)).length, 10);
    assert.ok(log.firstIndex <= 8 && log.firstIndex > 1);
    snapshots.retention = { keepFrom: () => 1000, inUse: () => [] };
    await write(member, 51, 60);
    await snapshots.take();
    assert.ok(log.firstIndex > 40 && log.firstIndex <= 51);
    await assert.rejects(snapshots.read(10, 0, 10), { failure: "dataAccess", message: /snapshot 10 .*ENOENT/ });
  });

  test("refuses a log that came to a term of which the vote knows nothing", async (t) => {
    const data = await folder(t);
    const member = await data.open();
    await member.storage.vote.write({ term: 1, vote: "b", trust: "whole" });
    await member.storage.log.append([command(put("key", "value"), 2)]);
    await data.kill(member);
    await assert.rejects(data.open(), {
      failure: "dataAccess",
      damage: { part: "vote", path: data.path("vote"), fromIndex: 1 },
      message: /is of term 1, but the log has come to term 2/,
    });
  });
});

describe("a snapshot of another member", () => {
  test("comes in pieces, goes on after a break of the process, and takes the place of log, store and machine", async (t) => {
    const snapshot = await snapshotOf(t, 40);
    assert.equal(snapshot.info.configuration, '{"voters":["a"]}');
    const data = await folder(t);
    const before = await data.open();
    await before.storage.vote.write({ term: 3, vote: undefined, trust: "whole" });
    await write(before, 1, 7);
    const { index, term, bytes: total } = snapshot.info;
    const begun = await before.storage.receive({ index, term, total });
    assert.equal(await begun.write(0, snapshot.bytes.subarray(0, 700)), 700);
    assert.equal(await begun.write(900, snapshot.bytes.subarray(900, 1000)), 700, "a gap is passed over");
    assert.equal(await begun.write(600, snapshot.bytes.subarray(600, 800)), 800, "what overlaps is not");
    await begun.pause();
    await data.kill(before);

    const member = await data.open();
    const resumed = await member.storage.receive({ index, term, total });
    assert.equal(resumed.offset, 800);
    await resumed.pause();
    const reader = member.storage.configs;
    assert.equal(await reader.content(configName("key-7")), "value-7");
    await member.storage.install(await receive(member, snapshot));
    await assertHoldsSnapshot(member);
    assert.equal(await reader.content(configName("key-9")), "value-39", "also for who reads all along");
    assert.equal(member.storage.log.firstIndex, index + 1);
    await member.storage.log.append([command(put("key-0", "new"), 3)], index + 1);
    await apply(member, index + 1);
    await data.kill(member);
    const again = await data.open();
    assert.equal(again.machine.registers.get("key-0"), "new");
    await again.storage.close();
    await rm(data.path("store.db"));
    const rebuilt = await data.open();
    await assertHoldsSnapshot(rebuilt);
    assert.deepEqual(rebuilt.storage.snapshots.newest, snapshot.info);

    async function assertHoldsSnapshot({ storage, machine }: Member): Promise<void> {
      assert.equal(storage.applier.appliedIndex, 41);
      assert.deepEqual(new Map([...machine.registers].sort()), new Map([...expected(40)].sort()));
      assert.equal(await storage.configs.content(configName("key-0")), "value-40");
      assert.equal(storage.applier.mark.configuration, '{"voters":["a"]}');
    }
  });

  test("that is not what was announced is refused, and has to come again", async (t) => {
    const snapshot = await snapshotOf(t, 20);
    const data = await folder(t);
    const member = await data.open();
    await write(member, 1, 7);
    const { info, bytes } = snapshot;
    const flipped = Buffer.from(bytes);
    flipped[500] = (flipped[500] ?? 0) ^ 1;
    await assert.rejects(member.storage.install(await receive(member, { info, bytes: flipped })), {
      failure: "dataAccess",
      message: /snapshot 21, which was received, cannot be used \(its checksum is wrong\): it is fetched again/,
    });
    const { index, bytes: total } = info;
    const short = await member.storage.receive({ index, term: 3, total });
    assert.equal(short.offset, 0, "nothing of it is left");
    await short.write(0, bytes.subarray(0, 100));
    await assert.rejects(member.storage.install(short), { message: /bytes are missing/ });
    await assert.rejects(member.storage.install(await receive(member, { info: { ...info, term: 4 }, bytes })), {
      message: /its first line is that of another/,
    });
    await assertHolds(member, 7);
    await member.storage.install(await receive(member, snapshot));
    assert.equal(member.storage.applier.appliedIndex, 21);
  });

  test("that the machine cannot take leaves everything as it was", async (t) => {
    const snapshot = await snapshotOf(t, 20);
    const data = await folder(t);
    const member = await data.open();
    await write(member, 1, 7);
    const { replace } = member.machine;
    member.machine.replace = () => {
      const replacing = replace.call(member.machine);
      return { ...replacing, finish: () => Promise.reject(new Error("on purpose")) };
    };
    await assert.rejects(member.storage.install(await receive(member, snapshot)), { failure: "dataAccess" });
    await write(member, 8, 9);
    await assertHolds(member, 9);
    await data.kill(member);
    await assertHolds(await data.open(), 9);
    assert.deepEqual(await readdir(data.path("snapshots")), []);
  });

  test("is there or is not, wherever the process stops (L13)", async (t) => {
    const snapshot = await snapshotOf(t, 20);
    const outcomes = new Map<string, number>();
    for (let changes = 0, done = false; !done; changes += 1) {
      const data = await folder(t);
      const { files, faults } = faultyFiles(nodeFiles);
      const member = await data.open({ files });
      await write(member, 1, 12);
      const incoming = await receive(member, snapshot, 5000);
      faults.changesLeft = changes;
      const told = await member.storage.install(incoming).then(
        () => "done",
        () => "failed",
      );
      done = faults.changesLeft >= 0;
      await data.kill(member);
      const again = await data.open();
      const { appliedIndex } = again.storage.applier;
      const what = `${changes} changes, ${told}, ${appliedIndex}`;
      assert.ok(appliedIndex === 21 || (appliedIndex === 12 && told === "failed"), what);
      assert.equal(again.storage.log.lastIndex, appliedIndex, what);
      const next = appliedIndex === 21 ? 22 : 13;
      const registers = new Map([...again.machine.registers].sort());
      assert.deepEqual(registers, new Map([...expected(appliedIndex === 21 ? 20 : 12)].sort()), what);
      await again.storage.log.append([command(put("key", "next"), 3)], next);
      await apply(again, next);
      outcomes.set(`${told} ${appliedIndex}`, 1 + (outcomes.get(`${told} ${appliedIndex}`) ?? 0));
    }
    assert.ok((outcomes.get("failed 12") ?? 0) >= 2, "before it counts");
    assert.ok((outcomes.get("failed 21") ?? 0) > 2, "after");
    assert.equal(outcomes.get("done 21"), 1);
  });
});

describe("a snapshot that was damaged after it was written", () => {
  test("gives way to another one, also where one is begun just then: they are written one at a time", async (t) => {
    const data = await folder(t);
    let open = 0;
    let atOnce = 0;
    let meanwhile: Promise<SnapshotInfo> | undefined;
    const files: Files = {
      ...nodeFiles,
      async create(path) {
        const file = await nodeFiles.create(path);
        if (!path.endsWith(".snapshot.tmp")) return file;
        atOnce = Math.max(atOnce, ++open);
        return { ...file, close: () => file.close().finally(() => open--) };
      },
      async rename(from, to) {
        if (to.endsWith(".damaged")) meanwhile = member.storage.snapshots.take();
        await nodeFiles.rename(from, to);
      },
    };
    const member = await data.open({ files });
    await write(member, 1, 20);
    const { index, bytes } = await member.storage.snapshots.take();
    const path = snapshotPath(data.path("snapshots"), index);
    const damaged = await readFile(path);
    damaged[bytes >> 1] = (damaged[bytes >> 1] ?? 0) ^ 1;
    await writeFile(path, damaged);
    await write(member, 21, 30);
    atOnce = 0;
    assert.equal(await member.storage.snapshots.mend(index), true);
    assert.equal((await meanwhile)?.index, 30);
    assert.equal(atOnce, 1);
    assert.deepEqual(
      await checkSnapshot(nodeFiles, snapshotPath(data.path("snapshots"), 30)),
      member.storage.applier.mark,
    );
  });
});

describe("damaged files", () => {
  /** A member whose log is damaged in front of good records. */
  async function damaged(t: TestContext, files: Files = nodeFiles) {
    const data = await folder(t);
    const member = await data.open({ files, limits: { segmentBytes: 1_000_000 } });
    await member.storage.vote.write({ term: 2, vote: "b", trust: "whole" });
    await write(member, 1, 10, 2);
    await data.kill(member);
    const [name = ""] = await readdir(data.path("log"));
    const bytes = await readFile(data.path("log", name));
    bytes[200] = (bytes[200] ?? 0) ^ 1;
    await writeFile(data.path("log", name), bytes);
    return data;
  }

  test("are told of, with the place, and nothing is changed", async (t) => {
    const data = await damaged(t);
    await assert.rejects(data.open(), {
      failure: "dataAccess",
      damage: { part: "log", path: data.path("log", "0000000000000001.log"), fromIndex: 3 },
      message: /the log is damaged in .*, where record 3 belongs/,
    });
    assert.ok((await readdir(data.directory)).includes("store.db"));
    assert.ok(!(await readdir(data.directory)).includes("damaged"));
  });

  test("are set aside where that is asked for, and the member starts with nothing but its vote", async (t) => {
    const data = await damaged(t);
    const member = await data.open({ quarantines: true });
    await assertHolds(member, 0);
    assert.equal(member.storage.log.lastIndex, 0);
    assert.equal(member.storage.quarantine?.damage?.fromIndex, 3);
    assert.deepEqual(member.storage.vote.state, { term: 2, vote: "b", trust: "logLost" });
    const { folder } = member.storage.quarantine ?? { folder: "" };
    assert.deepEqual(
      (await readdir(folder)).filter((name) => !name.startsWith("store.db")),
      ["log", "reason.json", "run.json", "snapshots", "vote"],
    );
    assert.match(await readFile(join(folder, "reason.json"), "utf8"), /where record 3 belongs/);
    await data.kill(member);
    const again = await data.open({ quarantines: true });
    assert.equal(again.storage.quarantine, undefined);
    assert.equal(
      again.storage.vote.state.trust,
      "logLost",
      "it knows what it has lost until it is told that it has not",
    );
  });

  test("say that the vote is lost when it is", async (t) => {
    const data = await damaged(t);
    await writeFile(data.path("vote"), "no vote");
    const member = await data.open({ quarantines: true });
    assert.deepEqual(member.storage.vote.state, { term: 0, vote: undefined, trust: "allLost" });
  });

  test("are set aside wholly, wherever the process stops, and two of them are kept", async (t) => {
    let stopped = 0;
    const source = await damaged(t);
    for (let changes = 0, done = false; !done; changes += 1) {
      const data = await folder(t);
      await cp(source.directory, data.directory, { recursive: true });
      const { files, faults } = faultyFiles(nodeFiles);
      faults.changesLeft = changes;
      const first = await data.open({ quarantines: true, files }).catch(() => undefined);
      done = faults.changesLeft >= 0;
      if (!done) stopped += 1;
      if (first !== undefined) await data.kill(first);
      const member = await data.open({ quarantines: true });
      await assertHolds(member, 0, `${changes} changes`);
      assert.deepEqual(member.storage.vote.state, { term: 2, vote: "b", trust: "logLost" }, `${changes} changes`);
      const set = data.path("damaged", "1");
      assert.ok((await readdir(join(set, "log"))).length > 0, `${changes} changes`);
      assert.equal((await readFile(join(set, "vote"))).length, 4608);
      await member.storage.close();
    }
    assert.ok(stopped > 10);
    const data = await damaged(t);
    for (let time = 1; time <= 4; time += 1) {
      await writeFile(data.path("vote"), `damage ${time}`);
      await (await data.open({ quarantines: true })).storage.close();
    }
    assert.deepEqual(await readdir(data.path("damaged")), ["3", "4"]);
  });
});
