import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { CHECKERS } from "./checker.ts";
import { DEFAULT_HEALTH_PARAMS, type HealthParams } from "./params.ts";
import {
  DEFAULT_CLUSTER_CHECK,
  newHealth,
  nextTickAt,
  SLOT_MS,
  type Target,
  targetKey,
  waitingCount,
} from "./state.ts";
import { type HealthEffect, type HealthEvent, type Outcome, step } from "./step.ts";

const service = "public@@DEFAULT_GROUP@@orders";

function target(n: number, given: Partial<Target> = {}): Target {
  const ip = `10.0.${n >> 8}.${n & 255}`;
  const port = 8080;
  const check = DEFAULT_CLUSTER_CHECK;
  return { service, clientId: `${ip}:${port}#false`, ip, port, cluster: "DEFAULT", check, skipped: false, ...given };
}
const keyOf = (one: Target) => targetKey(one.service, one.clientId);

/** A health core with a hand-moved clock, which answers every check it is told to. */
function newBench(params: HealthParams = DEFAULT_HEALTH_PARAMS, inFlightMax = 256) {
  const health = newHealth(params, inFlightMax);
  let now = 1_000_000;
  const send = (event: HealthEvent) => step(health, event, now);
  const track = (one: Target, healthy = true, random = 0) => send({ type: "track", target: one, healthy, random });
  /** Moves to the next deadline and ticks there. */
  const next = () => {
    const at = nextTickAt(health);
    assert.ok(at !== undefined, "something is due");
    now = Math.max(now, at);
    return send({ type: "tick" });
  };
  const report = (run: number, outcome: Outcome, rtMs = 1, reason: string = outcome) =>
    send({ type: "checked", run, outcome, rtMs, reason });
  /** Reports these outcomes for the only target, one check each, and gives what was proposed on the way. */
  const see = (...outcomes: Outcome[]) =>
    outcomes.flatMap((outcome) => {
      const [check] = checks(next());
      assert.ok(check !== undefined, "a check is due");
      return proposals(report(check.run, outcome));
    });
  return {
    health,
    send,
    track,
    next,
    report,
    see,
    get now() {
      return now;
    },
    forward(ms: number) {
      now += ms;
    },
  };
}

const checks = (effects: HealthEffect[]) => effects.filter((effect) => effect.type === "check");
const proposals = (effects: HealthEffect[]) => effects.filter((effect) => effect.type === "setHealth");
const healths = (effects: HealthEffect[]) => proposals(effects).map((effect) => effect.healthy);

describe("a healthy target", () => {
  test("becomes unhealthy after three failures in a row", () => {
    const bench = newBench();
    bench.track(target(1));
    assert.deepEqual(healths(bench.see("fail", "fail")), []);
    const [proposal] = bench.see("fail");
    assert.deepEqual(proposal, {
      type: "setHealth",
      key: keyOf(target(1)),
      target: target(1),
      healthy: false,
      reason: "fail",
    });
  });

  test("starts the count anew after one success", () => {
    const bench = newBench();
    bench.track(target(1));
    assert.deepEqual(healths(bench.see("fail", "fail", "ok", "fail", "fail")), []);
    assert.deepEqual(healths(bench.see("fail")), [false]);
  });

  test("becomes unhealthy at once when the failure leaves no doubt", () => {
    const bench = newBench();
    bench.track(target(1));
    assert.deepEqual(healths(bench.see("failNow")), [false]);
  });

  test("obeys a changed checkTimes from the next result on", () => {
    const bench = newBench();
    bench.track(target(1));
    bench.see("fail");
    bench.send({ type: "paramsChanged", params: { ...DEFAULT_HEALTH_PARAMS, checkTimes: 2 } });
    assert.deepEqual(healths(bench.see("fail")), [false]);
  });
});

describe("an unhealthy target", () => {
  test("becomes healthy after three successes in a row, and not sooner", () => {
    const bench = newBench();
    bench.track(target(1), false);
    assert.deepEqual(healths(bench.see("ok", "ok", "fail", "ok", "ok")), []);
    assert.deepEqual(healths(bench.see("ok")), [true]);
  });

  test("stays so under failures of either kind", () => {
    const bench = newBench();
    bench.track(target(1), false);
    assert.deepEqual(healths(bench.see("failNow", "fail", "fail", "fail")), []);
  });
});

describe("a proposal", () => {
  test("is made once while it waits, and again by the next result after a refusal", () => {
    const bench = newBench();
    bench.track(target(1));
    assert.deepEqual(healths(bench.see("failNow", "failNow")), [false]);
    bench.send({ type: "refused", key: keyOf(target(1)) });
    assert.deepEqual(healths(bench.see("fail")), [false], "the run of failures still stands");
  });

  test("leaves the health as it is until the log has applied it", () => {
    const bench = newBench();
    bench.track(target(1));
    bench.see("failNow");
    assert.deepEqual(healths(bench.see("ok", "ok", "ok")), [], "the durable state still says healthy");
    bench.send({ type: "healthChanged", key: keyOf(target(1)), healthy: false });
    assert.deepEqual(healths(bench.see("ok")), [true], "the successes seen meanwhile count");
  });

  test("counts from zero after somebody else changed the health", () => {
    const bench = newBench();
    bench.track(target(1), false);
    bench.see("fail", "fail", "fail");
    bench.send({ type: "healthChanged", key: keyOf(target(1)), healthy: true });
    assert.deepEqual(healths(bench.see("fail", "fail")), []);
    assert.deepEqual(healths(bench.see("fail")), [false]);
  });
});

describe("the schedule", () => {
  test("places the first check 2 s plus a random share of the TCP maximum after the target appeared", () => {
    for (const [random, delayMs] of [
      [0, 2000],
      [0.5, 4500],
      [0.999, 6995],
    ] as const) {
      const bench = newBench();
      const start = bench.now;
      bench.track(target(1), true, random);
      assert.equal(checks(bench.next()).length, 1);
      assert.ok(bench.now >= start + delayMs && bench.now < start + delayMs + SLOT_MS, `${random}`);
    }
  });

  test("follows the response time within the bounds of the kind of check", () => {
    const bench = newBench();
    const one = target(1, { check: { ...DEFAULT_CLUSTER_CHECK, checker: CHECKERS.HTTP } });
    bench.track(one);
    const intervals = [0, 0, 20_000, 1].map((rtMs) => {
      const [check] = checks(bench.next());
      assert.ok(check !== undefined);
      bench.report(check.run, "ok", rtMs);
      return bench.health.targets.get(keyOf(one))?.intervalMs;
    });
    // 0.85 * 2000, 0.85 * 1700, 0.85 * 1445 + 0.15 * 20000, 0.85 * 4228.25 + 0.15
    assert.deepEqual(
      intervals.map((ms) => Math.round(ms as number)),
      [1700, 1445, 4228, 3594],
    );
  });

  test("never leaves the minimum and the maximum", () => {
    for (const [rtMs, expected] of [
      [0, 1000],
      [60_000, 5000],
    ] as const) {
      const bench = newBench();
      bench.track(target(1));
      for (let n = 0; n < 20; n++) {
        const [check] = checks(bench.next());
        assert.ok(check !== undefined);
        bench.report(check.run, "ok", rtMs);
      }
      assert.equal(bench.health.targets.get(keyOf(target(1)))?.intervalMs, expected);
    }
  });
});

describe("what is asked", () => {
  test("is the instance's port, or the check port of its cluster", () => {
    const bench = newBench();
    bench.track(target(1));
    bench.track(target(2, { check: { ...DEFAULT_CLUSTER_CHECK, port: 9090, useInstancePort: false } }));
    assert.deepEqual(
      checks(bench.next()).map(({ order }) => [order.ip, order.port]),
      [
        ["10.0.0.1", 8080],
        ["10.0.0.2", 9090],
      ],
    );
  });

  test("is nothing for checker NONE and for a target skipped by its metadata", () => {
    const bench = newBench();
    bench.track(target(1, { check: { ...DEFAULT_CLUSTER_CHECK, checker: CHECKERS.NONE } }));
    bench.track(target(2, { skipped: true }));
    assert.equal(nextTickAt(bench.health), undefined);
    bench.track(target(2));
    assert.equal(checks(bench.next()).length, 1, "checked once it is no longer skipped");
  });

  test("changes with the cluster's checker: the old result no longer counts", () => {
    const bench = newBench();
    bench.track(target(1));
    bench.track(target(2, { cluster: "other" }));
    const [first, second] = checks(bench.next());
    assert.ok(first !== undefined && second !== undefined);
    const check = { ...DEFAULT_CLUSTER_CHECK, checker: CHECKERS.HTTP };
    const changed = { type: "checkerChanged", service, cluster: "DEFAULT", check, random: 0 } as const;
    assert.deepEqual(bench.send(changed), [{ type: "cancel", run: first.run }]);
    assert.deepEqual(healths(bench.report(first.run, "failNow")), []);
    assert.deepEqual(healths(bench.report(second.run, "failNow")), [false], "the other cluster is untouched");
    assert.deepEqual(
      [...checks(bench.next()), ...checks(bench.next())].map(({ order }) => [order.ip, order.checker.type]).sort(),
      [
        ["10.0.0.1", "HTTP"],
        ["10.0.0.2", "TCP"],
      ],
    );
  });

  test("is the same after a change that asks no other question, and the runs go on", () => {
    const bench = newBench();
    bench.track(target(1));
    bench.see("fail", "fail");
    assert.deepEqual(bench.track(target(1, { cluster: "renamed" })), []);
    assert.deepEqual(healths(bench.see("fail")), [false]);
  });

  test("ends when the target is gone; its check gives the place back when it reports", () => {
    const bench = newBench(DEFAULT_HEALTH_PARAMS, 1);
    bench.track(target(1));
    bench.track(target(2));
    const [check] = checks(bench.next());
    assert.ok(check !== undefined);
    assert.deepEqual(bench.send({ type: "untrack", key: check.key }), [{ type: "cancel", run: check.run }]);
    assert.deepEqual(bench.send({ type: "tick" }), [], "the cancelled check still holds the only place");
    assert.equal(checks(bench.report(check.run, "fail")).length, 1, "now the other target has its turn");
    assert.deepEqual(bench.send({ type: "untrack", key: check.key }), []);
  });
});

describe("checks in flight", () => {
  test("are bounded; the rest wait their turn in the order in which they came due", () => {
    const bench = newBench(DEFAULT_HEALTH_PARAMS, 2);
    for (let n = 1; n <= 5; n++) bench.track(target(n), true, n / 100);
    bench.forward(10_000);
    const running = checks(bench.send({ type: "tick" }));
    assert.deepEqual(
      running.map(({ order }) => order.ip),
      ["10.0.0.1", "10.0.0.2"],
    );
    assert.equal(waitingCount(bench.health), 3);
    const order: string[] = [];
    for (let check = running.shift(); check !== undefined; check = running.shift()) {
      order.push(check.order.ip);
      running.push(...checks(bench.report(check.run, "ok")));
    }
    assert.deepEqual(order, ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"]);
  });

  test("are found without touching the targets that are not due", () => {
    const bench = newBench();
    for (let n = 0; n < 20_000; n++) bench.track(target(n), true, 0.5 + n / 40_000);
    bench.track(target(60_000), true, 0);
    assert.equal(checks(bench.next()).length, 1);
    assert.equal(bench.health.deadlines.size, 20_000, "H7: the others were not taken out");
  });
});

describe("while checking is switched off", () => {
  const off = { ...DEFAULT_HEALTH_PARAMS, enabled: false };

  test("nothing is checked and no result counts; afterwards what came due is checked", () => {
    const bench = newBench();
    bench.track(target(1));
    bench.track(target(2), true, 0.5);
    const [check] = checks(bench.next());
    assert.ok(check !== undefined);
    bench.send({ type: "paramsChanged", params: off });
    assert.deepEqual(bench.report(check.run, "failNow"), []);
    assert.equal(nextTickAt(bench.health), undefined);
    bench.forward(60_000);
    assert.deepEqual(bench.send({ type: "tick" }), []);
    assert.equal(checks(bench.send({ type: "paramsChanged", params: DEFAULT_HEALTH_PARAMS })).length, 2);
  });

  test("the count is forgotten: another member may have seen other results meanwhile", () => {
    const bench = newBench();
    bench.track(target(1));
    assert.deepEqual(bench.see("fail", "fail"), []);
    bench.send({ type: "paramsChanged", params: off });
    bench.send({ type: "paramsChanged", params: DEFAULT_HEALTH_PARAMS });
    assert.deepEqual(bench.see("fail", "fail"), []);
    assert.deepEqual(healths(bench.see("fail")), [false]);
  });
});

describe("any history", () => {
  type Move =
    | { do: "track"; n: number; checker: "TCP" | "HTTP" | "NONE"; healthy: boolean }
    | { do: "untrack" | "apply" | "refuse"; n: number }
    | { do: "wait"; ms: number }
    | { do: "report"; pick: number; outcome: Outcome }
    | { do: "switch"; on: boolean };
  const n = fc.nat(4);
  const move: fc.Arbitrary<Move> = fc.oneof(
    fc.record({
      do: fc.constant("track" as const),
      n,
      checker: fc.constantFrom("TCP" as const, "HTTP" as const, "NONE" as const),
      healthy: fc.boolean(),
    }),
    fc.record({ do: fc.constantFrom("untrack" as const, "apply" as const, "refuse" as const), n }),
    fc.record({ do: fc.constant("wait" as const), ms: fc.nat(4000) }),
    fc.record({
      do: fc.constant("report" as const),
      pick: fc.nat(),
      outcome: fc.constantFrom<Outcome>("ok", "fail", "failNow"),
    }),
    fc.record({ do: fc.constant("switch" as const), on: fc.boolean() }),
  );

  test("keeps the bound, one turn or one check per target, and proposes only what is not already so", () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 120 }), (moves) => {
        const bench = newBench(DEFAULT_HEALTH_PARAMS, 2);
        const { health } = bench;
        const flying = new Set<number>();
        for (const one of moves) {
          const effects = play(bench, one, flying);
          for (const effect of effects) {
            if (effect.type === "check") flying.add(effect.run);
            if (effect.type === "setHealth")
              assert.notEqual(health.targets.get(effect.key)?.healthy, effect.healthy, "H2");
          }
          assert.deepEqual(new Set(health.inFlight.keys()), flying, "H3");
          assert.ok(flying.size <= 2, "H3");
          for (const tracked of health.targets.values()) {
            const active = tracked.target.check.checker.type !== "NONE";
            assert.equal((tracked.turn !== 0 ? 1 : 0) + (tracked.run !== 0 ? 1 : 0), active ? 1 : 0, "H4, H6");
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  function play(bench: ReturnType<typeof newBench>, one: Move, flying: Set<number>): HealthEffect[] {
    switch (one.do) {
      case "track": {
        const check = { ...DEFAULT_CLUSTER_CHECK, checker: CHECKERS[one.checker] };
        return bench.track(target(one.n, { check }), one.healthy, 0.1);
      }
      case "untrack":
        return bench.send({ type: "untrack", key: keyOf(target(one.n)) });
      case "apply": {
        const tracked = bench.health.targets.get(keyOf(target(one.n)));
        if (tracked?.proposed === undefined) return [];
        return bench.send({ type: "healthChanged", key: tracked.key, healthy: tracked.proposed });
      }
      case "refuse":
        return bench.send({ type: "refused", key: keyOf(target(one.n)) });
      case "wait":
        bench.forward(one.ms);
        return bench.send({ type: "tick" });
      case "report": {
        const run = [...flying][one.pick % Math.max(flying.size, 1)];
        if (run === undefined) return [];
        flying.delete(run);
        return bench.report(run, one.outcome, 3);
      }
      case "switch":
        return bench.send({ type: "paramsChanged", params: { ...DEFAULT_HEALTH_PARAMS, enabled: one.on } });
    }
  }
});
