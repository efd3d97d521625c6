import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type ConfigStoreUnderTest, configStoreSuite } from "@nacre/testkit/config-store-suite";
import { silent } from "./logger.ts";
import { openMemoryStore, openStore, type Store } from "./store.ts";
import { StoreThread } from "./store-thread.ts";

function underTest(t: TestContext, store: Store): ConfigStoreUnderTest {
  t.after(() => store.close());
  return {
    configs: store.configs,
    write: (...configs) => store.write({ rows: [], configs }, { ...store.mark, index: store.mark.index + 1 }),
  };
}

configStoreSuite("SQLite in a file", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "nacre-store-"));
  t.after(() => rm(directory, { recursive: true }));
  return underTest(
    t,
    openStore(join(directory, "store.db"), () => {}),
  );
});

configStoreSuite("SQLite in a file, written by its thread", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "nacre-store-"));
  t.after(() => rm(directory, { recursive: true }));
  const path = join(directory, "store.db");
  const store = openStore(path, () => {});
  const thread = new StoreThread(path, () => store.pagesWaiting(), silent);
  t.after(() => store.close());
  t.after(() => thread.stop());
  return {
    configs: store.configs,
    async write(...configs) {
      const mark = { ...store.mark, index: store.mark.index + 1 };
      await thread.write({ rows: [], configs }, mark);
      assert.ok(store.adopt(mark));
    },
  };
});

configStoreSuite("SQLite in memory", async (t) => underTest(t, openMemoryStore()));
