import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { systemClock } from "../clock.ts";
import { watchProcess } from "./process.ts";

describe("the watch of this process", () => {
  test("gives shares, sizes and the delay of the event loop since the last reading", async (t) => {
    const watch = watchProcess(systemClock);
    t.after(() => watch.close());
    const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 25));
    let counts = watch.read();
    while (counts.loopLagSeconds.max < 0.03) {
      // Node skips the first interval after a reset; the loop is held in the one after it.
      await turn();
      const until = performance.now() + 60;
      while (performance.now() < until);
      await turn();
      counts = watch.read();
    }
    assert.ok(counts.processCpu > 0 && counts.processCpu <= 1.5, `${counts.processCpu}`);
    assert.ok(counts.systemCpu >= -1 && counts.systemCpu <= 1, `${counts.systemCpu}`);
    assert.ok(counts.heapUsedBytes > 0 && counts.heapUsedBytes < counts.heapMaxBytes);
    assert.ok(counts.residentBytes > 0 && counts.uptimeSeconds > 0);
  });

  test("counts garbage collections by kind", async (t) => {
    const watch = watchProcess(systemClock);
    t.after(() => watch.close());
    let counts = watch.read();
    while (counts.gc.length === 0) {
      // Garbage until a collection was reported.
      Array.from({ length: 200_000 }, (_, n) => ({ n }));
      await new Promise<void>((resolve) => setImmediate(resolve));
      counts = watch.read();
    }
    const [first] = counts.gc;
    assert.ok(first !== undefined && first.count > 0 && first.sumSeconds > 0 && first.maxSeconds <= first.sumSeconds);
    assert.match(first.kind, /^(minor|major|incremental|weakCallbacks)$/);
  });
});
