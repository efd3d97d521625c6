import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { deflate, inflate } from "./deflate.ts";

describe("inflating", () => {
  for (const megabytes of [0.01, 64]) {
    test(`stops at the size it was told, where ${megabytes} MiB would come out`, async () => {
      const bomb = await deflate(Buffer.alloc(megabytes * 1024 * 1024));
      await assert.rejects(inflate(bomb, 1000), { code: "ERR_BUFFER_TOO_LARGE" });
    });
  }

  test("gives back nothing, little and much", async () => {
    for (const size of [0, 1, 100_000, 3_000_000]) {
      const bytes = Buffer.alloc(size, "some text");
      assert.deepEqual(Buffer.from(await inflate(await deflate(bytes), size)), bytes);
    }
  });
});
