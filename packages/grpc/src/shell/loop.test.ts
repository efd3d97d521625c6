import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Loop, type Sleeper } from "./loop.ts";

describe("timers of many connections", () => {
  test("a point in time that is years away is waited for in steps that a timer can hold", (t) => {
    const waits: unknown[] = [];
    t.mock.method(globalThis, "setTimeout", (_: () => void, ms: number) => {
      waits.push(ms);
      return { unref() {} };
    });
    const sleeper: Sleeper = { tickAt: performance.now() + 1e12, tick() {}, flush() {} };
    new Loop().plan(sleeper);
    assert.deepEqual(waits, [2 ** 31 - 1]);
  });
});
