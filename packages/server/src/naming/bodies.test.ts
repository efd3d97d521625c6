import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { findService, type InstanceInput } from "@nacre/core/naming";
import { NamingBench, service } from "@nacre/testkit/naming-bench";
import { serviceBody, serviceBodyV2 } from "./bodies.ts";

describe("a service with as many clusters as instances", () => {
  const count = 500;
  const orders = service();
  const bench = new NamingBench();
  bench.connect("one");
  const instances = Array.from(
    { length: count },
    (_, at): InstanceInput => ({
      ip: "10.0.0.1",
      port: at,
      weight: 1,
      healthy: true,
      enabled: true,
      clusterName: `c${at}`,
      metadata: {},
      instanceId: "",
    }),
  );
  bench.publish("one", orders, ...instances);
  const held = findService(bench.state, orders) ?? assert.fail();

  test("is shown with each instance in its cluster, in a few passes over the instances", () => {
    let passes = 0;
    const entries = held.hosts.entries.bind(held.hosts);
    Object.assign(held.hosts, {
      [Symbol.iterator]() {
        passes++;
        return entries();
      },
    });
    for (const body of [serviceBody(held, true), serviceBodyV2(held)]) {
      const clusters = Object.entries(body.clusterMap as Record<string, { hosts: readonly { port: number }[] }>);
      assert.equal(clusters.length, count);
      for (const [name, { hosts }] of clusters)
        assert.deepEqual(
          hosts.map(({ port }) => `c${port}`),
          [name],
        );
    }
    assert.equal(passes, 2, "one for each body");
  });
});
