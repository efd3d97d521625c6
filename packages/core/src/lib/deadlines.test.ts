import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Deadlines } from "./deadlines.ts";

function drain<T>(deadlines: Deadlines<T>, now: number): T[] {
  const all: T[] = [];
  for (let due = deadlines.due(now); due !== undefined; due = deadlines.due(now)) all.push(...due);
  return all;
}

describe("deadlines", () => {
  test("come out at their time or up to one slot later, never before, and in order of slots", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 500 }),
        fc.array(fc.double({ min: 0, max: 5000, noNaN: true }), { maxLength: 200 }),
        fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 40 }),
        (slotMs, entries, waits) => {
          const deadlines = new Deadlines<number>(slotMs);
          for (const at of entries) deadlines.add(at, at);
          let now = 0;
          let left = entries.length;
          for (const wait of [...waits, 10_000]) {
            const before = now;
            now += wait;
            const out = drain(deadlines, now);
            for (const at of out) assert.ok(at <= now && at > before - slotMs, `${at} within ${before} and ${now}`);
            const slots = out.map((at) => Math.ceil(at / slotMs));
            assert.deepEqual(
              slots,
              slots.toSorted((one, two) => one - two),
            );
            left -= out.length;
            assert.equal(deadlines.size, left);
            const next = deadlines.nextAt();
            assert.ok(next === undefined || next > now);
          }
          assert.equal(left, 0);
        },
      ),
    );
  });

  test("that lie in the past come out at once", () => {
    const deadlines = new Deadlines<string>(250);
    deadlines.add(10, "past");
    assert.deepEqual(drain(deadlines, 1_000_000), ["past"]);
  });

  test("may be added while others are taken out", () => {
    const deadlines = new Deadlines<string>(100);
    deadlines.add(50, "first");
    assert.deepEqual(deadlines.due(100), ["first"]);
    deadlines.add(60, "second");
    assert.deepEqual(deadlines.due(100), ["second"]);
    assert.equal(deadlines.due(100), undefined);
    assert.equal(deadlines.nextAt(), undefined);
  });
});
