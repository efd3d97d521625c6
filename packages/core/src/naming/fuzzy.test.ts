import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { instance, NamingBench, refusalOf, service } from "@nacre/testkit/naming-bench";
import { seconds } from "../lib/units.ts";
import type { Effect } from "./events.ts";
import type { NamingOptions } from "./state.ts";

const a = instance("10.0.0.1:80");
const ALL = "public>>*>>*";
const keyOf = (name: string) => `public@@DEFAULT_GROUP@@${name}`;

/** A state in which "one" publishes services of these names. */
function listing(names: readonly string[], options: Partial<NamingOptions> = {}): NamingBench {
  const bench = new NamingBench(options);
  bench.connect("one", "watcher", "other");
  for (const name of names) bench.publish("one", service(name), a);
  return bench;
}

function watch(
  bench: NamingBench,
  pattern = ALL,
  given: { by?: string; received?: string[]; initializing?: boolean } = {},
) {
  const { by = "watcher", received = [], initializing = true } = given;
  return bench.send({ type: "watch", clientId: by, pattern, received, initializing });
}

const syncs = (effects: readonly Effect[]) => effects.filter((effect) => effect.type === "fuzzySync");
const changes = (effects: readonly Effect[]) => effects.filter((effect) => effect.type === "fuzzyChange");

/** Sync messages in short form: `INIT 1/2: +orders -stock`. */
function brief(effects: readonly Effect[]): string[] {
  return syncs(effects).map(({ sync }) => {
    if (!("contexts" in sync)) return "FINISH";
    const what = sync.type === "FUZZY_WATCH_INIT_NOTIFY" ? "INIT" : "DIFF";
    const list = sync.contexts.map(
      ({ serviceKey, changedType }) => `${changedType === "ADD_SERVICE" ? "+" : "-"}${serviceKey.split("@@")[2]}`,
    );
    return `${what} ${sync.currentBatch}/${sync.totalBatch}: ${list.join(" ")}`;
  });
}

/** Change messages in short form: `+orders to watcher`. */
function told(effects: readonly Effect[]): string[] {
  return changes(effects).map(
    ({ to, service: key, change }) => `${change === "ADD_SERVICE" ? "+" : "-"}${key.split("@@")[2]} to ${to.join(" ")}`,
  );
}

function ackAll(bench: NamingBench, effects: readonly Effect[], by = "watcher"): Effect[] {
  return syncs(effects).flatMap((sync) => bench.settle(by, sync, "acked"));
}

describe("a watch that begins", () => {
  test("is told of every match in batches of ten, and of the end after the last acknowledgement", () => {
    const names = Array.from({ length: 23 }, (_, n) => `s${String(n).padStart(2, "0")}`);
    const bench = listing(names);
    const effects = watch(bench);
    assert.deepEqual(
      brief(effects),
      [0, 10, 20].map(
        (from, batch) =>
          `INIT ${batch + 1}/3: ${names
            .slice(from, from + 10)
            .map((name) => `+${name}`)
            .join(" ")}`,
      ),
    );
    const [first, second, third] = syncs(effects).map((sync) => () => brief(bench.settle("watcher", sync, "acked")));
    assert.deepEqual([third?.(), first?.(), second?.()], [[], [], ["FINISH"]]);
  });

  test("is told of the end at once when nothing matches", () => {
    assert.deepEqual(brief(watch(listing([]))), ["FINISH"]);
    assert.deepEqual(brief(watch(listing(["orders"]), ALL, { received: [keyOf("orders")] })), ["FINISH"]);
  });

  test("hears only of what its pattern matches", () => {
    const bench = listing(["orders", "orders-eu", "stock"]);
    bench.publish("one", service("orders", "OTHER"), a);
    bench.publish("one", service("orders", "DEFAULT_GROUP", "dev"), a);
    assert.deepEqual(brief(watch(bench, "public>>DEFAULT_GROUP>>orders*")), ["INIT 1/1: +orders +orders-eu"]);
    assert.deepEqual(brief(watch(bench, ">>OTHER>>*")), ["INIT 1/1: +orders"], "a blank namespace is public");
    assert.deepEqual(brief(watch(bench, "dev>>*>>*")), ["INIT 1/1: +orders"]);
    assert.deepEqual(brief(watch(bench, "public>>*>>.*")), ["INIT 1/1: +orders +orders-eu +stock +orders"]);
  });

  test("finds services that operators made, and none that are only subscribed", () => {
    const bench = listing([]);
    bench.subscribe("one", service("wanted"));
    const edit = { protectThreshold: 0, selector: { type: "none" }, metadata: {} } as const;
    bench.apply({ type: "createService", service: service("made"), ephemeral: true, edit });
    assert.deepEqual(brief(watch(bench)), ["INIT 1/1: +made"]);
  });

  test("is refused with a pattern that cannot be read", () => {
    assert.match(refusalOf(watch(listing([]), "orders*")) ?? "", /^invalidParameter: the fuzzy watch pattern/);
  });

  test("is refused once its connection has gone", () => {
    assert.match(refusalOf(watch(new NamingBench())) ?? "", /^disconnected/);
  });
});

describe("a watch that reconciles", () => {
  test("is told the difference to what the client has", () => {
    const bench = listing(["orders", "stock"]);
    ackAll(bench, watch(bench));
    const effects = watch(bench, ALL, { received: [keyOf("orders"), keyOf("gone")], initializing: false });
    assert.deepEqual(brief(effects), ["DIFF 1/1: +stock -gone"]);
    assert.deepEqual(ackAll(bench, effects), [], "a diff has no end message");
  });

  test("is told nothing when nothing differs", () => {
    const bench = listing(["orders"]);
    ackAll(bench, watch(bench));
    assert.deepEqual(watch(bench, ALL, { received: [keyOf("orders")], initializing: false }), []);
  });

  test("does not lose the end of its beginning", () => {
    const bench = listing(["orders"]);
    const first = watch(bench);
    watch(bench, ALL, { received: [keyOf("orders")], initializing: false });
    assert.deepEqual(brief(ackAll(bench, first)), ["FINISH"]);
  });
});

describe("a watcher", () => {
  test("hears of services that appear and disappear, and of no other change (N11)", () => {
    const bench = listing([]);
    watch(bench);
    assert.deepEqual(told(bench.publish("one", service("orders"), a)), ["+orders to watcher"]);
    assert.deepEqual(bench.publish("one", service("orders"), a, { ...a, port: 81 }), []);
    bench.connect("two");
    assert.deepEqual(bench.publish("two", service("orders"), a), []);
    assert.deepEqual(bench.disconnect("two"), []);
    assert.deepEqual(told(bench.withdraw("one", service("orders"))), ["-orders to watcher"]);
  });

  test("hears of a service once, by however many patterns it watches", () => {
    const bench = listing([]);
    watch(bench);
    watch(bench, "public>>*>>ord*");
    watch(bench, ALL, { by: "other" });
    assert.deepEqual(told(bench.publish("one", service("orders"), a)), ["+orders to watcher other"]);
  });

  test("hears nothing after it cancelled, or after its connection ended", () => {
    const bench = listing([]);
    watch(bench);
    watch(bench, ALL, { by: "other" });
    bench.send({ type: "unwatch", clientId: "watcher", pattern: ALL });
    assert.deepEqual(told(bench.publish("one", service("orders"), a)), ["+orders to other"]);
    bench.disconnect("other");
    assert.deepEqual(bench.publish("one", service("stock"), a), []);
  });

  for (const outcome of ["refused", "timeout", "busy"] as const)
    test(`is told again a second after "${outcome}", as things stand by then`, () => {
      const bench = listing([]);
      watch(bench);
      const [added] = changes(bench.publish("one", service("orders"), a));
      bench.settle("watcher", added ?? assert.fail(), outcome);
      const [removed] = changes(bench.withdraw("one", service("orders")));
      bench.settle("watcher", removed ?? assert.fail(), "acked");
      assert.deepEqual(told(bench.forward(999)), []);
      assert.deepEqual(told(bench.forward(1)), ["-orders to watcher"], "not that it appeared");
    });

  test("is not told again once it cancelled", () => {
    const bench = listing([]);
    watch(bench);
    const [added] = changes(bench.publish("one", service("orders"), a));
    bench.settle("watcher", added ?? assert.fail(), "timeout");
    bench.send({ type: "unwatch", clientId: "watcher", pattern: ALL });
    assert.deepEqual(bench.forward(seconds(5)), []);
  });

  test("is given up after ten tries, and nothing is kept for it", () => {
    const bench = listing([]);
    watch(bench);
    let [change] = changes(bench.publish("one", service("orders"), a));
    let sent = 0;
    for (; change !== undefined; sent++) {
      bench.settle("watcher", change, "timeout");
      [change] = changes(bench.forward(seconds(1)));
    }
    assert.equal(sent, 10);
    assert.equal(bench.state.fuzzy.sent.size, 1, "the end of its beginning, which it did not acknowledge yet");
  });

  test("gets a batch again, with what is true by then, and the end after it", () => {
    const bench = listing(["orders", "stock"]);
    const [batch] = syncs(watch(bench));
    bench.settle("watcher", batch ?? assert.fail(), "timeout");
    bench.withdraw("one", service("stock"));
    const again = bench.forward(seconds(1));
    assert.deepEqual(brief(again), ["INIT 1/1: +orders -stock"]);
    assert.deepEqual(brief(ackAll(bench, again)), ["FINISH"]);
  });

  test("whose connection is gone is not tried again", () => {
    const bench = listing(["orders"]);
    const effects = watch(bench);
    bench.disconnect("watcher");
    for (const sync of syncs(effects)) bench.settle("watcher", sync, "gone");
    assert.deepEqual(bench.forward(seconds(5)), []);
    assert.equal(bench.state.fuzzy.sent.size, 0);
  });
});

describe("the limits of watches (N16)", () => {
  test("a pattern too many is refused, until one is no longer used", () => {
    const bench = listing([], { fuzzyPatternsMax: 2 });
    watch(bench, "public>>*>>a*");
    watch(bench, "public>>*>>b*");
    assert.match(refusalOf(watch(bench, "public>>*>>c*")) ?? "", /^fuzzyPatternsOverLimit: .*at most 2/);
    assert.equal(refusalOf(watch(bench, "public>>*>>a*", { by: "other" })), undefined, "a known one has its place");
    bench.send({ type: "unwatch", clientId: "watcher", pattern: "public>>*>>b*" });
    assert.equal(refusalOf(watch(bench, "public>>*>>c*")), undefined);
    assert.equal(bench.state.fuzzy.patterns.size, 2);
  });

  test("matches beyond the limit are refused with a watch that exists all the same", () => {
    const bench = listing(["s1", "s2", "s3"], { fuzzyMatchesMax: 2 });
    assert.match(refusalOf(watch(bench)) ?? "", /^fuzzyMatchesOverLimit: .*more than 2/);
    assert.deepEqual(told(bench.publish("one", service("s4"), a)), [], "beyond the limit");
    assert.deepEqual(told(bench.withdraw("one", service("s1"))), ["-s1 to watcher"]);
  });

  test("a service beyond the limit is found by the next reconciliation once there is room", () => {
    const bench = listing(["s1", "s2"], { fuzzyMatchesMax: 2 });
    ackAll(bench, watch(bench));
    assert.deepEqual(bench.publish("one", service("s3"), a), []);
    bench.withdraw("one", service("s1"));
    const received = [keyOf("s2")];
    assert.deepEqual(brief(watch(bench, ALL, { received, initializing: false })), ["DIFF 1/1: +s3"]);
  });
});

describe("a watcher that asks again and again without an answer", () => {
  test("is sent the batches of its newest round again, and no older ones", () => {
    const bench = listing(["orders"]);
    const [first] = syncs(watch(bench, ALL, { received: [keyOf("old")], initializing: false }));
    const [second] = syncs(watch(bench, ALL, { received: [keyOf("older")], initializing: false }));
    for (const sync of [first, second]) if (sync !== undefined) bench.settle("watcher", sync, "timeout");
    assert.deepEqual(brief(bench.forward(seconds(1))), ["DIFF 1/1: +orders -older"]);
  });

  test("claims at most as many services that are gone as may match at all; the next round has the rest", () => {
    const bench = listing(["orders"], { fuzzyMatchesMax: 2 });
    const received = ["a", "b", "c"].map(keyOf);
    const first = watch(bench, ALL, { received, initializing: false });
    assert.deepEqual(brief(first), ["DIFF 1/1: +orders -a -b"]);
    const rest = watch(bench, ALL, { received: [keyOf("orders"), keyOf("c")], initializing: false });
    assert.deepEqual(brief(rest), ["DIFF 1/1: -c"]);
  });
});
