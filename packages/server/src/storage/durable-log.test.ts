import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { faultyFiles } from "@nacre/testkit/faulty-files";
import { logSuite, neverReplaced, put, type RegisterLog, RegisterMachine } from "@nacre/testkit/log-suite";
import Database from "better-sqlite3";
import { type DurableLogOptions, type LogLimits, openDurableLog } from "./durable-log.ts";
import { nodeFiles } from "./files.ts";
import { openMemoryLog } from "./memory-log.ts";
import { checkSnapshot } from "./snapshot.ts";

type Options = Partial<Omit<DurableLogOptions<never, never>, "directory" | "machine">>;

/** A data folder that lives as long as the test. */
async function folder(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), "nacre-log-"));
  const logs: RegisterLog[] = [];
  t.after(async () => {
    for (const log of logs) await log.close();
    await rm(directory, { recursive: true });
  });
  return {
    directory,
    path: (...names: string[]) => join(directory, ...names),
    async open(options: Options = {}) {
      const machine = new RegisterMachine();
      const log = await openDurableLog({ directory, machine, ...options });
      logs.push(log);
      return { log, machine };
    },
    segments: () => readdir(join(directory, "log")),
    snapshots: () => readdir(join(directory, "snapshots")),
  };
}

type Folder = Awaited<ReturnType<typeof folder>>;

/** Writes entries 1 to `count`, one batch each, and closes. */
async function fill(data: Folder, count: number, options: Options = {}): Promise<void> {
  const { log } = await data.open(options);
  for (let i = log.appliedIndex + 1; i <= count; i += 1) await log.propose(put(`key-${i % 10}`, `value-${i}`));
  await log.close();
}

function expected(count: number): Map<string, string> {
  const registers = new Map<string, string>();
  for (let i = 1; i <= count; i += 1) registers.set(`key-${i % 10}`, `value-${i}`);
  return registers;
}

async function flip(path: string, offset: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[offset] = (bytes[offset] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

/** Condition of an event that has no promise of its own; bounded, so that a failure is a failure and not a hang. */
async function until(condition: () => boolean): Promise<void> {
  for (let turns = 0; !condition(); turns += 1) {
    assert.ok(turns < 100_000, "the condition was not met");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const FIRST = "0000000000000001.log";
const small: Partial<LogLimits> = { segmentBytes: 400, snapshotLogBytes: 1000 };

logSuite("the file log", async (t, options) => {
  const { directory } = await folder(t);
  const log = await openDurableLog({ directory, ...options });
  t.after(() => log.close());
  return log;
});
logSuite("the memory log", async (_, options) => openMemoryLog(options));

describe("a log that is opened again", () => {
  test("loads the store after a clean stop and applies nothing twice", async (t) => {
    const data = await folder(t);
    await fill(data, 25, { boot: "one" });
    const { log, machine } = await data.open({ boot: "two" });
    assert.deepEqual(machine.registers, expected(25));
    assert.equal(machine.entries.length, 0);
    assert.equal((await log.propose(put("key", "next"))).index, 26);
  });

  const doubts: Record<string, (data: Folder) => Promise<void>> = {
    "is missing": (data) => rm(data.path("store.db")),
    "is no database": (data) => writeFile(data.path("store.db"), "not a database, but long enough to be read as one"),
    "was written in another boot without a clean stop": (data) =>
      writeFile(data.path("run.json"), JSON.stringify({ boot: "before", cleanAt: null })),
    "belongs to another log": async (data) => {
      const store = new Database(data.path("store.db"));
      store.exec("UPDATE mark SET checksum = checksum + 1; DELETE FROM rows");
      store.close();
    },
    "was being rebuilt": async (data) => {
      const store = new Database(data.path("store.db"));
      store.exec("UPDATE mark SET position = -1; INSERT INTO rows VALUES ('register', 'stray', '1')");
      store.close();
    },
  };
  for (const [doubt, make] of Object.entries(doubts)) {
    test(`is rebuilt when its store ${doubt} (L6)`, async (t) => {
      const data = await folder(t);
      await fill(data, 25, { boot: "one" });
      await make(data);
      const { machine, log } = await data.open({ boot: "one" });
      assert.deepEqual(machine.registers, expected(25));
      assert.equal(machine.entries.length, 25, "all entries were applied");
      await log.close();
      assert.deepEqual((await data.open({ boot: "one" })).machine.registers, expected(25), "and saved");
    });
  }

  test("keeps removed rows removed", async (t) => {
    const data = await folder(t);
    const { log } = await data.open();
    await log.propose(put("key", "value"));
    await log.propose({ type: "remove", key: "key" });
    await log.close();
    assert.equal((await data.open()).machine.registers.size, 0);
  });

  test("replays a record of more rows than a call takes as arguments", async (t) => {
    const data = await folder(t);
    const rows = Array.from({ length: 150_000 }, (_, at) => ({ kind: "row", key: `${at % 10}`, value: `${at}` }));
    const apply = () => ({ ok: true as const, result: undefined, rows });
    const machine = { load: () => {}, apply, replace: neverReplaced };
    const first = await openDurableLog({ directory: data.directory, machine });
    await first.propose({});
    await first.close();
    await rm(data.path("store.db"));
    const again = await openDurableLog({ directory: data.directory, machine });
    assert.equal(again.appliedIndex, 1);
    await again.close();
  });

  test("does not start over a record that cannot be applied (L10)", async (t) => {
    const data = await folder(t);
    const { log } = await data.open();
    await assert.rejects(log.propose({ type: "break" }));
    await log.close();
    await assert.rejects(data.open(), { failure: "dataAccess", message: /record 1 of the log cannot be applied/ });
  });
});

describe("the data folder", () => {
  test("is made when missing", async (t) => {
    const data = await folder(t);
    const directory = data.path("a", "b");
    const log = await openDurableLog({ directory, machine: new RegisterMachine() });
    await log.close();
    assert.ok((await readdir(directory)).includes("log"));
  });

  test("that cannot be made or written is named with the mend", async (t) => {
    const data = await folder(t);
    const machine = new RegisterMachine();
    await writeFile(data.path("file"), "");
    await assert.rejects(openDurableLog({ directory: data.path("file"), machine }), {
      failure: "dataAccess",
      message: `the data folder ${data.path("file")} cannot be made or written (ENOTDIR): name a folder, not a file`,
    });
    const { files, faults } = faultyFiles(nodeFiles);
    faults.makeDirectory = "EACCES";
    await assert.rejects(data.open({ files }), { message: /EACCES.*let this user read and write the folder/ });
  });

  test("is used by one log at a time (L9)", async (t) => {
    const data = await folder(t);
    const { log } = await data.open();
    await assert.rejects(data.open(), {
      failure: "dataAccess",
      message: `the data folder ${data.directory} is in use by another process: stop that one or name another folder`,
    });
    await log.close();
    await data.open();
  });
});

describe("a log with a damaged file", () => {
  /** Without store and run mark there is no witness: what a power loss in the first minutes may leave. */
  async function forget(data: Folder): Promise<void> {
    for (const name of ["store.db", "run.json"]) await rm(data.path(name));
  }

  test("loses a torn tail and continues at its place (L4)", async (t) => {
    const data = await folder(t);
    await fill(data, 5);
    await forget(data);
    const { length } = await readFile(data.path("log", FIRST));
    await truncate(data.path("log", FIRST), length - 1);
    const { log, machine } = await data.open();
    assert.deepEqual(machine.registers, expected(4));
    assert.equal((await log.propose(put("k", ""))).index, 5);
    await log.close();
    await forget(data);
    const again = await data.open();
    assert.deepEqual(again.machine.registers, expected(4).set("k", ""), "also when the new record is shorter");
  });

  test("refuses to start when a witness knows of records that are gone (L4)", async (t) => {
    const data = await folder(t);
    await fill(data, 5);
    const { length } = await readFile(data.path("log", FIRST));
    await truncate(data.path("log", FIRST), length - 1);
    const message = `the log in ${data.path("log")} ends at record 4, but records up to 5 had been acknowledged: restore the data folder from a backup`;
    await assert.rejects(data.open(), { failure: "dataAccess", message });
    await rm(data.path("store.db"));
    await assert.rejects(data.open(), { message }, "the mark of the clean stop is a witness of its own");
    assert.equal((await readFile(data.path("log", FIRST))).length, length - 1, "nothing was changed");
  });

  test("refuses to start over damage in front of good records, with file and byte (L4)", async (t) => {
    const data = await folder(t);
    await fill(data, 5);
    await forget(data);
    await flip(data.path("log", FIRST), 60);
    await assert.rejects(data.open(), {
      failure: "dataAccess",
      message:
        `the log is damaged in ${data.path("log", FIRST)} at byte 24, where record 1 belongs (the checksum is wrong): ` +
        "restore the data folder from a backup, because what stood here had been acknowledged",
    });
  });

  test("refuses to start over a last record that is whole and wrong, unless the machine lost power (L4)", async (t) => {
    const data = await folder(t);
    await fill(data, 5, { boot: "one" });
    await rm(data.path("store.db"));
    const { length } = await readFile(data.path("log", FIRST));
    await flip(data.path("log", FIRST), length - 1);
    await writeFile(data.path("run.json"), JSON.stringify({ boot: "one", cleanAt: null }));
    await assert.rejects(data.open({ boot: "one" }), {
      damage: { part: "log", path: data.path("log", FIRST), fromIndex: 5 },
      message: /where record 5 belongs \(the checksum is wrong\)/,
    });
    assert.equal((await data.open({ boot: "two" })).log.appliedIndex, 4);
  });

  test("loses a batch that a power loss tore in its middle, but not within one boot (L4)", async (t) => {
    const data = await folder(t);
    const { log } = await data.open({ boot: "one" });
    await Promise.all(["a", "b", "c"].map((value) => log.propose(put("key", value))));
    await log.close();
    await rm(data.path("store.db"));
    await flip(data.path("log", FIRST), 60);
    await writeFile(data.path("run.json"), JSON.stringify({ boot: "one", cleanAt: null }));
    await assert.rejects(data.open({ boot: "one" }), { message: /damaged .* at byte 24/ });
    const { log: after } = await data.open({ boot: "two" });
    assert.equal(after.appliedIndex, 0);
    await after.propose(put("key", "a"));
    await after.close();
    await forget(data);
    assert.equal((await data.open()).log.appliedIndex, 1, "what was cut does not come back behind a new record");
  });

  test("refuses to start when a segment is missing, with its indexes", async (t) => {
    const data = await folder(t);
    await fill(data, 30, { limits: { segmentBytes: 400 } });
    const [first = "", second = "", third = ""] = await data.segments();
    await rm(data.path("log", second));
    await assert.rejects(data.open(), {
      message: new RegExp(
        `misses records ${Number.parseInt(second, 10)} to ${Number.parseInt(third, 10) - 1} .*${first}`,
      ),
    });
  });

  test("takes an empty last segment for one that was being made", async (t) => {
    const data = await folder(t);
    await fill(data, 5);
    await writeFile(data.path("log", "0000000000000006.log"), "nacre");
    const { log } = await data.open();
    assert.equal((await log.propose(put("key-6", "value-6"))).index, 6);
    await log.close();
    await rm(data.path("store.db"));
    assert.deepEqual((await data.open()).machine.registers, expected(6));
  });
});

describe("a log whose disk fails", () => {
  for (const afterBytes of [0, 10, 60]) {
    test(`keeps nothing of a write that failed after ${afterBytes} bytes, and tries again (L5)`, async (t) => {
      const data = await folder(t);
      const { files, faults } = faultyFiles(nodeFiles);
      const { log, machine } = await data.open({ files });
      await log.propose(put("key", "1"));
      faults.write = { code: "ENOSPC", afterBytes };
      await assert.rejects(log.propose(put("key", "2")), {
        failure: "dataAccess",
        message: `the log in ${data.path("log")} cannot be written (ENOSPC): free space on its disk`,
      });
      assert.equal(log.status().refusing, undefined);
      assert.equal(machine.registers.get("key"), "1");
      faults.write = undefined;
      assert.deepEqual((await log.propose(put("key", "3"))).index, 2);
      await log.close();
      await rm(data.path("store.db"));
      const again = await data.open();
      assert.deepEqual([...again.machine.registers], [["key", "3"]]);
      assert.equal(again.log.appliedIndex, 2);
    });
  }

  test("survives a full disk at the start of a segment", async (t) => {
    const data = await folder(t);
    const { files, faults } = faultyFiles(nodeFiles);
    const { log } = await data.open({ files, limits: { segmentBytes: 50 } });
    await log.propose(put("key", "1"));
    faults.write = { code: "ENOSPC", afterBytes: 5 };
    await assert.rejects(log.propose(put("key", "2")), { message: /ENOSPC/ });
    assert.deepEqual(await data.segments(), [FIRST]);
    faults.write = undefined;
    await log.propose(put("key", "3"));
    assert.equal((await data.segments()).length, 2);
  });

  test("takes no writes until a restart after a failed sync, and says so (L5)", async (t) => {
    const data = await folder(t);
    const { files, faults } = faultyFiles(nodeFiles);
    const { log, machine } = await data.open({ files });
    await log.propose(put("key", "1"));
    faults.sync = "EIO";
    await assert.rejects(log.propose(put("key", "2")), {
      failure: "dataAccess",
      message: /sync of the log failed.*EIO/,
    });
    faults.sync = undefined;
    await assert.rejects(log.propose(put("key", "3")), { failure: "dataAccess", message: /restart/ });
    assert.match(log.status().refusing ?? "", /takes no writes.*EIO.*restart/);
    assert.equal(machine.registers.get("key"), "1");
    await log.close();
    const again = await data.open();
    assert.deepEqual([...again.machine.registers], [["key", "1"]]);
    assert.equal((await again.log.propose(put("key", "4"))).index, 2);
  });

  test("takes no writes when a failed write cannot be removed (L5)", async (t) => {
    const data = await folder(t);
    const { files, faults } = faultyFiles(nodeFiles);
    const { log } = await data.open({ files });
    faults.write = { code: "EIO", afterBytes: 10 };
    faults.truncate = "EIO";
    await assert.rejects(log.propose(put("key", "1")), { message: /cannot be written/ });
    assert.match(log.status().refusing ?? "", /could not be removed/);
  });

  test("does not hold the event loop while a sync is slow, and gathers what comes meanwhile (L7)", async (t) => {
    const data = await folder(t);
    const { files, faults } = faultyFiles(nodeFiles);
    const { log } = await data.open({ files });
    const gate = Promise.withResolvers<void>();
    faults.syncGate = gate.promise;
    faults.writes.length = 0;
    const syncs = faults.syncs;
    const first = log.propose(put("key", "1"));
    await until(() => faults.syncs === syncs + 1);
    const rest = ["2", "3", "4"].map((value) => log.propose(put("key", value)));
    for (let turns = 0; turns < 100; turns += 1) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(log.status().pending, 4);
    assert.equal(log.appliedIndex, 0, "nothing is applied before it is durable (L1)");
    assert.equal(faults.writes.length, 1);
    gate.resolve();
    await Promise.all([first, ...rest]);
    assert.equal(faults.writes.length, 2, "one write for all that waited");
    assert.equal(faults.syncs, syncs + 2);
  });

  test("answers what is durable when the store fails, and refuses the next until the store has caught up", async (t) => {
    const data = await folder(t);
    const { log } = await data.open();
    await log.propose(put("key", "1"));
    const other = new Database(data.path("store.db"), { timeout: 0 });
    t.after(() => other.close());
    other.exec("BEGIN IMMEDIATE");
    assert.equal(log.status().storeFailing, undefined);
    assert.equal((await log.propose(put("key", "2"))).index, 2);
    assert.match(log.status().storeFailing ?? "", /store.db cannot be written/);
    await assert.rejects(log.propose(put("key", "3")), {
      failure: "dataAccess",
      message: /store.db cannot be written/,
    });
    other.exec("ROLLBACK");
    assert.equal((await log.propose(put("key", "4"))).index, 3);
    assert.equal(log.status().storeFailing, undefined);
    await log.close();
    assert.equal((await data.open()).machine.registers.get("key"), "4");
  });
});

describe("snapshots", () => {
  async function filled(data: Folder): Promise<void> {
    await fill(data, 100, { limits: small });
  }

  test("are taken as the log grows; the last two stay, and the log behind the older one", async (t) => {
    const data = await folder(t);
    const { log } = await data.open({ limits: small });
    for (let round = 0, index = 0; round < 5; round += 1, index = log.status().snapshotIndex) {
      for (let i = 1; i <= 20; i += 1) await log.propose(put(`key-${i % 10}`, `value-${i}`));
      await until(() => log.status().snapshotIndex > index);
    }
    await log.close();
    const snapshots = (await data.snapshots()).map((name) => Number.parseInt(name, 10));
    assert.equal(snapshots.length, 2);
    const [oldest = 0] = snapshots;
    const [first = "", second = ""] = await data.segments();
    assert.ok(Number.parseInt(first, 10) > 1, "the start of the log is gone");
    assert.ok(Number.parseInt(first, 10) <= oldest + 1, "but nothing that the older snapshot lacks");
    assert.ok(Number.parseInt(second, 10) > oldest + 1, "and no segment too many");
  });

  test("stand in for the log when the store is lost", async (t) => {
    const data = await folder(t);
    await filled(data);
    await rm(data.path("store.db"));
    const { machine } = await data.open();
    assert.deepEqual(machine.registers, expected(100));
    assert.ok(machine.entries.length < 100);
    assert.equal(machine.loaded.length, 10);
  });

  test("fall back to the older one when the newest is damaged, and fail clearly when both are (L8)", async (t) => {
    const data = await folder(t);
    await filled(data);
    await rm(data.path("store.db"));
    const [older = "", newest = ""] = await data.snapshots();
    await flip(data.path("snapshots", newest), 100);
    const { machine, log } = await data.open();
    assert.deepEqual(machine.registers, expected(100));
    await log.close();
    assert.deepEqual(await data.snapshots(), [older, `${newest}.damaged`], "the damaged one is set aside");

    for (const name of ["store.db", "run.json"]) await rm(data.path(name));
    await rename(data.path("snapshots", `${newest}.damaged`), data.path("snapshots", newest));
    await flip(data.path("snapshots", older), 300);
    await assert.rejects(data.open(), {
      failure: "dataAccess",
      damage: { part: "snapshots", path: data.path("snapshots"), fromIndex: 1 },
      message: /no snapshot in .* can be used \(snapshot \d+: .*; snapshot \d+: .*\) .* restore/,
    });
    assert.deepEqual(await data.snapshots(), [older, newest], "nothing was changed");
  });

  test("are seen as damaged for any flipped or missing byte (L8)", async (t) => {
    const data = await folder(t);
    await filled(data);
    const [name = ""] = await data.snapshots();
    const path = data.path("snapshots", name);
    const bytes = await readFile(path);
    assert.equal(typeof (await checkSnapshot(nodeFiles, path)), "object");
    for (let offset = 0; offset < bytes.length; offset += 7) {
      await flip(path, offset);
      assert.equal(typeof (await checkSnapshot(nodeFiles, path)), "string", `byte ${offset}`);
      await writeFile(path, bytes.subarray(0, offset));
      assert.equal(typeof (await checkSnapshot(nodeFiles, path)), "string", `cut at ${offset}`);
      await writeFile(path, bytes);
    }
  });

  test("alone bring a state back into an empty folder", async (t) => {
    const data = await folder(t);
    await filled(data);
    const [, newest = ""] = await data.snapshots();
    const index = Number.parseInt(newest, 10);
    for (const name of ["store.db", "run.json"]) await rm(data.path(name));
    await rm(data.path("log"), { recursive: true });
    const { log, machine } = await data.open();
    assert.equal(log.appliedIndex, index);
    assert.deepEqual(machine.registers, expected(index));
    assert.equal((await log.propose(put("key", "next"))).index, index + 1);
  });

  test("hold one moment of the store while writes go on", async (t) => {
    const data = await folder(t);
    const { files, faults } = faultyFiles(nodeFiles, "/snapshots/");
    const { log } = await data.open({ files, limits: { snapshotLogBytes: 300 } });
    const gate = Promise.withResolvers<void>();
    faults.writeGate = gate.promise;
    let i = 0;
    for (; faults.writes.length === 0; ) await log.propose(put("key", `value-${++i}`));
    for (let more = 0; more < 20; more += 1) await log.propose(put("key", `value-${++i}`));
    gate.resolve();
    await until(() => log.status().snapshotIndex > 0);
    const { snapshotIndex } = log.status();
    await log.close();
    const [name = ""] = await data.snapshots();
    const [head, row] = (await readFile(data.path("snapshots", name), "utf8")).split("\n");
    assert.equal(JSON.parse(head ?? "").index, snapshotIndex);
    assert.deepEqual(JSON.parse(row ?? ""), ["register", "key", JSON.stringify(`value-${snapshotIndex}`)]);
    assert.ok(snapshotIndex < i);
  });

  test("that fail leave no file and no loss", async (t) => {
    const data = await folder(t);
    const { files, faults } = faultyFiles(nodeFiles, "/snapshots/");
    faults.write = { code: "ENOSPC", afterBytes: 3 };
    await fill(data, 100, { limits: small, files });
    assert.deepEqual(await data.snapshots(), []);
    await rm(data.path("store.db"));
    assert.deepEqual((await data.open()).machine.registers, expected(100));
  });
});
