import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { Loop, type Planned, type Sleeper } from "./loop.ts";

/** Time and the one timer of a loop, in the hands of the test. */
function clocked(t: TestContext) {
  const clock = { now: 0, waits: [] as number[], fire: () => {} };
  t.mock.method(performance, "now", () => clock.now);
  t.mock.method(globalThis, "clearTimeout", () => {});
  t.mock.method(globalThis, "setTimeout", (run: () => void, ms: number) => {
    clock.waits.push(ms);
    clock.fire = run;
    return { unref() {} };
  });
  return clock;
}

class Waiting implements Sleeper {
  tickAt: number;
  planned: Planned | undefined;
  readonly wokenAt: number[] = [];
  onTick: () => void = () => {};

  constructor(tickAt: number) {
    this.tickAt = tickAt;
  }

  tick(now: number): void {
    this.wokenAt.push(now);
    this.tickAt = Number.POSITIVE_INFINITY;
    this.onTick();
  }

  flush(): void {}
}

describe("timers of many connections", () => {
  test("a point in time that is years away is waited for in steps that a timer can hold", (t) => {
    const clock = clocked(t);
    new Loop().plan(new Waiting(1e12));
    assert.deepEqual(clock.waits, [2 ** 31 - 1]);
  });

  test("each is woken at its time, whatever the order in which they were planned or went", (t) => {
    const clock = clocked(t);
    const loop = new Loop();
    const all = Array.from({ length: 100 }, (_, nth) => new Waiting(((nth * 37) % 101) + 1));
    for (const sleeper of all) loop.plan(sleeper);
    const gone = all.filter((_, nth) => nth % 3 === 0);
    for (const sleeper of gone) loop.forget(sleeper);
    const left = all.filter((sleeper) => !gone.includes(sleeper));
    const due = left.map(({ tickAt }) => tickAt);
    for (clock.now = 1; clock.now <= 101; clock.now++) clock.fire();
    assert.deepEqual(
      left.map(({ wokenAt }) => wokenAt),
      due.map((at) => [at]),
    );
    assert.deepEqual(
      gone.flatMap(({ wokenAt }) => wokenAt),
      [],
    );
    assert.equal(loop.sleepers, 0);
  });

  test("a connection that is gone leaves nothing behind, however far away its deadline was", (t) => {
    clocked(t);
    const loop = new Loop();
    const sleeper = new Waiting(1e12);
    loop.plan(sleeper);
    sleeper.tickAt = 1000;
    loop.plan(sleeper);
    assert.equal(loop.sleepers, 1, "an earlier time takes the place of the later one");
    loop.forget(sleeper);
    assert.equal(loop.sleepers, 0);
  });

  test("those that are due at once are woken in slices, so that others have their turn", (t) => {
    const clock = clocked(t);
    const loop = new Loop();
    const all = Array.from({ length: 5 }, () => new Waiting(50));
    for (const sleeper of all) {
      loop.plan(sleeper);
      sleeper.onTick = () => {
        clock.now += 0.2;
      };
    }
    const woken = (): number => all.filter(({ wokenAt }) => wokenAt.length > 0).length;
    clock.now = 50;
    clock.fire();
    assert.equal(woken(), 2);
    assert.equal(clock.waits.at(-1), 1, "the rest follows as soon as a timer can");
    clock.fire();
    clock.fire();
    assert.equal(woken(), 5);
  });
});
