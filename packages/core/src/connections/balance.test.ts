import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type BalanceFacts, balance, balancePlan, newBalance } from "./balance.ts";

const AT = 1_000_000;
const MINUTE = 60_000;

function facts(self: number, ...others: (number | "unready" | "silent")[]): BalanceFacts {
  return {
    self: { address: "a:1", sdk: self, ready: true },
    others: others.map((one, at) =>
      one === "silent"
        ? undefined
        : { address: `b${at}:1`, sdk: one === "unready" ? 0 : one, ready: one !== "unready" },
    ),
    membersChangedAt: 0,
  };
}

/** Looks once a second for so long, with counts that follow the orders; gives what was ordered in each second. */
function run(seconds: number, start: BalanceFacts, change?: (second: number, now: BalanceFacts) => BalanceFacts) {
  const state = newBalance();
  const moves: { second: number; count: number; to: string }[] = [];
  let now = start;
  for (let second = 0; second <= seconds; second++) {
    now = change?.(second, now) ?? now;
    const order = balance(state, now, AT + second * 1000);
    if (order === undefined) continue;
    moves.push({ second, ...order });
    now = {
      ...now,
      self: { ...now.self, sdk: now.self.sdk - order.count },
      others: now.others.map((one) => (one?.address === order.to ? { ...one, sdk: one.sdk + order.count } : one)),
    };
  }
  return { moves, end: [now.self.sdk, ...now.others.map((one) => one?.sdk)], state, now };
}

describe("a member that holds more connections than the others", () => {
  test("gives nothing away in the first minute, and then a hundredth of its connections a second", () => {
    const { moves } = run(70, facts(2000, 500, 500));
    assert.equal(moves[0]?.second, 60);
    assert.ok(moves.every(({ count }) => count <= 20));
    assert.deepEqual(moves[0], { second: 60, count: 20, to: "b0:1" });
  });

  test("stops when it holds no more than a fifth above the average, and never sends anybody above the average", () => {
    const { end } = run(600, facts(3000, 0, 0));
    assert.ok((end[0] ?? 0) <= 1200, String(end));
    assert.ok((end[1] ?? 0) <= 1001 && (end[2] ?? 0) <= 1001, String(end));
  });

  test("gives to whoever has the fewest", () => {
    const { moves } = run(61, facts(100, 40, 10));
    assert.ok(moves.every(({ to }) => to === "b1:1"));
  });

  test("begins to count anew when it was even in between", () => {
    const { moves } = run(100, facts(200, 0), (second, now) =>
      second === 59 ? facts(100, 100) : second === 60 ? facts(200, 0) : now,
    );
    assert.deepEqual(moves, []);
  });

  test("waits while a member does not let clients in, or does not answer", () => {
    for (const state of ["unready", "silent"] as const) {
      assert.deepEqual(run(200, facts(200, 0, state)).moves, []);
      assert.match(balancePlan(newBalance(), facts(200, 0, state), AT).sentence, /does not let clients in/);
    }
  });

  test("waits for two minutes after members have changed", () => {
    const changed = { ...facts(200, 0), membersChangedAt: AT };
    const { moves } = run(200, changed);
    assert.equal(moves[0]?.second, 120);
    assert.match(balancePlan(newBalance(), changed, AT + MINUTE).sentence, /for another 60 s/);
  });

  test("moves no more when it is asked more often", () => {
    const state = newBalance();
    let moved = 0;
    for (let ms = 0; ms <= 70_000; ms += 100) moved += balance(state, facts(1000, 0), AT + ms)?.count ?? 0;
    assert.ok(moved >= 90 && moved <= 110, String(moved));
  });
});

test("three members that restarted one after the other are even again within five minutes, however few connections there are", () => {
  for (let total = 1; total <= 12; total++)
    for (let second = 0; second <= total; second++)
      for (let third = 0; third <= total - second; third++) {
        const start = [total - second - third, second, third];
        const end = evened(start, 300);
        assert.ok(Math.max(...end) <= total / 3 + 1, `${start} became ${end}`);
      }
});

/** Members that each look once a second for so long, at counts that follow all their orders. */
function evened(start: readonly number[], seconds: number): number[] {
  const counts = [...start];
  const members = counts.map((_, at) => ({ state: newBalance(), address: `${at}` }));
  for (let second = 0; second <= seconds; second++)
    for (const [at, { state, address }] of members.entries()) {
      const all = members.map((one, i) => ({ address: one.address, sdk: counts[i] ?? 0, ready: true }));
      const self = { address, sdk: counts[at] ?? 0, ready: true };
      const order = balance(state, { self, others: all.toSpliced(at, 1), membersChangedAt: AT }, AT + second * 1000);
      if (order === undefined) continue;
      counts[at] = self.sdk - order.count;
      counts[Number(order.to)] = (counts[Number(order.to)] ?? 0) + order.count;
    }
  return counts;
}

describe("nothing moves", () => {
  test("when a member is alone, or all are about even", () => {
    assert.deepEqual(run(300, facts(500)).moves, []);
    assert.deepEqual(run(300, facts(115, 100, 90)).moves, []);
    assert.match(balancePlan(newBalance(), facts(500), AT).sentence, /no other member/);
    assert.match(balancePlan(newBalance(), facts(115, 100), AT).sentence, /evenly/);
  });

  test("for one connection more than the average", () => {
    assert.deepEqual(run(300, facts(2, 1, 0)).moves, []);
    assert.deepEqual(run(300, facts(3, 0, 0)).moves[0], { second: 60, count: 1, to: "b0:1" });
  });
});

test("the plan of a member that moves nothing names those that hold too many, and does not call that even", () => {
  const { sentence } = balancePlan(newBalance(), facts(2, 0, 4), AT);
  assert.equal(sentence, "This member moves none; b1:1 may move some: ask there.");
});

test("the plan says what moves where and when", () => {
  const { now, state } = run(30, facts(300, 0, 0));
  const plan = balancePlan(state, now, AT + 30_000);
  assert.deepEqual([plan.average, plan.excess, plan.members.map(({ share }) => share)], [100, 200, [1, 0, 0]]);
  assert.equal(
    plan.sentence,
    "In 30 s this member moves 200 connections to b0:1 and others that hold fewer, 3 a second.",
  );
});
