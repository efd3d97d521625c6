import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConfigBench, config, refusalOf } from "@nacre/testkit/config-bench";
import { seconds } from "../lib/units.ts";
import type { Effect } from "./events.ts";
import { type ConfigOptions, RECEIVERS_MAX } from "./state.ts";

/** What watching has in common with naming is specified there: naming/fuzzy.test.ts. */

const ALL = "public>>*>>*";
const keyOf = (dataId: string) => `${dataId}+DEFAULT_GROUP+public`;

function having(dataIds: readonly string[], options: Partial<ConfigOptions> = {}): ConfigBench {
  const bench = new ConfigBench(options);
  for (const dataId of dataIds) bench.publish(config(dataId), "text");
  return bench;
}

function watch(bench: ConfigBench, pattern = ALL, received: readonly string[] = [], initializing = true): Effect[] {
  return bench.send({ type: "watch", clientId: "watcher", pattern, received, initializing });
}

const syncs = (effects: readonly Effect[]) => effects.filter((effect) => effect.type === "fuzzySync");
const changes = (effects: readonly Effect[]) => effects.filter((effect) => effect.type === "fuzzyChange");

/** Sync messages in short form: `INIT 1/2: +app -log`. */
function brief(effects: readonly Effect[]): string[] {
  return syncs(effects).map(({ sync }) => {
    if (!("contexts" in sync)) return "FINISH";
    const list = sync.contexts.map(
      ({ groupKey, changedType }) => `${changedType === "ADD_CONFIG" ? "+" : "-"}${groupKey.split("+")[0]}`,
    );
    const what = sync.type === "FUZZY_WATCH_INIT_NOTIFY" ? "INIT" : "DIFF";
    return `${what} ${sync.currentBatch}/${sync.totalBatch}: ${list.join(" ")}`;
  });
}

/** Change messages in short form: `+app+DEFAULT_GROUP+public`. */
function told(effects: readonly Effect[]): string[] {
  return changes(effects).map(({ key, change }) => `${change === "ADD_CONFIG" ? "+" : "-"}${key}`);
}

describe("a watch of configurations", () => {
  test("is told of every match in batches of twenty, and of the end after the last acknowledgement", () => {
    const dataIds = Array.from({ length: 45 }, (_, at) => `c${at}`);
    const bench = having(dataIds);
    const effects = watch(bench);
    assert.deepEqual(
      syncs(effects).map(({ sync }) => "contexts" in sync && sync.contexts.map(({ groupKey }) => groupKey)),
      [0, 20, 40].map((from) => dataIds.slice(from, from + 20).map(keyOf)),
    );
    const ends = syncs(effects).map((sync) => brief(bench.settle("watcher", sync, "acked")));
    assert.deepEqual(ends, [[], [], ["FINISH"]]);
  });

  test("hears of a large import bit by bit", () => {
    const names = Array.from({ length: 400 }, (_, at) => config(`c${at}`));
    const bench = having([]);
    watch(bench);
    const first = told(bench.import(names, "text"));
    assert.equal(first.length, RECEIVERS_MAX);
    const rest = told(bench.forward(seconds(1)));
    assert.deepEqual(
      [...first, ...rest],
      names.map(({ dataId }) => `+${keyOf(dataId)}`),
    );
  });

  test("hears of the first version and of the removal of the last, and of nothing in between", () => {
    const bench = having([]);
    watch(bench);
    assert.deepEqual(told(bench.publish(config("app"), "text")), [`+${keyOf("app")}`]);
    assert.deepEqual(told(bench.publish(config("app"), "other")), []);
    assert.deepEqual(told(bench.remove(config("app"))), [`-${keyOf("app")}`]);
  });

  test("hears only of what its pattern matches", () => {
    const bench = having(["app.yaml", "app.json", "log.yaml"]);
    bench.publish(config("app.yaml", "OTHER"), "text");
    bench.publish(config("app.yaml", "DEFAULT_GROUP", "dev"), "text");
    assert.deepEqual(brief(watch(bench, ">>DEFAULT_GROUP>>app*")), ["INIT 1/1: +app.yaml +app.json"]);
    assert.deepEqual(brief(watch(bench, "public>>*>>*.yaml")), ["INIT 1/1: +app.yaml +log.yaml +app.yaml"]);
    assert.deepEqual(brief(watch(bench, "dev>>*>>*")), ["INIT 1/1: +app.yaml"]);
  });

  test("hears nothing of gray versions, and of what is only listened to", () => {
    const bench = having([]);
    bench.listen("c1", { name: config("wanted"), form: "given", md5: "" });
    bench.publishBeta(config("app"), "text", "10.0.0.1");
    assert.deepEqual(brief(watch(bench)), ["FINISH"]);
    assert.deepEqual(told(bench.removeBeta(config("app"))), []);
  });

  test("is told the difference when it reconciles", () => {
    const bench = having(["app", "log"]);
    watch(bench);
    const received = [keyOf("app"), keyOf("gone")];
    assert.deepEqual(brief(watch(bench, ALL, received, false)), ["DIFF 1/1: +log -gone"]);
  });

  test("is told again after 2 s, then 4, then 6, as things stand by then", () => {
    const bench = having([]);
    for (const sync of syncs(watch(bench))) bench.settle("watcher", sync, "acked");
    let [change] = changes(bench.publish(config("app"), "text"));
    for (const waitMs of [2, 4, 6].map(seconds)) {
      bench.settle("watcher", change ?? assert.fail(), "timeout");
      assert.deepEqual(told(bench.forward(waitMs - 1)), []);
      [change] = changes(bench.forward(5));
    }
    bench.settle("watcher", change ?? assert.fail(), "timeout");
    const [removed] = changes(bench.remove(config("app")));
    bench.settle("watcher", removed ?? assert.fail(), "acked");
    assert.deepEqual(told(bench.forward(seconds(9))), [`-${keyOf("app")}`]);
  });

  test("is given up after as many sends as a notice; the sends that a connection did not take do not count", () => {
    const bench = having([], { notifyAttemptsMax: 3 });
    for (const sync of syncs(watch(bench))) bench.settle("watcher", sync, "acked");
    let [change] = changes(bench.publish(config("app"), "text"));
    let sent = 0;
    for (; change !== undefined; sent++) {
      bench.settle("watcher", change, sent < 5 ? "busy" : "timeout");
      [change] = changes(bench.forward(seconds(10)));
    }
    assert.equal(sent, 5 + 3);
    assert.equal(bench.state.fuzzy.sent.size, 0);
  });

  test("ends with its connection", () => {
    const bench = having([]);
    watch(bench);
    bench.disconnect("watcher");
    assert.deepEqual(told(bench.publish(config("app"), "text")), []);
  });

  test("is refused by the bounds, naming the option that sets them", () => {
    const bench = having(["a1", "a2", "b1"], { fuzzyPatternsMax: 1, fuzzyMatchesMax: 1 });
    assert.match(
      refusalOf(watch(bench)) ?? "",
      /^fuzzyMatchesOverLimit: .*more than 1 configurations match.*config\.count/,
    );
    assert.match(
      refusalOf(watch(bench, "public>>*>>b*")) ?? "",
      /^fuzzyPatternsOverLimit: .*at most 1 .*pattern\.count/,
    );
    assert.match(refusalOf(watch(bench, "b*")) ?? "", /^invalidParameter: .*namespace>>group>>dataId/);
  });
});
