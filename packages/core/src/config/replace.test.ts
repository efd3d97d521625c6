import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { answered, ConfigBench, config, holding, noticed } from "@nacre/testkit/config-bench";
import { ConfigLog, content, durable, OPERATOR } from "@nacre/testkit/config-log";
import type { Effect } from "./events.ts";
import { betaTarget } from "./gray-rule.ts";
import { beginReplacement, compare, noteReplaced, type Replacement, switchOver } from "./replace.ts";

const a = config("a");
const b = config("b");
const c = config("c");

/** A member, and the log of a cluster that it follows. */
function member() {
  const bench = new ConfigBench();
  const cluster = new ConfigLog();
  bench.onEntry = (command, at) => cluster.apply(command, at);
  return {
    bench,
    cluster,
    /** What is told once the state of the cluster has taken the place of the member's. */
    catchUp(source = cluster): Effect[] {
      const replacement = loaded(bench, source);
      for (const _ of compare(bench.state, replacement));
      switchOver(bench.state, replacement);
      for (const _ of noteReplaced(bench.state, replacement));
      return bench.send({ type: "tick" });
    },
  };
}

function loaded({ state }: ConfigBench, { store }: ConfigLog): Replacement {
  const replacement = beginReplacement(state);
  store.loadInto(replacement.next);
  return replacement;
}

const keyOf = (dataId: string) => `${dataId}+DEFAULT_GROUP+public`;
const told = (effects: readonly Effect[]) => [...noticed(effects), ...answered(effects)];

describe("a state that takes the place of the present one (G14)", () => {
  test("tells everybody who waits for something that differs, and nobody else", () => {
    const { bench, cluster, catchUp } = member();
    for (const name of [a, b]) bench.publish(name, "old");
    bench.listen("one", holding(a, "old"), holding(b, "old"), holding(c));
    bench.listen("two", holding(a, "old"));
    bench.poll(1, [holding(a, "old"), holding(c)]);
    bench.poll(2, [holding(a, "old")]);
    cluster.remove([b]);
    cluster.publish(c, "new");
    assert.deepEqual(told(catchUp()), ["b to one", "c to one", "1: c"]);
    assert.deepEqual(durable(bench.state), durable(cluster.restarted()));
  });

  test("tells a gray version's clients alone", () => {
    const { bench, cluster, catchUp } = member();
    bench.publish(a, "old");
    bench.labels.set("one", { ClientIp: "10.0.0.1" });
    for (const client of ["one", "two"]) bench.listen(client, holding(a, "old"));
    const formal = bench.state.items.get(keyOf("a"))?.formal;
    cluster.publish(a, "beta", { gray: betaTarget("10.0.0.1") });
    assert.deepEqual(told(catchUp()), ["a to one"]);
    assert.equal(bench.state.items.get(keyOf("a"))?.formal, formal);
  });

  test("tells watchers of patterns what appeared and what went, and nothing of what only changed", () => {
    const { bench, cluster, catchUp } = member();
    for (const name of [a, b]) bench.publish(name, "old");
    bench.publishBeta(c, "beta", "10.0.0.1");
    const pattern = "public>>DEFAULT_GROUP>>*";
    bench.send({ type: "watch", clientId: "one", pattern, received: [], initializing: true });
    cluster.publish(a, "new");
    cluster.remove([b]);
    cluster.publish(c, "new");
    const changes = catchUp().flatMap((effect) =>
      effect.type === "fuzzyChange" ? [`${effect.change} ${effect.key}`] : [],
    );
    assert.deepEqual(changes, [`DELETE_CONFIG ${keyOf("b")}`, `ADD_CONFIG ${keyOf("c")}`]);
    assert.deepEqual([...(bench.state.fuzzy.patterns.get(pattern)?.matched ?? [])], [keyOf("a"), keyOf("c")]);
  });

  test("leaves the very versions that it holds too, so that who reads them just now goes on", () => {
    const { bench, cluster, catchUp } = member();
    for (const name of [a, b]) bench.publish(name, "old");
    const before = [...bench.state.items.values()].map(({ formal }) => formal);
    cluster.publish(b, "new");
    catchUp();
    const after = [...bench.state.items.values()].map(({ formal }) => formal);
    assert.deepEqual([before[0] === after[0], before[1] === after[1]], [true, false]);
  });

  test("of another log has other contents under the same revision", () => {
    const { bench, catchUp } = member();
    bench.publish(a, "old");
    bench.listen("one", holding(a, "old"));
    const other = new ConfigLog();
    const command = {
      type: "publishConfig",
      name: a,
      content: content("new"),
      fields: {},
      terms: {},
      by: OPERATOR,
    } as const;
    other.apply(command, bench.now);
    assert.deepEqual(told(catchUp(other)), ["a to one"]);
    assert.equal(bench.state.items.get(keyOf("a"))?.formal?.revision, 1);
  });

  test("does not show before it is switched, and leaves no trace when it never is", () => {
    const { bench, cluster } = member();
    bench.publish(a, "old");
    bench.listen("one", holding(b));
    const before = durable(bench.state);
    cluster.remove([a]);
    cluster.publish(b, "new");
    const replacement = loaded(bench, cluster);
    for (const _ of compare(bench.state, replacement)) assert.deepEqual(durable(bench.state), before);
    assert.deepEqual(told(bench.publish(b, "mine")), ["b to one"]);
  });

  test("is compared while clients come and go", () => {
    const { bench, cluster, catchUp } = member();
    bench.publish(a, "old");
    bench.listen("gone", holding(b));
    cluster.remove([a]);
    for (const name of [b, c]) cluster.publish(name, "new");
    const replacement = loaded(bench, cluster);
    let compared = 0;
    for (const _ of compare(bench.state, replacement)) {
      if (++compared < 2) continue;
      bench.disconnect("gone");
      bench.listen("come", holding(c), holding(a, "old"), holding(b));
    }
    switchOver(bench.state, replacement);
    bench.listen("late", holding(b));
    for (const _ of noteReplaced(bench.state, replacement));
    assert.deepEqual(told(bench.send({ type: "tick" })).sort(), ["a to come", "b to come late", "c to come"]);
    assert.deepEqual(told(catchUp()), [], "a second time there is nothing to tell");
  });
});
