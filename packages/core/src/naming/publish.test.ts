import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CALLER, instance, NamingBench, pushedTo, refusalOf, service } from "@nacre/testkit/naming-bench";
import { findService } from "./index.ts";

const orders = service();
const a = instance("10.0.0.1:80");
const b = instance("10.0.0.2:80");
const c = instance("10.0.0.3:80");

function versionOf(bench: NamingBench, clientId: string): number {
  return bench.state.clients.get(clientId)?.counter ?? -1;
}

describe("a connection that publishes", () => {
  test("shows its instance to consumers at once", () => {
    const bench = new NamingBench();
    bench.connect("one");
    assert.deepEqual(bench.publish("one", orders, a), []);
    assert.deepEqual(bench.addresses(orders), ["10.0.0.1:80"]);
  });

  test("replaces its single instance by publishing another, for this service only (N1)", () => {
    const bench = new NamingBench();
    bench.connect("one");
    bench.publish("one", orders, a);
    bench.publish("one", service("stock"), a);
    bench.publish("one", orders, b);
    assert.deepEqual(bench.addresses(orders), ["10.0.0.2:80"]);
    assert.deepEqual(bench.addresses(service("stock")), ["10.0.0.1:80"]);
    assert.deepEqual(bench.causes(), ["10.0.0.1:80:DEFAULT removed: replaced"]);
  });

  test("replaces a batch by a batch, and by a single instance (N1)", () => {
    const bench = new NamingBench();
    bench.connect("one");
    bench.publish("one", orders, a, b);
    bench.publish("one", orders, b, c);
    assert.deepEqual(bench.addresses(orders), ["10.0.0.2:80", "10.0.0.3:80"]);
    bench.publish("one", orders, a);
    assert.deepEqual(bench.addresses(orders), ["10.0.0.1:80"]);
  });

  test("takes everything back with an empty batch", () => {
    const bench = new NamingBench();
    bench.connect("one");
    bench.publish("one", orders);
    assert.equal(findService(bench.state, orders), undefined, "nothing to take back makes nothing");
    bench.publish("one", orders, a, b);
    bench.publish("one", orders);
    assert.deepEqual(bench.addresses(orders), []);
    assert.equal(findService(bench.state, orders)?.listed, false);
  });

  test("counts an address that stands twice in a batch once, as it was written last", () => {
    const bench = new NamingBench();
    bench.connect("one");
    bench.publish("one", orders, a, { ...a, weight: 5 }, { ...a, clusterName: "B" });
    assert.deepEqual(
      bench.hosts(orders).map(({ weight, clusterName }) => [weight, clusterName]),
      [
        [5, "DEFAULT"],
        [1, "B"],
      ],
    );
    assert.equal(bench.state.instanceCount, 2);
  });

  test("loses everything when its connection ends, and the journal says why", () => {
    const bench = new NamingBench();
    bench.connect("one");
    bench.publish("one", orders, a);
    bench.publish("one", service("stock"), b);
    bench.disconnect("one");
    assert.deepEqual(bench.addresses(orders), []);
    assert.deepEqual(bench.addresses(service("stock")), []);
    assert.deepEqual(bench.causes(), [
      "10.0.0.1:80:DEFAULT removed: connectionClosed",
      "10.0.0.2:80:DEFAULT removed: connectionClosed",
    ]);
  });

  test("is refused once its connection has gone", () => {
    const bench = new NamingBench();
    assert.equal(
      refusalOf(bench.publish("one", orders, a)),
      "disconnected: Client [one] connection already disconnect, can't register ephemeral instance.",
    );
  });

  test("may take back what it never published", () => {
    const bench = new NamingBench();
    bench.connect("one");
    assert.deepEqual(bench.withdraw("one", orders), []);
  });
});

describe("publishing the same again (N2)", () => {
  test("changes no version, no revision and pushes nothing", () => {
    const bench = new NamingBench();
    bench.connect("one", "reader");
    bench.publish("one", orders, { ...a, metadata: { zone: "x", tier: "1" } }, b);
    bench.read("reader", orders);
    const before = [versionOf(bench, "one"), bench.revision(orders), bench.view(orders)];
    bench.now += 5000;
    assert.deepEqual(bench.publish("one", orders, b, { ...a, metadata: { tier: "1", zone: "x" } }), []);
    assert.deepEqual([versionOf(bench, "one"), bench.revision(orders), bench.view(orders)], before);
  });

  test("keeps a generated id, and a new one is made for a new registration", () => {
    const bench = new NamingBench();
    const generated = { ...a, metadata: { "preserved.instance.id.generator": "snowflake" } };
    const idOf = () => bench.hosts(orders)[0]?.instanceId;
    bench.connect("one", "two");
    bench.publish("one", orders, generated);
    const first = idOf();
    assert.match(String(first), /^\d{18,19}#DEFAULT#DEFAULT_GROUP@@orders$/);
    bench.publish("one", orders, generated);
    assert.equal(bench.revision(orders), 1);
    bench.publish("one", orders, { ...generated, weight: 2 });
    assert.equal(idOf(), first, "the same registration with another weight");
    bench.withdraw("one", orders);
    bench.publish("one", orders, generated);
    assert.notEqual(idOf(), first);
  });

  test("makes ids of their own for a thousand instances of one millisecond", () => {
    const bench = new NamingBench();
    bench.connect("one");
    const metadata = { "preserved.instance.id.generator": "snowflake" };
    const batch = Array.from({ length: 9000 }, (_, n) => instance(`10.1.${n >> 8}.${n & 255}:80`, { metadata }));
    bench.publish("one", orders, ...batch);
    assert.equal(new Set(bench.hosts(orders).map(({ instanceId }) => instanceId)).size, 9000);
  });

  test("is a change when the client asks for another id, weight, health or state", () => {
    const bench = new NamingBench();
    bench.connect("one");
    bench.publish("one", orders, a);
    for (const given of [
      { weight: 2 },
      { healthy: false },
      { enabled: false },
      { instanceId: "x" },
      { metadata: { k: "v" } },
    ]) {
      const before = bench.revision(orders);
      bench.publish("one", orders, { ...a, ...given });
      assert.equal(bench.revision(orders), before + 1, JSON.stringify(given));
    }
  });
});

describe("an address that several clients publish (N3)", () => {
  function published(): NamingBench {
    const bench = new NamingBench();
    bench.connect("old", "new", "reader");
    bench.publish("old", orders, { ...a, weight: 1 });
    bench.publish("new", orders, { ...a, weight: 2 });
    return bench;
  }
  const weights = (bench: NamingBench) => bench.hosts(orders).map(({ weight }) => weight);

  test("shows once, as the newest client publishes it", () => {
    assert.deepEqual(weights(published()), [2]);
  });

  test("shows as the older client publishes it when the newer connection ends, and nothing is lost", () => {
    const bench = published();
    bench.disconnect("new");
    assert.deepEqual(weights(bench), [1]);
    assert.deepEqual(bench.causes(), []);
  });

  test("stays when the older connection ends", () => {
    const bench = published();
    bench.disconnect("old");
    assert.deepEqual(weights(bench), [2]);
    bench.disconnect("new");
    assert.deepEqual(weights(bench), []);
  });

  test("goes with all its copies when the newest is deregistered on request", () => {
    const bench = published();
    bench.withdraw("new", orders);
    assert.deepEqual(weights(bench), []);
    assert.deepEqual(bench.causes(), [
      "10.0.0.1:80:DEFAULT removed: superseded",
      "10.0.0.1:80:DEFAULT removed: deregistered",
    ]);
    assert.equal(bench.state.clients.get("old")?.publications.size, 0);
  });

  test("goes with all its copies when the newest leaves it out of its batch", () => {
    const bench = new NamingBench();
    bench.connect("old", "new");
    bench.publish("old", orders, a, b);
    bench.publish("new", orders, a, b);
    bench.publish("new", orders, b);
    assert.deepEqual(bench.addresses(orders), ["10.0.0.2:80"]);
  });

  test("stays when an older copy is deregistered", () => {
    const bench = published();
    bench.withdraw("old", orders);
    assert.deepEqual(weights(bench), [2]);
  });

  test("leaves the other instances of an older batch alone", () => {
    const bench = new NamingBench();
    bench.connect("old", "new");
    bench.publish("old", orders, a, b);
    bench.publish("new", orders, a);
    bench.withdraw("new", orders);
    assert.deepEqual(bench.addresses(orders), ["10.0.0.2:80"]);
  });

  test("may lie three deep, and the middle may go first", () => {
    const bench = published();
    bench.connect("newest");
    bench.publish("newest", orders, { ...a, weight: 3 });
    bench.disconnect("new");
    assert.deepEqual(weights(bench), [3]);
    bench.disconnect("newest");
    assert.deepEqual(weights(bench), [1]);
  });

  test("pushes nothing when a copy of equal content comes or goes", () => {
    const bench = new NamingBench();
    bench.connect("old", "new", "reader");
    bench.publish("old", orders, a);
    bench.read("reader", orders);
    const before = bench.revision(orders);
    assert.deepEqual(bench.publish("new", orders, a), [], "a process that connected anew");
    assert.deepEqual(bench.disconnect("old"), [], "its dead connection is noticed");
    assert.equal(bench.revision(orders), before);
    assert.deepEqual(pushedTo(bench.disconnect("new")), ["reader"]);
  });

  test("changes under another one without anybody being pushed", () => {
    const bench = published();
    bench.read("reader", orders);
    assert.deepEqual(bench.publish("old", orders, { ...a, weight: 9 }), []);
    bench.disconnect("new");
    assert.deepEqual(weights(bench), [9]);
  });
});

describe("a service is for ephemeral or for persistent instances", () => {
  const register = { type: "registerPersistent", service: orders, instance: a, caller: CALLER } as const;

  test("ephemeral ones are refused beside persistent ones", () => {
    const bench = new NamingBench();
    bench.connect("one");
    bench.apply(register);
    const name = "public@@DEFAULT_GROUP@@orders";
    assert.equal(
      refusalOf(bench.publish("one", orders, b)),
      `invalidParameter: Current service ${name} is persistent service, can't register ephemeral instance.`,
    );
    assert.equal(
      refusalOf(bench.publish("one", orders, b, c)),
      `invalidParameter: Current service ${name} is persistent service, can't batch register ephemeral instance.`,
    );
    assert.match(refusalOf(bench.publishAddress(orders, b)) ?? "", /is persistent service/);
    assert.equal(bench.state.clients.has("10.0.0.2:80#true"), false, "N14");
  });

  test("the last one that leaves frees the service for the other kind", () => {
    const bench = new NamingBench();
    bench.connect("one");
    bench.apply(register);
    bench.apply({ type: "deregisterPersistent", service: orders, ip: a.ip, port: a.port, caller: CALLER });
    assert.equal(refusalOf(bench.publish("one", orders, b)), undefined);
    assert.equal(findService(bench.state, orders)?.ephemeral, true);
  });

  test("a service made by an operator keeps its kind while it is empty", () => {
    const bench = new NamingBench();
    bench.connect("one");
    const edit = { protectThreshold: 0, selector: { type: "none" }, metadata: {} } as const;
    bench.apply({ type: "createService", service: orders, ephemeral: false, edit });
    assert.match(refusalOf(bench.publish("one", orders, b)) ?? "", /is persistent service/);
    bench.apply({ type: "deleteService", service: orders });
    assert.equal(refusalOf(bench.publish("one", orders, b)), undefined);
  });
});

describe("a publication is refused, and changes nothing (N14)", () => {
  test("beyond the instances that a member may hold, naming the option", () => {
    const bench = new NamingBench({ instancesMax: 2 });
    bench.connect("one", "two");
    bench.publish("one", orders, a, b);
    assert.match(
      refusalOf(bench.publish("two", orders, c)) ?? "",
      /^overThreshold: .*nacre\.naming\.instances\.max = 2/,
    );
    assert.match(refusalOf(bench.publishAddress(orders, c)) ?? "", /^overThreshold/);
    assert.equal(refusalOf(bench.publish("one", orders, a, c)), undefined, "what it replaces does not count");
    assert.match(refusalOf(bench.publish("one", orders, a, b, c)) ?? "", /^overThreshold/);
    assert.deepEqual(bench.addresses(orders), ["10.0.0.1:80", "10.0.0.3:80"]);
  });

  test("beyond the services that a member may hold, naming the option", () => {
    const bench = new NamingBench({ servicesMax: 1 });
    bench.connect("one");
    bench.publish("one", orders, a);
    const refused = /^overThreshold: .*nacre\.naming\.services\.max = 1/;
    assert.match(refusalOf(bench.publish("one", service("stock"), a)) ?? "", refused);
    assert.match(refusalOf(bench.subscribe("one", service("stock"))) ?? "", refused);
    assert.equal(bench.state.services.size, 1);
  });

  const REFUSED: readonly [string, Parameters<typeof instance>[1] & object, RegExp][] = [
    ["without an address", { ip: " " }, /^parameterMissing: .*'ip'/],
    ["with white space in the address", { ip: "a b" }, /^invalidParameter: .*'ip'/],
    ["with a port beyond 65535", { port: 65536 }, /^invalidParameter: .*'port'/],
    ["with half a port", { port: 80.5 }, /^invalidParameter: .*'port'/],
    ["with a negative weight", { weight: -0.1 }, /^weightError/],
    ["with too much weight", { weight: 10_000.1 }, /^weightError/],
    ["with a weight that is no number", { weight: Number.NaN }, /^weightError/],
    ["with a bad cluster name", { clusterName: "a b" }, /^invalidParameter: .*'cluster'/],
    ["with an underscore in the cluster name", { clusterName: "a_b" }, /^instanceError: .*'clusterName'/],
    ["with more metadata than allowed", { metadata: { k: "x".repeat(1024) } }, /^invalidParameter: .*'metadata'.*1024/],
    [
      "with a heartbeat slower than its timeout",
      { metadata: { "preserved.heart.beat.interval": "15001" } },
      /^instanceError: .*'heart beat interval'/,
    ],
    [
      "with a heartbeat slower than its removal",
      { metadata: { "preserved.ip.delete.timeout": "4999" } },
      /^instanceError/,
    ],
    [
      "with an unknown id generator",
      { metadata: { "preserved.instance.id.generator": "uuid" } },
      /^instanceError: .*'uuid'/,
    ],
  ];
  for (const [what, given, refused] of REFUSED)
    test(what, () => {
      const bench = new NamingBench();
      bench.connect("one");
      assert.match(refusalOf(bench.publish("one", orders, b, { ...a, ...given })) ?? "", refused);
      assert.equal(bench.state.services.size, 0);
      assert.match(refusalOf(bench.publishAddress(orders, { ...a, ...given })) ?? "", refused);
      assert.equal(bench.state.clients.size, 1);
    });

  test("but looser rules of names hold where the checks of parameters are switched off", () => {
    const bench = new NamingBench({ checkParams: false });
    bench.connect("one");
    const long = { ...a, metadata: { k: "x".repeat(2000) } };
    assert.equal(refusalOf(bench.publish("one", orders, long)), undefined);
    assert.match(refusalOf(bench.publish("one", orders, { ...a, weight: -1 })) ?? "", /^weightError/);
  });
});
