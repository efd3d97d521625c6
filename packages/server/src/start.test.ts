import assert from "node:assert/strict";
import { test } from "node:test";
import { endAll } from "./start.ts";

test("a part that cannot be closed keeps no other from closing, and what failed is told", async () => {
  const ended: string[] = [];
  const broken = new Error("the disk is gone");
  const failures = await endAll(
    [
      () => void ended.push("log"),
      () => Promise.reject(broken),
      (graceMs) => void ended.push(`ports within ${graceMs} ms`),
    ],
    () => 7,
  );
  assert.deepEqual(ended, ["ports within 7 ms", "log"]);
  assert.deepEqual(failures, [broken]);
});
