import assert from "node:assert/strict";
import { mkdtemp, open, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { crc32 } from "node:zlib";
import type { ConfigWrite } from "@nacre/core/config";
import { ConfigRegisterMachine } from "@nacre/testkit/config-registers";
import { configName, contentOf, putConfig } from "@nacre/testkit/config-store-suite";
import { neverReplaced, put } from "@nacre/testkit/log-suite";
import Database from "better-sqlite3";
import { type DurableLogOptions, openDurableLog } from "./durable-log.ts";
import { openMemoryLog } from "./memory-log.ts";
import type { OpenedLog, StateMachine } from "./port.ts";

type Options = Partial<Omit<DurableLogOptions<never, never>, "directory" | "machine">>;

async function folder(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), "nacre-configs-"));
  const logs: { close(): Promise<void> }[] = [];
  t.after(async () => {
    for (const log of logs) await log.close();
    await rm(directory, { recursive: true });
  });
  const path = (...names: string[]) => join(directory, ...names);
  return {
    directory,
    path,
    async open(options: Options = {}) {
      const machine = new ConfigRegisterMachine();
      const log = await openDurableLog({ directory, machine, ...options });
      logs.push(log);
      return { log, machine };
    },
    /** A machine that writes what it is told to. */
    async openWriter(saved: (index: number) => void = () => {}) {
      const log = await openDurableLog({ directory, machine: writer(saved) });
      logs.push(log);
      return log;
    },
    /** Every row of every table of configuration. */
    dump() {
      const store = new Database(path("store.db"), { readonly: true });
      try {
        const tables = ["config_info", "config_info_gray", "config_tags", "his_config_info", "staged_config"];
        return tables.map((table) => store.prepare(`SELECT * FROM ${table} ORDER BY 1, 2, 3`).all());
      } finally {
        store.close();
      }
    },
  };
}

function writer(saved: (index: number) => void): StateMachine<ConfigWrite[], undefined> {
  return {
    load: () => {},
    apply: ({ command }) => ({ ok: true, result: undefined, rows: [], configs: command }),
    saved,
    replace: neverReplaced,
  };
}

async function until(condition: () => boolean): Promise<void> {
  for (let turns = 0; !condition(); turns += 1) {
    assert.ok(turns < 100_000, "the condition was not met");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const by = { user: "", ip: "" };
const GRAY = { name: "beta", rule: { type: "beta", version: "1", expr: "10.0.0.1", priority: 1 } };

/** Entries that fill every table, with contents that JSON would have to escape. */
async function fillTables(log: OpenedLog<ConfigWrite[], undefined>): Promise<void> {
  const name = configName("a");
  const content = contentOf('"quoted"\r\n\0配置 🦪');
  const change = { name, revision: 1, at: 5, by };
  await log.propose([
    { kind: "history", nid: 1, name, gray: undefined, op: "I", at: 5, by },
    { kind: "putConfig", id: 1, content, fields: { tags: ["x", "y"] }, ...change },
    { kind: "putGray", id: 2, gray: GRAY, content, fields: { type: "json" }, ...change },
  ]);
  await log.propose([
    { kind: "stage", importId: "i", position: 1, item: { name: configName("b"), content, fields: { appName: "" } } },
    { kind: "stage", importId: "i", position: 0, item: { name: configName("c"), content, fields: {} } },
  ]);
}

const small = { segmentBytes: 400, snapshotLogBytes: 1000 };

describe("configurations of a log that is opened again", () => {
  for (const [how, rebuilt] of [
    ["are loaded from the store", false],
    ["are rebuilt without it", true],
  ] as const) {
    test(`${how}, with heads, contents and history`, async (t) => {
      const data = await folder(t);
      const { log } = await data.open({ limits: small });
      for (let i = 1; i <= 150; i += 1)
        await log.propose(i % 7 === 0 ? { type: "remove", key: `key-${i % 10}` } : put(`key-${i % 10}`, `value-${i}`));
      await log.close();
      assert.equal((await readdir(data.path("snapshots"))).length, 2);
      const before = data.dump();
      if (rebuilt) await rm(data.path("store.db"));
      const { log: again, machine } = await data.open();
      assert.equal(machine.entries.length === 0, !rebuilt);
      for (const [key, value] of machine.registers) assert.equal(await again.configs.content(configName(key)), value);
      if (!rebuilt) assert.deepEqual([...machine.heads.keys()].sort(), [...machine.registers.keys()].sort());
      await again.close();
      assert.deepEqual(data.dump(), before, "to the byte, labels included");
    });
  }

  test("come back from a snapshot alone, in every table", async (t) => {
    const data = await folder(t);
    const log = await openDurableLog({
      directory: data.directory,
      machine: writer(() => {}),
      limits: { snapshotLogBytes: 1 },
    });
    await fillTables(log);
    for (let more = 0; log.status().snapshotIndex < 2; more += 1) {
      assert.ok(more < 1000, "no snapshot was taken");
      await log.propose([]);
    }
    await log.close();
    const before = data.dump();
    for (const name of ["store.db", "run.json"]) await rm(data.path(name));
    await rm(data.path("log"), { recursive: true });
    const { log: again, machine } = await data.open();
    assert.deepEqual(
      machine.staged.map(({ importId, head }) => [importId, head.name.dataId]),
      [
        ["i", "c"],
        ["i", "b"],
      ],
    );
    assert.equal(machine.heads.get("a")?.gray?.name, "beta", "gray versions come behind the formal one");
    assert.equal(await again.configs.content(configName("a")), '"quoted"\r\n\0配置 🦪');
    await again.close();
    assert.deepEqual(data.dump(), before);
  });

  test("are rebuilt when the store has an older format", async (t) => {
    const data = await folder(t);
    const { log } = await data.open();
    await log.propose(put("key", "value"));
    await log.close();
    const old = new Database(data.path("store.db"));
    old.exec("DELETE FROM config_info; PRAGMA user_version = 1");
    old.close();
    const { log: again, machine } = await data.open();
    assert.equal(machine.entries.length, 1);
    assert.equal(await again.configs.content(configName("key")), "value");
  });

  test("may start from a snapshot of before there were any", async (t) => {
    const data = await folder(t);
    await (await data.open()).log.close();
    await rm(data.path("log"), { recursive: true });
    for (const name of ["store.db", "run.json"]) await rm(data.path(name));
    const lines = [
      JSON.stringify({ format: "nacre-snapshot-1", index: 5, checksum: 9 }),
      JSON.stringify(["register", "key", '"value"']),
      "",
    ].join("\n");
    const foot = JSON.stringify({ rows: 1, checksum: crc32(lines) });
    await writeFile(data.path("snapshots", "0000000000000005.snapshot"), `${lines}${foot}\n`);
    const { log, machine } = await data.open();
    assert.deepEqual([...machine.registers], [["key", "value"]]);
    assert.equal((await log.propose(put("key", "next"))).index, 6);
  });
});

describe("configurations that an entry writes", () => {
  test("can be read when the machine hears that they are saved, before the command is answered", async (t) => {
    const data = await folder(t);
    const events: string[] = [];
    const log = await data.openWriter((index) => events.push(`saved ${index}`));
    const answered = log.propose([putConfig(configName("a"), "text")]).then(() => events.push("answered"));
    await until(() => events.length > 0);
    assert.equal(await log.configs.content(configName("a")), "text");
    await answered;
    assert.deepEqual(events, ["saved 1", "answered"]);
  });

  test("are saved in slices with the event loop free, and seen all or not at all (L7)", async (t) => {
    const data = await folder(t);
    const log = await data.openWriter();
    const count = 5000;
    const writes = Array.from({ length: count }, (_, at) =>
      putConfig(configName(`${at}`), "x".repeat(100), { id: at + 1 }),
    );
    const other = new Database(data.path("store.db"), { timeout: 0 });
    t.after(() => other.close());
    const saving = (): boolean => {
      try {
        other.exec("BEGIN IMMEDIATE; ROLLBACK");
        return false;
      } catch {
        return true;
      }
    };
    const counts = new Set<unknown>();
    let done = false;
    let turnsInside = 0;
    const answered = log.propose(writes).then(() => {
      done = true;
    });
    while (!done) {
      counts.add(other.prepare("SELECT count(*) FROM config_info").pluck().get());
      const seen = await log.configs.content(configName("0"));
      if (seen !== undefined)
        assert.notEqual(
          await log.configs.content(configName(`${count - 1}`)),
          undefined,
          "a part of the entry is seen",
        );
      if (saving()) turnsInside += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await answered;
    assert.ok(turnsInside > 0, "the event loop had turns while the entry was being saved");
    for (const seen of counts) assert.ok(seen === 0 || seen === count, `${seen} rows were seen`);
  });

  test("wait for a store that failed, and are there when it has caught up", async (t) => {
    const data = await folder(t);
    const saved: number[] = [];
    const log = await data.openWriter((index) => saved.push(index));
    const name = configName("a");
    await log.propose([putConfig(name, "one")]);
    const other = new Database(data.path("store.db"), { timeout: 0 });
    t.after(() => other.close());
    other.exec("BEGIN IMMEDIATE");
    await log.propose([putConfig(name, "two")]);
    assert.deepEqual(saved, [1]);
    assert.equal(await log.configs.content(name), "one");
    await assert.rejects(log.propose([]), { failure: "dataAccess", message: /store.db cannot be written/ });
    other.exec("ROLLBACK");
    await log.propose([]);
    assert.equal(await log.configs.content(name), "two");
    assert.deepEqual(saved, [1, 2, 3]);
  });

  test("get into a store that failed for a moment although nobody writes any more (L12)", async (t) => {
    const data = await folder(t);
    const { promise: caughtUp, resolve: catchUp } = Promise.withResolvers<void>();
    const log = await data.openWriter((index) => index === 2 && catchUp());
    const name = configName("a");
    await log.propose([putConfig(name, "one")]);
    const other = new Database(data.path("store.db"), { timeout: 0 });
    t.after(() => other.close());
    other.exec("BEGIN IMMEDIATE");
    await log.propose([putConfig(name, "two")]);
    other.exec("ROLLBACK");
    await caughtUp;
    assert.equal(await log.configs.content(name), "two");
  });

  test("are undone together when one of them cannot be made", async (t) => {
    const data = await folder(t);
    const log = await data.openWriter();
    const missing: ConfigWrite = {
      kind: "promote",
      importId: "none",
      nid: 2,
      ids: [2],
      revision: 1,
      at: 1,
      by,
    };
    await log.propose([putConfig(configName("a"), "text"), missing]);
    assert.equal(await log.configs.content(configName("a")), undefined);
  });

  test("go through a codec that writes no zero byte", async (t) => {
    const data = await folder(t);
    const applied: string[] = [];
    const machine: StateMachine<string, undefined> = {
      load: () => {},
      apply: ({ command }) => {
        applied.push(command);
        return { ok: true, result: undefined, rows: [] };
      },
      codec: { encode: (command) => Buffer.from(command), decode: (payload) => Buffer.from(payload).toString() },
      replace: neverReplaced,
    };
    const log = await openDurableLog({ directory: data.directory, machine });
    await log.propose("not { JSON");
    await assert.rejects(log.propose("a\0b"), /zero byte/);
    await log.close();
    await rm(data.path("store.db"));
    await (await openDurableLog({ directory: data.directory, machine })).close();
    assert.deepEqual(applied, ["not { JSON", "not { JSON"]);
  });
});

describe("a store whose history is damaged", () => {
  test("says so, and is rebuilt by the next start (L6)", async (t) => {
    const data = await folder(t);
    const { log } = await data.open();
    for (let i = 0; i < 200; i += 1) await log.propose(put(`key-${i}`, "x".repeat(3000)));
    await log.close();
    const store = new Database(data.path("store.db"));
    const root = store.prepare("SELECT rootpage FROM sqlite_master WHERE name = 'his_config_info_name'").pluck().get();
    const pageSize = Number(store.pragma("page_size", { simple: true }));
    store.close();
    const file = await open(data.path("store.db"), "r+");
    await file.write(Buffer.alloc(pageSize, 0xa5), 0, pageSize, (Number(root) - 1) * pageSize);
    await file.close();

    const { log: hurt } = await data.open();
    assert.equal(await hurt.configs.content(configName("key-1")), "x".repeat(3000), "the rest is served");
    await assert.rejects(hurt.configs.history({ name: configName("key-1") }, { page: 1, size: 1 }), {
      failure: "dataAccess",
      message: /store.db cannot be used \(SQLITE_CORRUPT.*\): restart, which rebuilds it/,
    });
    assert.match(hurt.status().storeFailing ?? "", /store\.db is damaged; restart this member, which rebuilds it$/);
    await hurt.close();
    const { log: healed, machine } = await data.open();
    assert.equal(machine.entries.length, 200);
    assert.equal((await healed.configs.history({ name: configName("key-1") }, { page: 1, size: 1 })).total, 1);
  });
});

describe("the memory log", () => {
  test("keeps configurations as long as it is open", async () => {
    const saved: number[] = [];
    const log = openMemoryLog({ machine: writer((index) => saved.push(index)) });
    assert.equal(await log.configs.content(configName("a")), undefined);
    await fillTables(log);
    assert.equal(await log.configs.content(configName("a"), "beta"), '"quoted"\r\n\0配置 🦪');
    assert.deepEqual(saved, [1, 2]);
    await log.close();
  });
});

describe("snapshots of a large state", () => {
  test("are taken again only after as much log as the last one has bytes", async (t) => {
    const data = await folder(t);
    const { log } = await data.open({ limits: { snapshotLogBytes: 1000 } });
    for (let i = 0; i < 50; i += 1) await log.propose(put(`key-${i}`, "x".repeat(1000)));
    await until(() => log.status().snapshotIndex > 0);
    await log.close();
    const { log: again } = await data.open({ limits: { snapshotLogBytes: 1000 } });
    const { snapshotIndex } = again.status();
    // History grows with every put, so that the state outgrows the log: snapshots become rare.
    for (let i = 0; i < 3; i += 1) await again.propose(put("key", "x".repeat(900)));
    await again.close();
    assert.equal(again.status().snapshotIndex, snapshotIndex);
  });
});
