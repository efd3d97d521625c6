import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, type TestContext, test } from "node:test";
import type { ConfigWrite } from "@nacre/core/config";
import { configName, contentOf } from "@nacre/testkit/config-store-suite";
import Database from "better-sqlite3";
import { silent } from "./logger.ts";
import type { Writes } from "./port.ts";
import { openStore, type Store, type View } from "./store.ts";
import { StoreSaver } from "./store-saver.ts";
import { StoreThread } from "./store-thread.ts";

const LONG = 1_001;
const by = { user: "ada", ip: "" };

/** The real thread, and what the test wants of it. */
class Thread extends StoreThread {
  writes = 0;
  /** When it ends by itself, seen from the transaction that it is given. */
  ends: "before" | "behind" | undefined;
  before: () => void = () => {};

  override get hasEnded(): boolean {
    return super.hasEnded || (this.ends !== undefined && this.writes > 0);
  }

  override async write(...args: Parameters<StoreThread["write"]>): Promise<void> {
    this.before();
    if (this.ends !== "before") await super.write(...args);
    this.writes++;
    if (this.ends !== undefined) throw new Error("the thread ended");
  }
}

class Subject {
  readonly store: Store;
  readonly thread: Thread;
  readonly saver: StoreSaver;

  constructor(t: TestContext, directory: string) {
    const path = join(directory, "store.db");
    this.store = openStore(path, () => {});
    this.thread = new Thread(path, () => this.store.pagesWaiting(), silent);
    const { store, thread } = this;
    this.saver = new StoreSaver({ store, path, snapshots: { consider() {} }, thread, logger: silent });
    t.after(async () => {
      await thread.stop();
      store.close();
    });
  }

  save(...configs: ConfigWrite[]): Promise<boolean> {
    const writes: Writes = { rows: [{ kind: "kind", key: "key", value: `${this.store.mark.index + 1}` }], configs };
    return this.saver.save(writes, { ...this.store.mark, index: this.store.mark.index + 1 });
  }

  /** Brings items whose contents have `bytes` each, as far as the write that ends their import says. */
  async import(count: number, bytes = 1): Promise<boolean> {
    const importId = `import ${this.store.mark.index}`;
    const staged = Array.from({ length: count }, (_, position): ConfigWrite => {
      const item = { name: configName(`${position}`), content: contentOf(importId), fields: {} };
      return { kind: "stage", importId, position, item };
    });
    await this.save(...staged);
    const nid = (this.store.mark.index + 1) * 10_000;
    const ids = staged.map((_, position) => nid + position);
    const at = { revision: this.store.mark.index + 1, at: 1, by };
    return this.save(
      { kind: "promote", importId, nid, ids, ...at },
      { kind: "dropStaged", importId, items: count, bytes: count * bytes },
    );
  }

  /** How many configurations the store shows, how many changes of the first of them, and what waits for a commit. */
  async shows(): Promise<[configs: number, changes: number, staged: number]> {
    const page = { page: 1, size: 1 };
    const { total } = await this.store.configs.search({ namespace: "public", wildcards: true }, page);
    const history = await this.store.configs.history({ name: configName("0") }, page);
    let staged = 0;
    for await (const _ of this.store.staged()) staged++;
    return [total, history.total, staged];
  }
}

describe("an import", () => {
  let directory: string;
  beforeEach(async (t) => {
    directory = await mkdtemp(join(tmpdir(), "nacre-saver-"));
    (t as TestContext).after(() => rm(directory, { recursive: true }));
  });

  for (const [what, count, bytes, expected] of [
    ["of 1,000 items is written by the server", LONG - 1, 1, 0],
    ["of one more by the thread", LONG, 1, 1],
    ["of 1 MiB by the server", 2, 512 * 1024, 0],
    ["of more than that by the thread", 2, 512 * 1024 + 1, 1],
  ] as const)
    test(what, async (t) => {
      const subject = new Subject(t, directory);
      assert.equal(await subject.import(count, bytes), true);
      assert.equal(subject.thread.writes, expected);
      assert.deepEqual(await subject.shows(), [count, 1, 0]);
      assert.deepEqual([...subject.store.rows()], [{ kind: "kind", key: "key", value: "2" }]);
    });

  for (const ends of ["before", "behind"] as const)
    test(`is written once when the thread ends ${ends} its transaction`, async (t) => {
      const subject = new Subject(t, directory);
      subject.thread.ends = ends;
      assert.equal(await subject.import(LONG), true);
      assert.deepEqual(await subject.shows(), [LONG, 1, 0]);
      assert.equal(subject.store.mark.index, 2);
      assert.equal(await subject.import(LONG), true, "the next is the server's");
      assert.deepEqual([subject.thread.writes, await subject.shows()], [1, [LONG, 2, 0]]);
    });

  test("that cannot be stored is stored with what follows, once it can", async (t) => {
    const subject = new Subject(t, directory);
    const other = new Database(join(directory, "store.db"), { timeout: 0 });
    t.after(() => other.close());
    await subject.import(1);
    subject.thread.before = () => void other.exec("BEGIN IMMEDIATE");
    assert.equal(await subject.import(LONG), false);
    assert.equal(subject.saver.failing?.failure, "dataAccess");
    assert.deepEqual(await subject.shows(), [1, 1, LONG]);
    subject.thread.before = () => void other.exec("ROLLBACK");
    assert.equal(await subject.saver.saveLeft(), true);
    assert.deepEqual(await subject.shows(), [LONG, 2, 0]);
    assert.equal(subject.saver.failing, undefined);
  });

  test("shows in a view of the store wholly or not at all, while the thread writes it", async (t) => {
    const subject = new Subject(t, directory);
    let running = true;
    const importing = subject.import(LONG).finally(() => {
      running = false;
    });
    const seen = new Set<string>();
    while (running) {
      const view = subject.store.view();
      seen.add(shownBy(view));
      view.close();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await importing;
    const complete = [`0: 0 and 0`, `1: 0 and ${LONG}`, `2: ${LONG} and 0`];
    assert.deepEqual(
      [...seen].filter((shown) => !complete.includes(shown)),
      [],
    );
  });
});

function shownBy({ mark, rows }: View): string {
  const counts: Record<string, number> = {};
  for (const { kind } of rows) counts[kind] = (counts[kind] ?? 0) + 1;
  return `${mark.index}: ${counts.config_info ?? 0} and ${counts.staged_config ?? 0}`;
}
