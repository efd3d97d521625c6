import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { StorageLogger } from "./logger.ts";
import { silent } from "./logger.ts";
import { EMPTY } from "./store.ts";
import { StoreThread } from "./store-thread.ts";

describe("the store's thread", () => {
  test("tells who waits for it when it ends, and takes no orders any more", async () => {
    const warnings: string[] = [];
    const logger: StorageLogger = { ...silent, warn: (_, message) => void warnings.push(message) };
    const thread = new StoreThread(join(import.meta.dirname, "nowhere", "store.db"), () => 0, logger);
    await assert.rejects(thread.write({ rows: [] }, EMPTY), /the thread ended/);
    assert.equal(thread.hasEnded, true);
    await assert.rejects(thread.perform([]), /the thread has ended/);
    assert.match(warnings.join(), /the server does so itself from now on/);
    await thread.stop();
  });
});
