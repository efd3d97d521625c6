import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CALLER, instance, NamingBench, pushedTo, refusalOf, service } from "@nacre/testkit/naming-bench";
import type { Command, ServiceEdit } from "./commands.ts";
import { refuses, rowsOf } from "./index.ts";
import type { ClusterMetadata } from "./model.ts";
import { findService } from "./state.ts";

const orders = service();
const a = instance("10.0.0.1:80");
const edit: ServiceEdit = { protectThreshold: 0.5, selector: { type: "none" }, metadata: { owner: "shop" } };
const create: Command = { type: "createService", service: orders, ephemeral: true, edit };
const update: Command = { type: "updateService", service: orders, edit };
const remove: Command = { type: "deleteService", service: orders };
const register: Command = { type: "registerPersistent", service: orders, instance: a, caller: CALLER };
const cluster: ClusterMetadata = {
  healthChecker: { type: "NONE" },
  healthyCheckPort: 81,
  useInstancePort: false,
  metadata: {},
};
const describeCluster: Command = { type: "updateCluster", service: orders, cluster: "A", metadata: cluster };

function failure(bench: NamingBench, command: Command): string | undefined {
  return refuses(bench.state, command)?.failure;
}

describe("a service made by an operator", () => {
  test("is listed at once, stored, and known to fuzzy watchers", () => {
    const bench = new NamingBench();
    bench.connect("watcher");
    bench.send({ type: "watch", clientId: "watcher", pattern: "public>>*>>*", received: [], initializing: true });
    const effects = bench.apply(create);
    assert.equal(findService(bench.state, orders)?.listed, true);
    assert.deepEqual(effects.filter(({ type }) => type === "fuzzyChange").length, 1);
    assert.deepEqual(rowsOf(effects), [
      {
        kind: "service",
        key: "public@@DEFAULT_GROUP@@orders",
        value: JSON.stringify({ ephemeral: true, ...edit, clusters: {} }),
      },
    ]);
  });

  test("is refused when there is one, also one that clients made (21007)", () => {
    const bench = new NamingBench();
    assert.equal(failure(bench, create), undefined);
    bench.connect("one");
    bench.publish("one", orders, a);
    assert.equal(failure(bench, create), "serviceExists");
    bench.withdraw("one", orders);
    bench.subscribe("one", orders);
    assert.equal(failure(bench, create), undefined, "a subscription makes no service");
    bench.apply(create);
    assert.equal(refuses(bench.state, create)?.message, "specified service DEFAULT_GROUP@@orders already exists!");
    assert.match(refusalOf(bench.apply(create)) ?? "", /^serviceExists/, "the log decides in the end");
  });
});

describe("an edit of a service", () => {
  test("is refused when nobody made the service (21008)", () => {
    const bench = new NamingBench();
    bench.connect("one");
    bench.subscribe("one", orders);
    assert.equal(refuses(bench.state, update)?.message, "service DEFAULT_GROUP@@orders not found!");
    assert.equal(failure(bench, describeCluster), "serviceNotFound");
  });

  test("keeps the kind of its instances and its clusters", () => {
    const bench = new NamingBench();
    bench.apply({ ...create, ephemeral: false });
    bench.apply(describeCluster);
    bench.apply({ ...update, edit: { ...edit, protectThreshold: 0.1 } });
    const { metadata, ephemeral } = findService(bench.state, orders) ?? assert.fail();
    assert.deepEqual(
      [ephemeral, metadata?.ephemeral, metadata?.protectThreshold, metadata?.clusters],
      [false, false, 0.1, { A: cluster }],
    );
  });

  test("makes a new revision, which is pushed", () => {
    const bench = new NamingBench();
    bench.connect("one", "reader");
    bench.publish("one", orders, a);
    bench.read("reader", orders);
    assert.deepEqual(pushedTo(bench.apply(update)), ["reader"]);
  });
});

describe("deleting a service", () => {
  test("is refused when there is none (21008)", () => {
    assert.equal(failure(new NamingBench(), remove), "serviceNotFound");
    assert.match(refusalOf(new NamingBench().apply(remove)) ?? "", /^serviceNotFound/);
  });

  test("is refused while it has instances of either kind (21009)", () => {
    const bench = new NamingBench();
    bench.connect("one");
    bench.publish("one", orders, a);
    assert.equal(
      refuses(bench.state, remove)?.message,
      "Service DEFAULT_GROUP@@orders is not empty, can't be delete. Please unregister instance first",
    );
    const other = new NamingBench();
    other.apply(register);
    assert.equal(failure(other, remove), "serviceNotEmpty");
    assert.match(refusalOf(other.apply(remove)) ?? "", /^serviceNotEmpty/);
  });

  test("takes its records of instances along, and tells subscribers", () => {
    const bench = new NamingBench();
    bench.connect("reader");
    bench.apply(create);
    const override = { weight: 2, enabled: undefined, metadata: {} };
    const instances = ["10.0.0.1:80:DEFAULT"];
    bench.apply({
      type: "setOverrides",
      service: orders,
      instances,
      edit: { how: "replace", override },
      caller: CALLER,
    });
    bench.read("reader", orders);
    const effects = bench.apply(remove);
    assert.deepEqual(
      rowsOf(effects).map(({ kind, value }) => [kind, value]),
      [
        ["service", undefined],
        ["override", undefined],
      ],
    );
    assert.deepEqual(pushedTo(effects), ["reader"]);
    assert.deepEqual(findService(bench.state, orders)?.listed, false);
  });
});

describe("the description of a cluster", () => {
  test("decides how its persistent instances are checked, from now on", () => {
    const bench = new NamingBench();
    bench.apply({ ...register, instance: { ...a, clusterName: "A" } });
    const tracked = bench.apply(describeCluster).filter(({ type }) => type === "track");
    assert.deepEqual(
      tracked.map((effect) => effect.type === "track" && effect.target.check),
      [{ checker: { type: "NONE" }, port: 81, useInstancePort: false }],
    );
  });

  test("says of an unedited service what its clients said", () => {
    const bench = new NamingBench();
    bench.apply(register);
    bench.apply(describeCluster);
    assert.equal(findService(bench.state, orders)?.metadata?.ephemeral, false);
    const other = new NamingBench();
    other.connect("one");
    other.publish("one", orders, a);
    other.apply(describeCluster);
    assert.equal(findService(other.state, orders)?.metadata?.ephemeral, true);
  });
});
