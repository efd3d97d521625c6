import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TextMap } from "@nacre/protocol";
import { CALLER, instance, NamingBench, service } from "@nacre/testkit/naming-bench";
import type { ServiceEdit } from "./commands.ts";
import { instancesOf, protectionFires, serviceInfoText } from "./index.ts";
import { findService } from "./state.ts";

const orders = service();

function edited(bench: NamingBench, edit: Partial<ServiceEdit>): void {
  const whole: ServiceEdit = { protectThreshold: 0, selector: { type: "none" }, metadata: {}, ...edit };
  bench.apply({ type: "updateService", service: orders, edit: whole });
}

/** `total` instances, the first `healthy` of them healthy. */
function published(
  total: number,
  healthy: number,
  options: ConstructorParameters<typeof NamingBench>[0] = {},
): NamingBench {
  const bench = new NamingBench(options);
  bench.connect("one");
  const all = Array.from({ length: total }, (_, n) => instance(`10.0.0.${n + 1}:80`, { healthy: n < healthy }));
  bench.publish("one", orders, ...all);
  return bench;
}

function seen(bench: NamingBench, healthyOnly = false): string {
  const hosts = bench.hosts(orders, { healthyOnly });
  const healthy = hosts.filter((host) => host.healthy).length;
  const flag = bench.view(orders, { healthyOnly }).reachProtectionThreshold ? ", protected" : "";
  return `${hosts.length} hosts, ${healthy} healthy${flag}`;
}

describe("protection", () => {
  // Total, healthy, threshold; what everybody sees; what those see who ask for healthy ones; with the compatibility option.
  const ROWS: readonly [number, number, number, string, string, string][] = [
    [4, 3, 0, "4 hosts, 3 healthy", "3 hosts, 3 healthy", "4 hosts, 3 healthy"],
    [4, 1, 0.5, "4 hosts, 4 healthy, protected", "4 hosts, 4 healthy, protected", "4 hosts, 4 healthy, protected"],
    [4, 2, 0.5, "4 hosts, 4 healthy, protected", "4 hosts, 4 healthy, protected", "4 hosts, 4 healthy, protected"],
    [4, 3, 0.5, "4 hosts, 3 healthy", "3 hosts, 3 healthy", "4 hosts, 3 healthy"],
    [4, 0, 0, "4 hosts, 0 healthy", "0 hosts, 0 healthy", "4 hosts, 4 healthy, protected"],
    [4, 4, 1, "4 hosts, 4 healthy, protected", "4 hosts, 4 healthy, protected", "4 hosts, 4 healthy, protected"],
    [0, 0, 0, "0 hosts, 0 healthy", "0 hosts, 0 healthy", "0 hosts, 0 healthy"],
    [0, 0, 1, "0 hosts, 0 healthy", "0 hosts, 0 healthy", "0 hosts, 0 healthy"],
  ];
  for (const [total, healthy, threshold, everybody, healthyOnly, compatible] of ROWS)
    test(`${healthy} of ${total} healthy at a threshold of ${threshold}`, () => {
      for (const zeroThresholdProtects of [false, true]) {
        const bench = published(total, healthy, { zeroThresholdProtects });
        const edit = { protectThreshold: threshold, selector: { type: "none" }, metadata: {} } as const;
        if (total === 0) bench.apply({ type: "createService", service: orders, ephemeral: true, edit });
        else edited(bench, { protectThreshold: threshold });
        assert.equal(seen(bench), zeroThresholdProtects ? compatible : everybody);
        if (!zeroThresholdProtects) assert.equal(seen(bench, true), healthyOnly);
      }
    });

  test("needs an operator to have said something of the service", () => {
    assert.equal(seen(published(4, 0, { zeroThresholdProtects: true })), "4 hosts, 0 healthy");
  });

  test("never changes what is stored", () => {
    const bench = published(2, 0);
    edited(bench, { protectThreshold: 0.5 });
    assert.equal(seen(bench), "2 hosts, 2 healthy, protected");
    const held = findService(bench.state, orders);
    assert.deepEqual(held && instancesOf(held, "").map(({ healthy }) => healthy), [false, false]);
  });

  test("counts only what is left after clusters, disabled instances and the selector", () => {
    const bench = new NamingBench();
    bench.connect("one");
    bench.publish(
      "one",
      orders,
      instance("10.0.0.1:80", { clusterName: "A", healthy: false }),
      instance("10.0.0.2:80", { clusterName: "A", enabled: false }),
      instance("10.0.0.3:80", { clusterName: "B" }),
    );
    edited(bench, { protectThreshold: 0.4 });
    assert.equal(bench.view(orders, { clusters: "A" }).reachProtectionThreshold, true);
    assert.equal(bench.view(orders).reachProtectionThreshold, false);
  });

  test("has a threshold below nothing taken for 0", () => {
    assert.equal(protectionFires(0, 3, -1, false), false);
    assert.equal(protectionFires(0, 3, -1, true), true);
    assert.equal(protectionFires(1, 3, -1, true), false);
  });
});

describe("what a consumer sees", () => {
  test("leaves out disabled instances, which operators see", () => {
    const bench = new NamingBench();
    bench.connect("one");
    bench.publish("one", orders, instance("10.0.0.1:80", { enabled: false }), instance("10.0.0.2:80"));
    assert.deepEqual(bench.addresses(orders), ["10.0.0.2:80"]);
    const held = findService(bench.state, orders);
    assert.deepEqual(held && instancesOf(held, "").length, 2);
  });

  test("leaves out unhealthy instances for those who ask for healthy ones", () => {
    assert.equal(seen(published(3, 1)), "3 hosts, 1 healthy");
    assert.equal(seen(published(3, 1), true), "1 hosts, 1 healthy");
  });

  test("is of the clusters in the comma list, of all when it is blank", () => {
    const bench = new NamingBench();
    bench.connect("one");
    const all = ["A", "B", "C"].map((clusterName, n) => instance(`10.0.0.${n + 1}:80`, { clusterName }));
    bench.publish("one", orders, ...all);
    const ports = (clusters: string) => bench.hosts(orders, { clusters }).map(({ clusterName }) => clusterName);
    assert.deepEqual(ports(""), ["A", "B", "C"]);
    assert.deepEqual(ports("  "), ["A", "B", "C"]);
    assert.deepEqual(ports("B"), ["B"]);
    assert.deepEqual(ports("C, A"), ["A", "C"]);
    assert.deepEqual(ports("a"), [], "names are exact");
    assert.deepEqual(ports("D"), []);
  });

  test("is an empty list for a service that does not exist", () => {
    const view = new NamingBench().view(orders);
    assert.deepEqual([view.hosts, view.count, view.reachProtectionThreshold], ["[]", 0, false]);
  });

  test("carries what operators set for an instance, key by key (N15)", () => {
    const bench = new NamingBench();
    bench.connect("one");
    bench.publish(
      "one",
      orders,
      instance("10.0.0.1:80", { metadata: { zone: "x", tier: "1" } }),
      instance("10.0.0.2:80"),
    );
    const override = { weight: 7, enabled: undefined, metadata: { tier: "2", note: "by hand" } };
    const edit = { how: "replace", override } as const;
    const plain = bench.view(orders).checksum;
    bench.apply({ type: "setOverrides", service: orders, instances: ["10.0.0.1:80:DEFAULT"], edit, caller: CALLER });
    const [first, second] = bench.hosts(orders);
    assert.deepEqual([first?.weight, first?.metadata], [7, { zone: "x", tier: "2", note: "by hand" }]);
    assert.deepEqual([second?.weight, second?.metadata], [1, {}]);
    assert.notEqual(bench.view(orders).checksum, plain);
  });
});

describe("a label selector", () => {
  const selector = {
    type: "label",
    expression: "CONSUMER.label.zone = PROVIDER.label.zone",
    labels: ["zone"],
  } as const;
  const zones = (entries: Record<string, string>) =>
    new Map(Object.entries(entries).map(([ip, zone]): [string, TextMap] => [ip, { zone }]));

  function labelled(): NamingBench {
    const bench = published(3, 3);
    edited(bench, { selector });
    bench.send({ type: "labels", byIp: zones({ "10.0.0.1": "x", "10.0.0.2": "y", "10.5.0.1": "x", "10.5.0.2": "z" }) });
    return bench;
  }

  test("gives a consumer the instances of its zone", () => {
    assert.deepEqual(labelled().addresses(orders, { consumerIp: "10.5.0.1" }), ["10.0.0.1:80"]);
  });

  test("gives everything to consumers without a label, without a match and without an address", () => {
    for (const consumerIp of ["10.5.0.2", "10.5.0.3", undefined])
      assert.equal(labelled().hosts(orders, consumerIp === undefined ? {} : { consumerIp }).length, 3);
  });

  test("shares one list between consumers of equal labels", () => {
    const bench = labelled();
    bench.send({ type: "labels", byIp: zones({ "10.0.0.1": "x", "10.5.0.1": "x", "10.5.0.3": "x" }) });
    bench.view(orders, { consumerIp: "10.5.0.1" });
    assert.equal(bench.view(orders, { consumerIp: "10.5.0.1" }), bench.view(orders, { consumerIp: "10.5.0.3" }));
  });

  test("is not fooled by a cluster filter that reads like labels", () => {
    const bench = labelled();
    assert.equal(bench.view(orders, { clusters: '["x"]' }).count, 0);
    assert.equal(bench.view(orders, { consumerIp: "10.5.0.1" }).count, 1);
  });

  test("makes a new revision of its services, and of no others, when labels change", () => {
    const bench = labelled();
    bench.publish("one", service("stock"), instance("10.0.0.1:80"));
    const before = [bench.revision(orders), bench.revision(service("stock"))];
    bench.send({ type: "labels", byIp: zones({ "10.0.0.3": "x", "10.5.0.1": "x" }) });
    assert.deepEqual([bench.revision(orders), bench.revision(service("stock"))], [(before[0] ?? 0) + 1, before[1]]);
    assert.deepEqual(bench.addresses(orders, { consumerIp: "10.5.0.1" }), ["10.0.0.3:80"]);
  });
});

describe("a view (N5)", () => {
  test("is kept when a revision is asked for again", () => {
    const bench = published(3, 2);
    bench.view(orders);
    assert.equal(bench.view(orders), bench.view(orders));
    assert.notEqual(bench.view(orders), bench.view(orders, { healthyOnly: true }));
    const before = bench.view(orders);
    bench.publish("one", orders, instance("10.0.0.9:80"));
    assert.notEqual(bench.view(orders), before);
    assert.equal(before.count, 3, "the old one stays as it was");
  });

  test("is the same bytes when it had to be made again, because others needed the room", () => {
    const bench = new NamingBench({ viewCharsMax: 1000 });
    bench.connect("one");
    for (const name of ["one", "two", "three"])
      bench.publish("one", service(name), instance("10.0.0.1:80"), instance("10.0.0.2:80"));
    const before = bench.view(service("one"));
    for (const name of ["two", "three"]) bench.view(service(name));
    assert.ok(bench.state.views.chars <= 1000);
    assert.deepEqual(bench.view(service("one")), before);
  });

  test("writes every instance with its own values, alike as they may be", () => {
    const bench = new NamingBench();
    bench.connect("one");
    const differences = [{}, { weight: 2 }, { healthy: false }, { metadata: { a: "1" } }, { metadata: { a: "1" } }, {}];
    const all = differences.map((fields, n) => instance(`10.0.0.${n}:80`, fields));
    bench.publish("one", orders, ...all, instance("10.0.0.9:80", { clusterName: "B" }));
    const hosts = JSON.parse(bench.view(orders).hosts);
    assert.deepEqual(
      hosts.map(({ ip, weight, healthy, metadata, clusterName }: Record<string, unknown>) => ({
        ip,
        weight,
        healthy,
        metadata,
        clusterName,
      })),
      [...all, { ...instance("10.0.0.9:80"), clusterName: "B" }].map(
        ({ ip, weight, healthy, metadata, clusterName }) => ({
          ip,
          weight,
          healthy,
          metadata,
          clusterName: clusterName || "DEFAULT",
        }),
      ),
    );
  });

  test("of many filters takes a bounded place", () => {
    const bench = published(3, 3);
    for (let n = 0; n < 100; n++) bench.view(orders, { clusters: `DEFAULT,C${n}` });
    assert.ok(bench.state.views.chars <= 32 * bench.view(orders).hosts.length);
  });

  test("makes room for itself first when the lists of its service fill the cache", () => {
    const bench = published(5, 5, { viewCharsMax: 3000 });
    for (const name of ["a", "b"]) bench.publish("one", service(name), instance("10.0.0.1:80"));
    bench.view(orders);
    bench.view(service("a"));
    bench.view(service("b"));
    for (const clusters of ["DEFAULT", "DEFAULT,A", "DEFAULT,B"]) {
      bench.view(orders, { clusters });
      assert.ok(bench.state.views.chars <= 3000);
    }
  });

  test("has a checksum over its content, in whatever order it was published", () => {
    const bench = new NamingBench();
    bench.connect("one");
    const all = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"].map((address) => instance(address));
    bench.publish("one", service("a"), ...all);
    bench.publish("one", service("b"), ...all.toReversed());
    assert.equal(bench.view(service("a")).checksum, bench.view(service("b")).checksum);
    bench.publish("one", service("b"), ...all.slice(1));
    assert.notEqual(bench.view(service("a")).checksum, bench.view(service("b")).checksum);
    bench.withdraw("one", service("b"));
    assert.equal(bench.view(service("b")).checksum, bench.view(service("unheard")).checksum, "empty lists are equal");
  });
});

describe("lastRefTime (N4)", () => {
  test("is the wall clock, and grows with everything that was shown, also within a millisecond", () => {
    const bench = published(1, 1);
    assert.equal(bench.view(orders).lastRefTime, bench.now);
    for (let n = 2; n < 6; n++) {
      const before = bench.view(orders).lastRefTime;
      bench.publish("one", orders, instance(`10.0.0.${n}:80`));
      assert.ok(bench.view(orders).lastRefTime > before);
    }
  });

  test("does not run ahead of the clock when nobody looks", () => {
    const bench = published(1, 1);
    for (let n = 0; n < 5000; n++) bench.publish("one", orders, instance("10.0.0.1:80", { weight: n }));
    assert.ok(bench.view(orders).lastRefTime <= bench.now + 1);
    for (let n = 0; n < 5000; n++) bench.view(service(`unheard-${n}`));
    assert.ok(bench.view(service("unheard")).lastRefTime <= bench.now + 1);
  });

  test("does not go back with the wall clock", () => {
    const bench = published(1, 1);
    const before = bench.view(orders).lastRefTime;
    bench.now += 10;
    bench.send({ type: "tick", wallAt: bench.now - 3_600_000 });
    bench.publish("one", orders, instance("10.0.0.2:80"));
    assert.equal(bench.view(orders).lastRefTime, before + 1);
  });

  test("does not go back when a service is removed, unheard of, and made again", () => {
    const bench = published(1, 1);
    const shown: number[] = [bench.view(orders).lastRefTime];
    bench.withdraw("one", orders);
    shown.push(bench.view(orders).lastRefTime);
    bench.now += 60_000;
    bench.send({ type: "tick", wallAt: bench.now - 3_600_000 });
    assert.equal(findService(bench.state, orders), undefined);
    const unheard = bench.view(orders).lastRefTime;
    assert.ok(unheard >= (shown.at(-1) ?? 0));
    bench.publish("one", orders, instance("10.0.0.2:80"));
    shown.push(bench.view(orders).lastRefTime);
    assert.deepEqual(shown, [...new Set(shown)].sort());
    assert.ok((shown.at(-1) ?? 0) > unheard);
  });
});

describe("the text of a ServiceInfo", () => {
  const FIELDS = "name groupName clusters cacheMillis hosts lastRefTime checksum allIps reachProtectionThreshold valid";
  const HOST =
    "instanceId ip port weight healthy enabled ephemeral clusterName serviceName metadata instanceHeartBeatInterval " +
    "instanceHeartBeatTimeOut ipDeleteTimeout instanceIdGenerator";

  function info(bench: NamingBench, form: "grpc" | "v1" | "v2"): Record<string, unknown> {
    return JSON.parse(serviceInfoText(orders, "A,B", bench.view(orders), form, 10_000)) as Record<string, unknown>;
  }

  test("has every field that clients need", () => {
    const bench = published(1, 1);
    const parsed = info(bench, "grpc");
    assert.deepEqual(Object.keys(parsed), FIELDS.split(" "));
    const { hosts, lastRefTime, checksum, ...rest } = parsed;
    assert.deepEqual(rest, {
      name: "orders",
      groupName: "DEFAULT_GROUP",
      clusters: "A,B",
      cacheMillis: 10_000,
      allIps: false,
      reachProtectionThreshold: false,
      valid: true,
    });
    assert.deepEqual(hosts, [
      {
        instanceId: "10.0.0.1#80#DEFAULT#DEFAULT_GROUP@@orders",
        ip: "10.0.0.1",
        port: 80,
        weight: 1,
        healthy: true,
        enabled: true,
        ephemeral: true,
        clusterName: "DEFAULT",
        serviceName: "DEFAULT_GROUP@@orders",
        metadata: {},
        instanceHeartBeatInterval: 5000,
        instanceHeartBeatTimeOut: 15_000,
        ipDeleteTimeout: 30_000,
        instanceIdGenerator: "simple",
      },
    ]);
    assert.deepEqual(Object.keys((hosts as object[])[0] ?? {}), HOST.split(" "));
  });

  test("names the service with its group, and allIPs, in the older forms", () => {
    const bench = published(1, 1);
    for (const form of ["v1", "v2"] as const) {
      const { name, allIps, allIPs } = info(bench, form);
      assert.deepEqual([name, allIps, allIPs], ["DEFAULT_GROUP@@orders", false, false]);
    }
  });

  test("writes weights as doubles, because the C++ SDK reads nothing else", () => {
    const bench = new NamingBench();
    bench.connect("one");
    for (const [weight, text] of [
      [1, "1.0"],
      [0, "0.0"],
      [10_000, "10000.0"],
      [0.25, "0.25"],
      [1e-7, "1e-7"],
    ] as const) {
      bench.publish("one", orders, instance("10.0.0.1:80", { weight }));
      assert.match(bench.view(orders).hosts, new RegExp(`"weight":${text.replace(".", "\\.")},`));
    }
  });

  test("brings hostile and foreign metadata through unharmed", () => {
    const bench = new NamingBench();
    bench.connect("one");
    const metadata = JSON.parse('{"__proto__":"p","constructor":"c","toString":"t","":"empty"}') as TextMap;
    const odd = { ...metadata, 'q"\\': "\n\u2028\ud83d\ude00", "lone\ud800": "x" };
    const all = Object.fromEntries([...Object.entries(metadata), ...Object.entries(odd)]);
    bench.publish("one", orders, instance("10.0.0.1:80", { metadata: all }));
    const edit = { how: "mergeMetadata", metadata: JSON.parse('{"__proto__":"by hand"}') as TextMap } as const;
    bench.apply({ type: "setOverrides", service: orders, instances: ["10.0.0.1:80:DEFAULT"], edit, caller: CALLER });
    const [host] = bench.hosts(orders);
    assert.deepEqual(
      Object.entries(host?.metadata ?? {}).sort(),
      Object.entries({ ...all, ...{} })
        .map(([key, value]) => (key === "__proto__" ? [key, "by hand"] : [key, value]))
        .sort(),
    );
    assert.equal(Object.getPrototypeOf({}), Object.prototype);
    assert.equal(host?.instanceHeartBeatTimeOut, 15_000);
  });
});
