import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { silent } from "./logger.ts";
import { columnsOf, TABLES } from "./sql/schema.ts";
import type { SnapshotRow } from "./sql/snapshot-rows.ts";
import { EMPTY, openStore, type Store } from "./store.ts";
import { StoreThread } from "./store-thread.ts";

interface Opened {
  readonly path: string;
  readonly store: Store;
  readonly thread: StoreThread;
}

async function opened(t: TestContext): Promise<Opened> {
  const folder = await mkdtemp(join(tmpdir(), "nacre-replacement-"));
  const path = join(folder, "store.db");
  const store = openStore(path, () => {});
  const thread = new StoreThread(path, () => store.pagesWaiting(), silent);
  t.after(async () => {
    await thread.stop();
    store.close();
    await rm(folder, { recursive: true });
  });
  return { path, store, thread };
}

/** A configuration whose content tells which state it is of. */
function config(id: number, content: string): SnapshotRow {
  const kinds: Record<string, string> = TABLES.config_info.columns;
  const value = columnsOf("config_info").map((column) => {
    if (column === "id") return id;
    if (column === "tags") return '["tag"]';
    if (column === "content") return content;
    return column === "data_id" ? `data-${id}` : kinds[column] === "number" ? 0 : "";
  });
  return { kind: "config_info", key: `${id}`, value };
}

async function replaceBy({ store, thread }: Opened, rows: readonly SnapshotRow[], index: number | undefined) {
  const next = store.replace();
  await thread.perform(next.removals());
  next.begin();
  for (const row of rows) {
    next.put([row]);
    next.save();
  }
  await thread.perform(next.indexes());
  const heads: string[] = [];
  for await (const { name } of next.heads()) heads.push(name.dataId);
  const keyed = [...next.rows()];
  if (index !== undefined) {
    for (const _ of next.prepare());
    next.commit({ ...EMPTY, index });
  }
  await thread.perform(next.removals());
  return { heads, keyed };
}

async function held({ store }: Opened) {
  const view = store.view();
  const rows = [...view.rows].map(({ kind, key, value }) => [
    kind,
    key,
    typeof value === "string" ? value : value.at(-1),
  ]);
  view.close();
  return { index: store.mark.index, rows };
}

function namesIn({ path }: Opened): string[] {
  const database = new Database(path, { readonly: true });
  const names = database.prepare<[], string>("SELECT name FROM sqlite_master WHERE sql IS NOT NULL").pluck().all();
  database.close();
  return names.map((name) => name.replace(/_2$|_unique_0(_2)?$/, "")).sort();
}

const OLD = [{ kind: "k", key: "a", value: '"old"' }, config(1, "old")];
const NEW = [{ kind: "k", key: "b", value: '"new"' }, config(1, "new"), config(2, "new")];

describe("another state in a store in use", () => {
  test("is read from its commit on, again and again, and leaves nothing behind", async (t) => {
    const opening = await opened(t);
    const { store } = opening;
    store.restore(OLD, { ...EMPTY, index: 1 });
    const before = await held(opening);
    const names = new Set(namesIn(opening));
    for (const index of [5, 6, 7]) {
      const given = await replaceBy(opening, NEW, index);
      assert.deepEqual(given, { heads: ["data-1", "data-2"], keyed: [{ kind: "k", key: "b", value: '"new"' }] });
      const expected = [["k", "b", '"new"'], ...["1", "2"].map((id) => ["config_info", id, "new"])];
      assert.deepEqual(await held(opening), { index, rows: expected });
      assert.deepEqual(new Set(namesIn(opening)), names);
      await replaceBy(opening, OLD, 1);
      assert.deepEqual(await held(opening), before);
    }
    const twice = () => store.restore([config(9, "x"), { ...config(9, "x"), key: "9" }], { ...EMPTY, index: 1 });
    assert.throws(twice, /UNIQUE/);
    const alike = config(1, "x").value as readonly string[];
    assert.throws(
      () => store.restore([{ kind: "config_info", key: "7", value: [7 as never, ...alike.slice(1)] }], EMPTY),
      /UNIQUE constraint failed: config_info.tenant_id/,
    );
  });

  test("that is given up, wherever it stands, leaves the old one", async (t) => {
    const opening = await opened(t);
    opening.store.restore(OLD, { ...EMPTY, index: 1 });
    const before = await held(opening);
    const names = namesIn(opening);
    await replaceBy(opening, NEW, undefined);
    assert.deepEqual([await held(opening), namesIn(opening)], [before, names]);

    const next = opening.store.replace();
    next.begin();
    next.put(NEW);
    await opening.thread.perform(next.removals());
    assert.deepEqual([await held(opening), namesIn(opening)], [before, names]);
  });

  test("is seen by no reader before its commit", async (t) => {
    const opening = await opened(t);
    const { store, thread } = opening;
    store.restore(OLD, { ...EMPTY, index: 1 });
    const before = await held(opening);
    const next = store.replace();
    next.begin();
    next.put(NEW);
    next.save();
    await thread.perform(next.indexes());
    for (const _ of next.prepare()) assert.deepEqual(await held(opening), before);
    next.commit({ ...EMPTY, index: 2 });
    assert.equal((await held(opening)).index, 2);
    await thread.perform(next.removals());
  });
});
