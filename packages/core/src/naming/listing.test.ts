import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CALLER, instance, NamingBench, service } from "@nacre/testkit/naming-bench";
import { clusterNames, countsOf, namespacesOf, page, searchServices, serviceNames, subscribersOf } from "./listing.ts";
import { findService } from "./state.ts";

const a = instance("10.0.0.1:80");

function filled(): NamingBench {
  const bench = new NamingBench();
  bench.connect("one", "two");
  for (const name of [
    service("Stock"),
    service("orders"),
    service("orders-eu"),
    service("orders", "OTHER"),
    service("hidden", "DEFAULT_GROUP", "dev"),
  ])
    bench.publish("one", name, a);
  const edit = { protectThreshold: 0, selector: { type: "none" }, metadata: {} } as const;
  bench.apply({ type: "createService", service: service("empty"), ephemeral: true, edit });
  return bench;
}

const ALL = { namespace: "public", nameContains: "", groupContains: "", withoutEmpty: false };

describe("lists of services", () => {
  test("are of one namespace and group, in order, without those that are only subscribed", () => {
    const bench = filled();
    bench.subscribe("two", service("wanted"));
    assert.deepEqual(serviceNames(bench.state, "public", "DEFAULT_GROUP"), ["Stock", "empty", "orders", "orders-eu"]);
    assert.deepEqual(serviceNames(bench.state, "public", "NONE"), []);
    assert.deepEqual(namespacesOf(bench.state), ["public", "dev"]);
  });

  test("follow services that come and go", () => {
    const bench = filled();
    bench.withdraw("one", service("orders"));
    bench.publish("one", service("aaa"), a);
    assert.deepEqual(serviceNames(bench.state, "public", "DEFAULT_GROUP"), ["Stock", "aaa", "empty", "orders-eu"]);
    bench.withdraw("one", service("hidden", "DEFAULT_GROUP", "dev"));
    assert.deepEqual(namespacesOf(bench.state), ["public"]);
  });

  test("are searched by parts of group and name in any case", () => {
    const { state } = filled();
    const found = (given: Partial<Parameters<typeof searchServices>[1]>) =>
      searchServices(state, { ...ALL, ...given }, 1, 100).items.map(({ name }) => `${name.group}/${name.name}`);
    assert.deepEqual(found({ nameContains: "STOCK" }), ["DEFAULT_GROUP/Stock"]);
    assert.deepEqual(found({ nameContains: "order", groupContains: "oth" }), ["OTHER/orders"]);
    assert.equal(found({}).length, 5);
    assert.equal(found({ withoutEmpty: true }).length, 4);
    assert.deepEqual(found({ namespace: "none" }), []);
  });

  test("are searched by the page, and counted in full", () => {
    const { state } = filled();
    const all = searchServices(state, ALL, 1, 100).items;
    assert.deepEqual(searchServices(state, ALL, 2, 2), { total: 5, items: all.slice(2, 4) });
    assert.deepEqual(searchServices(state, ALL, 9, 2), { total: 5, items: [] });
    const [some] = all;
    assert.deepEqual(
      searchServices(state, ALL, 1, 2, (service) => service === some),
      { total: 1, items: [some] },
    );
  });

  test("come in pages that count from 1", () => {
    assert.deepEqual(page(["a", "b", "c"], 1, 2), { total: 3, items: ["a", "b"] });
    assert.deepEqual(page(["a", "b", "c"], 2, 2), { total: 3, items: ["c"] });
    assert.deepEqual(page(["a", "b", "c"], 3, 2), { total: 3, items: [] });
  });
});

describe("lists of subscribers", () => {
  const ids = (bench: NamingBench, name: string, exact: boolean) =>
    subscribersOf(bench.state, service(name), exact).map(
      ({ client, service: found }) => `${client.id} ${found.name.name}`,
    );

  test("are of one service, or of all that contain the name, the exact one first", () => {
    const bench = filled();
    bench.subscribe("two", service("orders-eu"));
    bench.subscribe("one", service("orders"));
    assert.deepEqual(ids(bench, "orders", true), ["one orders"]);
    assert.deepEqual(ids(bench, "orders", false), ["one orders", "two orders-eu"]);
    assert.deepEqual(ids(bench, "order", false).sort(), ["one orders", "two orders-eu"]);
    assert.deepEqual(ids(bench, "none", true), []);
  });
});

describe("figures", () => {
  test("count what is there", () => {
    const bench = filled();
    bench.publishAddress(service("orders"), instance("10.0.0.2:80"));
    bench.apply({ type: "registerPersistent", service: service("fixed"), instance: a, caller: CALLER });
    bench.subscribe("two", service("orders"));
    assert.deepEqual(countsOf(bench.state), {
      services: 7,
      instances: 7,
      subscriptions: 1,
      clients: { connection: 2, address: 1, persistent: 1 },
    });
  });

  test("name the clusters with instances and those an operator described", () => {
    const bench = filled();
    bench.publish("one", service("orders"), a, { ...a, clusterName: "B" });
    const metadata = {
      healthChecker: { type: "NONE" },
      healthyCheckPort: 80,
      useInstancePort: true,
      metadata: {},
    } as const;
    bench.apply({ type: "updateCluster", service: service("orders"), cluster: "A", metadata });
    const held = findService(bench.state, service("orders"));
    assert.deepEqual(held && clusterNames(held), ["A", "B", "DEFAULT"]);
  });
});
