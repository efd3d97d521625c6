import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CALLER, instance, NamingBench, pushedTo, pushesOf, refusalOf, service } from "@nacre/testkit/naming-bench";
import { minutes, seconds } from "../lib/units.ts";
import { findService, newNaming } from "./state.ts";
import { step } from "./step.ts";

const orders = service();
const a = instance("10.0.0.1:80");
const b = instance("10.0.0.2:80");

/** A publisher and readers that have their first push behind them. */
function quiet(...readers: string[]): NamingBench {
  const bench = new NamingBench();
  bench.connect("one", ...readers);
  bench.publish("one", orders, a);
  for (const reader of readers) bench.read(reader, orders);
  return bench;
}

function onlyPush(effects: ReturnType<NamingBench["send"]>) {
  const pushes = pushesOf(effects);
  assert.equal(pushes.length, 1);
  return pushes[0] ?? assert.fail();
}

describe("a new subscription", () => {
  test("is pushed the present content at once, and nobody else is", () => {
    const bench = quiet("reader");
    bench.connect("late");
    assert.deepEqual(pushedTo(bench.subscribe("late", orders)), ["late"]);
  });

  test("of a service that does not exist is pushed its empty list", () => {
    const bench = new NamingBench();
    bench.connect("reader");
    assert.deepEqual(pushedTo(bench.subscribe("reader", orders)), ["reader"]);
    assert.equal(findService(bench.state, orders)?.listed, false);
    assert.equal(bench.state.pushes.empty, 1);
  });

  test("with the same filter again pushes nothing", () => {
    const bench = quiet("reader");
    assert.deepEqual(bench.subscribe("reader", orders), []);
    assert.equal(bench.state.subscriptionCount, 1);
  });

  test("with another filter replaces the filter and is pushed with it", () => {
    const bench = quiet("reader");
    const push = onlyPush(bench.subscribe("reader", orders, "A"));
    assert.deepEqual([push.to, push.clusters], [["reader"], "A"]);
    assert.equal(bench.state.subscriptionCount, 1);
  });

  test("is refused beyond what one client may hold, naming the option (N14)", () => {
    const bench = new NamingBench({ subscriptionsPerClientMax: 1 });
    bench.connect("reader");
    bench.subscribe("reader", orders);
    assert.match(
      refusalOf(bench.subscribe("reader", service("stock"))) ?? "",
      /^overThreshold: .*nacre\.naming\.subscriptions\.perClient\.max = 1/,
    );
    assert.equal(findService(bench.state, service("stock")), undefined);
  });

  test("ends with unsubscribing and with its connection", () => {
    const bench = quiet("reader", "other");
    bench.send({ type: "unsubscribe", clientId: "reader", service: orders });
    bench.send({ type: "unsubscribe", clientId: "reader", service: orders });
    bench.disconnect("other");
    assert.deepEqual(bench.publish("one", orders, b), []);
    assert.equal(bench.state.subscriptionCount, 0);
  });
});

describe("a change", () => {
  test("is pushed in the step in which it happens, as one message for all with the same filter (N7)", () => {
    const bench = quiet("r1", "r2", "r3");
    bench.subscribe("r3", orders, "A");
    bench.forward(100);
    const effects = bench.publish("one", orders, b);
    const pushes = pushesOf(effects);
    assert.deepEqual(
      pushes.map(({ to, clusters }) => [to, clusters]),
      [[["r1", "r2"], ""]],
      "r3 has not answered yet",
    );
    assert.equal(pushes[0]?.changedAt, bench.now);
  });

  test("is pushed to each filter with a message and a request id of its own", () => {
    const bench = quiet("r1", "r2");
    bench.ack(bench.subscribe("r2", orders, "A"));
    bench.forward(100);
    const pushes = pushesOf(bench.publish("one", orders, b));
    assert.deepEqual(
      pushes.map(({ to, clusters }) => [to, clusters]),
      [
        [["r1"], ""],
        [["r2"], "A"],
      ],
    );
    assert.equal(new Set(pushes.map(({ requestId }) => requestId)).size, 2);
  });

  test("that nobody can see pushes nothing", () => {
    const bench = quiet("reader");
    assert.deepEqual(bench.publish("one", orders, a), []);
    assert.deepEqual(bench.withdraw("reader", orders), []);
    assert.deepEqual(bench.forward(seconds(5)), []);
  });

  test("soon after a push waits for the end of the pause, and goes out with everything that happened until then", () => {
    const readers = Array.from({ length: 1000 }, (_, n) => `r${n}`);
    const bench = quiet(...readers);
    const start = bench.now;
    bench.ack(bench.publish("one", orders, b));
    for (const weight of [2, 3, 4]) {
      bench.now += 5;
      assert.deepEqual(bench.publish("one", orders, { ...b, weight }), []);
    }
    const effects = bench.forward(start + 49 - bench.now);
    assert.deepEqual(effects, [], "a thousand messages take about 50 ms");
    const push = onlyPush(bench.forward(1));
    assert.deepEqual([push.to.length, push.changedAt], [1000, start + 5]);
    assert.equal(bench.hosts(orders)[0]?.weight, 4);
  });

  test("is followed by a longer pause the more subscribers had to be looked at, whether they were behind or not", () => {
    // Without the bench, which holds all of naming against its rules after every step.
    const naming = newNaming({}, 1, 0);
    const subscribe = (clientId: string, at: number): void => {
      const caller = { ip: "10.0.0.9", app: "", agent: "" };
      step(naming, { type: "connected", clientId, ip: "10.0.0.9", port: 1, caller }, at);
      step(naming, { type: "subscribe", clientId, service: orders, clusters: "", caller }, at);
    };
    for (let reader = 0; reader < 20_000; reader++) subscribe(`r${reader}`, 1000);
    step(naming, { type: "tick", wallAt: 2000 }, 2000);
    subscribe("late", 3000);
    assert.equal(findService(naming, orders)?.pauseUntil, 3000 + 1 + 4);
  });

  test("never waits longer than the longest pause", () => {
    const readers = Array.from({ length: 5000 }, (_, n) => `r${n}`);
    const bench = new NamingBench({ pushPauseMaxMs: 20 });
    bench.connect("one", ...readers.slice(0, 500));
    bench.publish("one", orders, a);
    for (const reader of readers.slice(0, 500)) bench.subscribe(reader, orders);
    bench.forward(1000);
    assert.ok((findService(bench.state, orders)?.pauseUntil ?? 0) <= bench.now);
  });
});

describe("a subscriber (N6)", () => {
  test("has one push in flight, and gets the newest content when it settles", () => {
    const bench = quiet("reader");
    const first = onlyPush(bench.publish("one", orders, b));
    for (const weight of [2, 3]) {
      bench.forward(100);
      assert.deepEqual(bench.publish("one", orders, { ...b, weight }), []);
    }
    const second = onlyPush(bench.settle("reader", first, "acked"));
    assert.deepEqual(bench.settle("reader", second, "acked"), [], "nothing is left to say");
  });

  test("that leaves a push unanswered for a second gets the newer one, and its late answer counts for nothing", () => {
    const bench = quiet("reader");
    const first = onlyPush(bench.publish("one", orders, b));
    bench.forward(100);
    assert.deepEqual(bench.publish("one", orders, { ...b, weight: 2 }), []);
    assert.deepEqual(bench.forward(899), []);
    const second = onlyPush(bench.forward(1));
    assert.deepEqual(second.to, ["reader"]);
    assert.deepEqual(bench.settle("reader", first, "timeout"), []);
    assert.deepEqual(bench.forward(seconds(2)), [], "the newer push is still on its way");
    assert.deepEqual(bench.settle("reader", second, "acked"), []);
  });

  test("that is slow delays nobody else (N8)", () => {
    const bench = quiet("slow", "fast");
    const first = onlyPush(bench.publish("one", orders, b));
    bench.settle("fast", first, "acked");
    bench.forward(100);
    const second = onlyPush(bench.publish("one", orders, { ...b, weight: 2 }));
    assert.deepEqual(second.to, ["fast"]);
    bench.settle("fast", second, "acked");
    bench.forward(100);
    assert.deepEqual(onlyPush(bench.settle("slow", first, "acked")).to, ["slow"]);
  });

  for (const outcome of ["refused", "timeout", "busy"] as const)
    test(`is pushed again a second after "${outcome}", with what is true by then`, () => {
      const bench = quiet("reader");
      const first = onlyPush(bench.publish("one", orders, b));
      assert.deepEqual(bench.settle("reader", first, outcome), []);
      assert.deepEqual(bench.forward(500), []);
      bench.publish("one", orders, { ...b, weight: 2 });
      assert.deepEqual(bench.forward(499), [], "a change does not shorten its wait");
      const again = onlyPush(bench.forward(1));
      assert.deepEqual(again.to, ["reader"]);
      assert.deepEqual(bench.ack([again]), []);
      assert.deepEqual(bench.forward(seconds(5)), []);
    });

  test("that never answers is given up after ten pushes, until the next change", () => {
    const bench = quiet("reader");
    let push = onlyPush(bench.publish("one", orders, b));
    let sent = 1;
    for (;;) {
      bench.settle("reader", push, sent % 2 === 0 ? "timeout" : "refused");
      const [again] = pushesOf(bench.forward(seconds(2)));
      if (again === undefined) break;
      push = again;
      sent++;
    }
    assert.equal(sent, 10);
    assert.deepEqual(pushedTo(bench.publish("one", orders, a)), ["reader"]);
  });

  test("that is busy is never given up", () => {
    const bench = quiet("reader");
    let push = onlyPush(bench.publish("one", orders, b));
    for (let sent = 0; sent < 30; sent++) {
      bench.settle("reader", push, "busy");
      push = onlyPush(bench.forward(seconds(2)));
    }
  });

  test("whose connection is gone counts as served", () => {
    const bench = quiet("reader");
    const push = onlyPush(bench.publish("one", orders, b));
    bench.disconnect("reader");
    assert.deepEqual(bench.settle("reader", push, "gone"), []);
    assert.equal(bench.state.fanOuts.size, 0);
    assert.deepEqual(bench.forward(seconds(5)), []);
  });

  test("is not confused by an acknowledgement of another time", () => {
    const bench = quiet("reader");
    const push = onlyPush(bench.publish("one", orders, b));
    assert.deepEqual(bench.settle("reader", { requestId: 4711 }, "acked"), []);
    assert.deepEqual(bench.settle("stranger", push, "acked"), []);
    bench.forward(100);
    assert.deepEqual(bench.publish("one", orders, a), [], "still in flight");
  });

  test("that answers twice keeps its next push in flight", () => {
    const bench = quiet("twice", "never");
    const first = onlyPush(bench.publish("one", orders, b));
    bench.forward(100);
    bench.publish("one", orders, { ...b, weight: 2 });
    const second = onlyPush(bench.settle("twice", first, "acked"));
    bench.settle("twice", first, "acked");
    bench.forward(100);
    assert.deepEqual(bench.publish("one", orders, { ...b, weight: 3 }), [], "both have a push in flight");
    assert.deepEqual(onlyPush(bench.settle("twice", second, "acked")).to, ["twice"]);
  });

  test("that changes its filter while a push is in flight gets the new list after it", () => {
    const bench = quiet("reader");
    const push = onlyPush(bench.publish("one", orders, b));
    bench.forward(100);
    assert.deepEqual(bench.subscribe("reader", orders, "A"), []);
    assert.equal(onlyPush(bench.settle("reader", push, "acked")).clusters, "A");
  });
});

describe("while pushes are switched off", () => {
  const pushEnabled = (value: string) => ({ type: "setSwitch", entry: "pushEnabled", value }) as const;

  test("nothing is pushed, and everybody who fell behind is pushed once they are on again", () => {
    const bench = quiet("r1", "r2");
    const push = onlyPush(bench.publish("one", orders, b));
    bench.settle("r1", push, "timeout");
    bench.apply(pushEnabled("false"));
    assert.deepEqual(pushesOf(bench.publish("one", orders, a)), []);
    assert.deepEqual(pushesOf(bench.settle("r2", push, "acked")), []);
    assert.deepEqual(pushesOf(bench.forward(seconds(10))), []);
    assert.deepEqual(pushedTo(bench.apply(pushEnabled("true"))), ["r1", "r2"]);
  });

  test("a push that was already due is held back too", () => {
    const bench = quiet("reader");
    bench.ack(bench.publish("one", orders, b));
    bench.publish("one", orders, a);
    bench.apply(pushEnabled("false"));
    assert.deepEqual(pushesOf(bench.forward(seconds(1))), []);
    assert.deepEqual(pushedTo(bench.apply(pushEnabled("true"))), ["reader"]);
  });

  test("switching them on when they are on pushes nothing", () => {
    assert.deepEqual(pushesOf(quiet("reader").apply(pushEnabled("true"))), []);
  });
});

describe("consumers of a service with a selector", () => {
  test("are pushed together when their labels are equal, and apart when they are not", () => {
    const bench = quiet();
    const selector = {
      type: "label",
      expression: "CONSUMER.label.zone = PROVIDER.label.zone",
      labels: ["zone"],
    } as const;
    bench.apply({ type: "updateService", service: orders, edit: { protectThreshold: 0, selector, metadata: {} } });
    const zones = { "10.5.0.1": "x", "10.5.0.2": "x", "10.5.0.3": "y" };
    bench.send({ type: "labels", byIp: new Map(Object.entries(zones).map(([ip, zone]) => [ip, { zone }])) });
    for (const ip of Object.keys(zones)) {
      bench.send({ type: "connected", clientId: ip, ip, port: 1, caller: CALLER });
      bench.read(ip, orders);
    }
    assert.deepEqual(
      pushesOf(bench.publish("one", orders, b)).map(({ to, consumerIp }) => [to, consumerIp]),
      [
        [["10.5.0.1", "10.5.0.2"], "10.5.0.1"],
        [["10.5.0.3"], "10.5.0.3"],
      ],
    );
  });
});

describe("a subscriber that takes UDP packets", () => {
  const list = (bench: NamingBench, clusters = "") =>
    bench.send({ type: "subscribeUdp", service: orders, clusters, ip: "10.5.0.1", port: 5000, caller: CALLER });
  const packets = (effects: ReturnType<typeof list>) => effects.filter((effect) => effect.type === "pushUdp");

  test("gets a packet of its own for each change", () => {
    const bench = quiet("reader");
    const [first] = packets(list(bench));
    assert.deepEqual(first?.to, { clientId: "10.5.0.1:5000#true", ip: "10.5.0.1", port: 5000 });
    bench.settle("10.5.0.1:5000#true", first ?? assert.fail(), "acked");
    bench.forward(100);
    const effects = bench.publish("one", orders, b);
    assert.deepEqual([packets(effects).length, pushedTo(effects)], [1, ["reader"]]);
  });

  test("is forgotten, with its client, when it has not asked for three minutes", () => {
    const bench = quiet();
    list(bench);
    bench.forward(minutes(2));
    list(bench);
    bench.forward(minutes(3) - 1);
    assert.equal(bench.state.subscriptionCount, 1);
    bench.forward(1);
    assert.equal(bench.state.subscriptionCount, 0);
    assert.equal(bench.state.clients.has("10.5.0.1:5000#true"), false);
  });

  test("leaves no client behind when it is refused (N14)", () => {
    const bench = new NamingBench({ servicesMax: 0 });
    assert.match(refusalOf(list(bench)) ?? "", /^overThreshold/);
    assert.equal(bench.state.clients.size, 0);
  });

  test("stays what it publishes when its subscription ends, and the other way round", () => {
    const bench = quiet();
    const own = instance("10.5.0.1:5000");
    list(bench);
    bench.publishAddress(service("stock"), own);
    bench.withdrawAddress(service("stock"), own);
    assert.equal(bench.state.subscriptionCount, 1);
    bench.publishAddress(service("stock"), own);
    bench.forward(seconds(29));
    assert.equal(bench.state.clients.get("10.5.0.1:5000#true")?.publications.size, 1);
  });
});
