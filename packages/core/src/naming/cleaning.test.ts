import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CALLER, instance, NamingBench, service } from "@nacre/testkit/naming-bench";
import { minutes, seconds } from "../lib/units.ts";
import { nextWakeAt } from "./index.ts";
import { findService } from "./state.ts";

const orders = service();
const a = instance("10.0.0.1:80");
const edit = { protectThreshold: 0, selector: { type: "none" }, metadata: {} } as const;

describe("a service without publishers and subscribers", () => {
  test("is forgotten after a minute", () => {
    const bench = new NamingBench();
    bench.connect("one");
    bench.publish("one", orders, a);
    bench.forward(seconds(90));
    bench.withdraw("one", orders);
    bench.forward(seconds(60) - 1);
    assert.ok(findService(bench.state, orders));
    bench.forward(1);
    assert.equal(findService(bench.state, orders), undefined);
  });

  test("starts the minute anew with every use", () => {
    const bench = new NamingBench();
    bench.connect("one");
    bench.publish("one", orders, a);
    bench.withdraw("one", orders);
    bench.forward(seconds(50));
    bench.subscribe("one", orders);
    bench.forward(seconds(60));
    bench.send({ type: "unsubscribe", clientId: "one", service: orders });
    bench.forward(seconds(59));
    assert.ok(findService(bench.state, orders));
    bench.forward(seconds(1));
    assert.equal(findService(bench.state, orders), undefined);
  });

  test("leaves nothing behind", () => {
    const bench = new NamingBench();
    bench.connect("one");
    for (let round = 0; round < 100; round++) {
      bench.publish("one", orders, a);
      bench.withdraw("one", orders);
    }
    assert.equal(bench.state.tasks.size, 1, "one look is on its way, however often it was emptied");
    bench.forward(minutes(2));
    assert.deepEqual([bench.state.services.size, bench.state.listed.size, bench.state.tasks.size], [0, 0, 0]);
    assert.equal(nextWakeAt(bench.state), undefined);
  });

  test("stays when an operator made or edited it", () => {
    const bench = new NamingBench();
    bench.apply({ type: "createService", service: orders, ephemeral: true, edit });
    bench.forward(minutes(3));
    assert.equal(findService(bench.state, orders)?.listed, true);
    bench.apply({ type: "deleteService", service: orders });
    assert.equal(findService(bench.state, orders), undefined);
  });

  test("stays while an operator's record of one of its instances does, unlisted", () => {
    const bench = new NamingBench();
    const override = { weight: 2, enabled: undefined, metadata: {} };
    const instances = ["10.0.0.1:80:DEFAULT"];
    bench.apply({
      type: "setOverrides",
      service: orders,
      instances,
      edit: { how: "replace", override },
      caller: CALLER,
    });
    bench.forward(minutes(3));
    assert.equal(findService(bench.state, orders)?.listed, false);
    bench.apply({ type: "setOverrides", service: orders, instances, edit: { how: "drop" }, caller: CALLER });
    bench.forward(minutes(1));
    assert.equal(findService(bench.state, orders), undefined);
  });
});
