import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Deadlines } from "./deadlines.ts";

class Call {
  ended = false;
  readonly deadlineAt: number;
  onExpire: () => void = () => {};

  constructor(deadlineAt: number) {
    this.deadlineAt = deadlineAt;
  }

  expire(): void {
    this.ended = true;
    this.onExpire();
  }
}

describe("deadlines", () => {
  test("end calls at their time, and wake for the next", () => {
    const deadlines = new Deadlines<Call>();
    const [late, early, never] = [new Call(200), new Call(100), new Call(Number.POSITIVE_INFINITY)];
    for (const call of [late, early, never]) deadlines.watch(call);
    assert.equal(deadlines.at, 100);
    deadlines.expire(99.9);
    assert.equal(early.ended, false);
    deadlines.expire(100);
    assert.deepEqual([early.ended, late.ended, deadlines.at], [true, false, 200]);
    deadlines.forget(late);
    deadlines.expire(200);
    assert.deepEqual([late.ended, deadlines.at], [false, Number.POSITIVE_INFINITY]);
  });

  test("of calls that begin when another ends are kept too", () => {
    const deadlines = new Deadlines<Call>();
    const [first, second] = [new Call(100), new Call(150)];
    first.onExpire = () => deadlines.watch(second);
    deadlines.watch(first);
    deadlines.expire(100);
    assert.equal(deadlines.at, 150);
  });

  test("of ten thousand calls that end one by one do not have all of them walked over for each", () => {
    const deadlines = new Deadlines<Call>();
    const calls = Array.from({ length: 10_000 }, (_, nth) => new Call(100 + nth / 100));
    for (const call of calls) deadlines.watch(call);
    let walks = 0;
    let latest = 0;
    while (deadlines.at !== Number.POSITIVE_INFINITY) {
      const now = deadlines.at;
      const due = calls.filter(({ ended }) => !ended);
      deadlines.expire(now);
      for (const { ended, deadlineAt } of due) if (ended) latest = Math.max(latest, now - deadlineAt);
      walks++;
    }
    assert.ok(calls.every(({ ended }) => ended));
    assert.ok(latest <= 10, `one ended ${latest} ms late`);
    assert.ok(walks < 100, `${walks} walks`);
  });

  test("that are short do not have more walks made either", () => {
    const deadlines = new Deadlines<Call>();
    for (let nth = 0; nth < 10_000; nth++) deadlines.watch(new Call(1000));
    deadlines.watch(new Call(100));
    deadlines.expire(100);
    deadlines.watch(new Call(101));
    assert.ok(deadlines.at >= 110);
  });
});
