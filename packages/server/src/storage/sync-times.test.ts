import assert from "node:assert/strict";
import { test } from "node:test";
import { SyncTimes } from "./sync-times.ts";

test("the longest sync of the last five seconds is known, and one that hangs counts for as long as it hangs", async () => {
  let now = 0;
  const times = new SyncTimes(() => now);
  const took = (ms: number) =>
    times.time(async () => {
      now += ms;
    });
  assert.equal(times.longestMs, 0);
  await took(30);
  await took(10);
  assert.equal(times.longestMs, 30);
  now += 4_000;
  await took(20);
  assert.equal(times.longestMs, 30);
  now += 1_001;
  await took(5);
  assert.equal(times.longestMs, 5);
  const hanging = Promise.withResolvers<void>();
  const ended = times.time(() => hanging.promise);
  now += 900;
  assert.equal(times.longestMs, 900);
  hanging.resolve();
  await ended;
  assert.equal(times.longestMs, 900);
});
