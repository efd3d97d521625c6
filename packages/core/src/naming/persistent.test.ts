import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CALLER, instance, NamingBench, pushedTo, refusalOf, service } from "@nacre/testkit/naming-bench";
import { minutes } from "../lib/units.ts";
import type { Command } from "./commands.ts";
import { refuses, rowsOf } from "./index.ts";

const orders = service();
const a = instance("10.0.0.1:80");
const register = (given: Partial<typeof a> = {}): Command => ({
  type: "registerPersistent",
  service: orders,
  instance: { ...a, ...given },
  caller: CALLER,
});
const deregister: Command = { type: "deregisterPersistent", service: orders, ip: a.ip, port: a.port, caller: CALLER };

function health(healthy: boolean, key = "10.0.0.1:80:DEFAULT"): Command {
  return {
    type: "setHealth",
    changes: [{ service: orders, instance: key, healthy, cause: "healthCheck", detail: "" }],
  };
}

describe("a persistent instance", () => {
  test("shows as persistent, is stored, and is health checked", () => {
    const bench = new NamingBench();
    const effects = bench.apply(register());
    assert.equal(bench.hosts(orders)[0]?.ephemeral, false);
    const [row] = rowsOf(effects);
    assert.deepEqual([row?.kind, row?.key], ["persistent", "public@@DEFAULT_GROUP@@orders\n10.0.0.1:80#false"]);
    assert.deepEqual(JSON.parse(row?.value ?? ""), { ...a, clusterName: "DEFAULT" });
    const tracked = effects.find((effect) => effect.type === "track");
    assert.deepEqual(tracked?.target.check, { checker: { type: "TCP" }, port: 80, useInstancePort: true });
    assert.equal(tracked?.healthy, true);
  });

  test("stays without any sign of life", () => {
    const bench = new NamingBench();
    bench.apply(register());
    bench.forward(minutes(10));
    assert.equal(bench.hosts(orders)[0]?.healthy, true);
  });

  test("registered again is stored again, and pushed only when it changed", () => {
    const bench = new NamingBench();
    bench.connect("reader");
    bench.apply(register());
    bench.read("reader", orders);
    assert.deepEqual(pushedTo(bench.apply(register())), []);
    assert.deepEqual(pushedTo(bench.apply(register({ weight: 2 }))), ["reader"]);
  });

  test("goes when it is deregistered, with its row and its check", () => {
    const bench = new NamingBench();
    bench.apply(register());
    const effects = bench.apply(deregister);
    assert.deepEqual(rowsOf(effects), [
      { kind: "persistent", key: "public@@DEFAULT_GROUP@@orders\n10.0.0.1:80#false", value: undefined },
    ]);
    assert.equal(
      effects.some(({ type }) => type === "untrack"),
      true,
    );
    assert.equal(bench.state.clients.size, 0);
    assert.deepEqual(bench.apply(deregister), [], "again is a success that changes nothing");
  });

  test("is refused in a service of ephemeral instances", () => {
    const bench = new NamingBench();
    bench.connect("one");
    bench.publish("one", orders, a);
    assert.equal(
      refuses(bench.state, register())?.message,
      "Current service public@@DEFAULT_GROUP@@orders is ephemeral service, can't register persistent instance.",
    );
  });

  test("is refused for what an ephemeral one is refused for", () => {
    const bench = new NamingBench({ instancesMax: 0 });
    assert.equal(refuses(bench.state, register({ weight: -1 }))?.failure, "weightError");
    assert.equal(refuses(bench.state, register())?.failure, "overThreshold");
    assert.equal(bench.state.clients.size, 0, "asking changes nothing");
  });

  test("is refused by the log itself in a service made for ephemeral ones", () => {
    const bench = new NamingBench();
    const edit = { protectThreshold: 0, selector: { type: "none" }, metadata: {} } as const;
    bench.apply({ type: "createService", service: orders, ephemeral: true, edit });
    assert.match(refusalOf(bench.apply(register())) ?? "", /^invalidParameter: .* is ephemeral service/);
  });
});

describe("the health of a persistent instance", () => {
  test("changes through the log, is stored, pushed, and confirmed to the health checker", () => {
    const bench = new NamingBench();
    bench.connect("reader");
    bench.apply(register());
    bench.read("reader", orders);
    const effects = bench.apply(health(false));
    assert.equal(bench.hosts(orders)[0]?.healthy, false);
    assert.equal(JSON.parse(rowsOf(effects)[0]?.value ?? "").healthy, false);
    assert.deepEqual(pushedTo(effects), ["reader"]);
    assert.deepEqual(effects.filter(({ type }) => type === "healthChanged").length, 1);
    bench.ack(effects);
    bench.forward(100);
    assert.deepEqual(pushedTo(bench.apply(health(false))), [], "the same again");
  });

  test("of an instance that is gone or ephemeral is not changed", () => {
    const bench = new NamingBench();
    assert.deepEqual(bench.apply(health(false)), []);
    bench.connect("one");
    bench.publish("one", orders, a);
    assert.deepEqual(bench.apply(health(false)), []);
    assert.equal(bench.hosts(orders)[0]?.healthy, true);
  });
});

describe("a registration that overtook the log", () => {
  /** Ephemeral at this member, when the entry that makes the service persistent arrives. */
  function mixed(): NamingBench {
    const bench = new NamingBench();
    bench.connect("one");
    bench.publish("one", orders, { ...a, weight: 7 });
    bench.apply(register());
    return bench;
  }

  test("does not keep the persistent one out, and the service is persistent from then on", () => {
    const bench = mixed();
    assert.deepEqual(
      bench.hosts(orders).map(({ ephemeral }) => ephemeral),
      [false],
    );
    assert.match(refusalOf(bench.publish("one", orders, a, instance("10.0.0.2:80"))) ?? "", /is persistent service/);
  });

  test("neither speaks for the other", () => {
    const bench = mixed();
    bench.apply(deregister);
    assert.deepEqual(
      bench.hosts(orders).map(({ weight }) => weight),
      [7],
    );
    const other = new NamingBench();
    other.connect("one");
    other.publish("one", orders, instance("10.0.0.9:80"));
    other.apply(register());
    other.withdraw("one", orders);
    assert.deepEqual(other.addresses(orders), ["10.0.0.1:80"]);
  });
});
