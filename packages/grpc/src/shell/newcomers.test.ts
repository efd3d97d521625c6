import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { type Newcomer, Newcomers } from "./newcomers.ts";

/** Time and the one timer, in the hands of the test. */
function clocked(t: TestContext) {
  const clock = { now: 0, waits: [] as number[], fire: () => {} };
  t.mock.method(performance, "now", () => clock.now);
  t.mock.method(globalThis, "setTimeout", (run: () => void, ms: number) => {
    clock.waits.push(ms);
    clock.fire = run;
    return { unref() {} };
  });
  return clock;
}

class Guest implements Newcomer {
  readonly cameAt: number;
  used = false;
  destroyed = false;
  onDestroy: () => void = () => {};

  constructor(cameAt: number) {
    this.cameAt = cameAt;
  }

  destroy(): void {
    this.destroyed = true;
    this.onDestroy();
  }
}

describe("connections that have not called yet", () => {
  test("are ended when their time is over, each at its own, by one timer", (t) => {
    const clock = clocked(t);
    const newcomers = new Newcomers(1000);
    const [early, late] = [new Guest(0), new Guest(400)];
    newcomers.expect(early);
    clock.now = 400;
    newcomers.expect(late);
    assert.deepEqual(clock.waits, [1000]);
    clock.now = 1000;
    clock.fire();
    assert.deepEqual([early.destroyed, late.destroyed], [true, false]);
    assert.deepEqual(clock.waits, [1000, 400]);
    clock.now = 1400;
    clock.fire();
    assert.deepEqual([late.destroyed, newcomers.size], [true, 0]);
  });

  test("are left alone once they have called, or are gone", (t) => {
    const clock = clocked(t);
    const newcomers = new Newcomers(1000);
    const [calling, gone] = [new Guest(0), new Guest(0)];
    newcomers.expect(calling);
    newcomers.expect(gone);
    calling.used = true;
    newcomers.forget(gone);
    assert.equal(newcomers.size, 1);
    clock.now = 1000;
    clock.fire();
    assert.deepEqual([calling.destroyed, gone.destroyed, newcomers.size], [false, false, 0]);
    newcomers.expect(new Guest(1000));
    assert.equal(clock.waits.length, 2, "whoever comes later is waited for again");
  });

  test("a timer that fires early ends nobody", (t) => {
    const clock = clocked(t);
    const newcomers = new Newcomers(1000);
    const guest = new Guest(0);
    newcomers.expect(guest);
    clock.now = 999.5;
    clock.fire();
    assert.deepEqual([guest.destroyed, clock.waits], [false, [1000, 1]]);
  });

  test("are ended in slices, so that others have their turn", (t) => {
    const clock = clocked(t);
    const newcomers = new Newcomers(1000);
    const all = Array.from({ length: 5 }, () => new Guest(0));
    for (const guest of all) {
      newcomers.expect(guest);
      guest.onDestroy = () => {
        clock.now += 0.2;
      };
    }
    const ended = (): number => all.filter(({ destroyed }) => destroyed).length;
    clock.now = 1000;
    clock.fire();
    assert.equal(ended(), 2);
    assert.equal(clock.waits.at(-1), 1, "the rest follows as soon as a timer can");
    clock.fire();
    clock.fire();
    assert.equal(ended(), 5);
  });
});
