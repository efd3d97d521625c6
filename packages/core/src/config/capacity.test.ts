import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CONFIG_START, config } from "@nacre/testkit/config-bench";
import { ConfigLog, content, OPERATOR } from "@nacre/testkit/config-log";
import { capacityOf } from "./capacity.ts";
import { betaTarget } from "./gray-rule.ts";

const enforced = { enforceCapacity: true };

describe("a capacity", () => {
  test("shows what was set, else the defaults, and how much is used", () => {
    const log = new ConfigLog();
    log.publish(config("a", "g", "dev"), "x");
    log.publish(config("b", "g", "dev"), "x");
    assert.deepEqual(capacityOf(log.state, { namespace: "dev" }), {
      quota: 200,
      maxBytes: 102_400,
      maxAggrCount: 10_000,
      maxAggrSize: 1024,
      createdAt: 0,
      modifiedAt: 0,
      usage: 2,
    });
    log.apply({ type: "setCapacity", scope: { namespace: "dev" }, quota: 7 });
    log.apply({ type: "setCapacity", scope: { namespace: "dev" }, maxBytes: 64 });
    const { quota, maxBytes, createdAt, modifiedAt } = capacityOf(log.restarted(), { namespace: "dev" });
    assert.deepEqual([quota, maxBytes], [7, 64], "absent limits stay");
    assert.deepEqual([createdAt, modifiedAt], [CONFIG_START + 3, CONFIG_START + 4]);
    assert.equal(capacityOf(log.state, { group: "g" }).quota, 200, "a group is something else");
    assert.equal(capacityOf(log.state, { group: "g" }).usage, 2);
  });
  test("of 0 goes back to the default", () => {
    const log = new ConfigLog();
    log.apply({ type: "setCapacity", scope: { group: "g" }, quota: 7 });
    log.apply({ type: "setCapacity", scope: { group: "g" }, quota: 0 });
    assert.equal(capacityOf(log.state, { group: "g" }).quota, 200);
  });
  test("takes whole numbers, and at least one", () => {
    const log = new ConfigLog();
    assert.match(log.apply({ type: "setCapacity", scope: { group: "g" } }).refused ?? "", /^parameterMissing/);
    for (const maxBytes of [-1, 0.5, 2 ** 31])
      assert.match(
        log.apply({ type: "setCapacity", scope: { group: "g" }, maxBytes }).refused ?? "",
        /^invalidParameter: maxSize/,
      );
  });
});

describe("an enforced capacity (G3)", () => {
  test("is off by default", () => {
    const log = new ConfigLog({ namespaceQuota: 1, clusterQuota: 1, capacityBytesMax: 1 });
    log.publish(config("a"), "xx");
    assert.equal(log.publish(config("b"), "xx").refused, undefined);
  });
  test("counts what is new in a namespace, and nothing else", () => {
    const log = new ConfigLog({ ...enforced, namespaceQuota: 1 });
    log.publish(config("a"), "1");
    assert.match(log.publish(config("b"), "1").refused ?? "", /^namespaceQuota: namespace 'public' may hold 1 /);
    assert.equal(log.publish(config("a"), "2").refused, undefined, "a new version of what is there");
    assert.equal(log.publish(config("b"), "2", { gray: betaTarget("10.0.0.1") }).refused, undefined, "a gray version");
    assert.equal(log.publish(config("b", "g", "dev"), "1").refused, undefined, "another namespace");
    log.apply({ type: "setCapacity", scope: { namespace: "public" }, quota: 2 });
    assert.equal(log.publish(config("b"), "1").refused, undefined, "after it was raised");
  });
  test("of a group holds in all namespaces together, once an operator has set one", () => {
    const log = new ConfigLog({ ...enforced, groupQuota: 1 });
    log.publish(config("a", "g"), "1");
    assert.equal(log.publish(config("b", "g", "dev"), "1").refused, undefined, "a shared group has no limit by itself");
    log.apply({ type: "setCapacity", scope: { group: "g" }, quota: 2 });
    assert.match(log.publish(config("c", "g", "dev"), "1").refused ?? "", /^groupQuota: group 'g' may hold 2 /);
  });
  test("of all namespaces together comes first", () => {
    const log = new ConfigLog({ ...enforced, clusterQuota: 1, namespaceQuota: 1 });
    log.publish(config("a"), "1");
    assert.match(log.publish(config("b"), "1").refused ?? "", /^clusterQuota/);
  });
  test("bounds the bytes of every version", () => {
    const log = new ConfigLog({ ...enforced, capacityBytesMax: 3 });
    assert.equal(log.publish(config("a"), "äb").refused, undefined, "exactly three bytes");
    assert.match(log.publish(config("a"), "ää").refused ?? "", /^contentOverSize: .*'a' has 4 bytes/);
    assert.match(log.publish(config("a"), "ää", { gray: betaTarget("10.0.0.1") }).refused ?? "", /^contentOverSize/);
  });
  test("refuses an import as a whole", () => {
    const log = new ConfigLog({ ...enforced, namespaceQuota: 2 });
    log.publish(config("a"), "1");
    const items = ["a", "b", "c", "b"].map((id) => ({ name: config(id), content: content("2"), fields: {} }));
    log.apply({ type: "stageConfigs", importId: "i", items });
    const commit = { type: "commitConfigs", importId: "i", policy: "OVERWRITE", by: OPERATOR } as const;
    assert.match(log.apply(commit).refused ?? "", /^namespaceQuota/);
    assert.equal(log.state.counts.total, 1);
    log.apply({ type: "setCapacity", scope: { namespace: "public" }, quota: 3 });
    assert.equal(log.apply(commit).refused, undefined, "what exists, and what is there twice, counts once");
  });
});
