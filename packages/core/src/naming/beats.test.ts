import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TextMap } from "@nacre/protocol";
import { CALLER, instance, NamingBench, pushedTo, refusalOf, service } from "@nacre/testkit/naming-bench";
import { minutes, seconds } from "../lib/units.ts";
import { patienceOf } from "./beats.ts";

const orders = service();
const a = instance("10.0.0.1:80");

type Seen = "healthy" | "unhealthy" | "gone";

function seen(bench: NamingBench): Seen {
  const [host] = bench.hosts(orders);
  return host === undefined ? "gone" : host.healthy ? "healthy" : "unhealthy";
}

/** What becomes of an instance that is never heard of again, as `state@second`, seconds rounded down. */
function silence(bench: NamingBench, forMs = seconds(60)): string[] {
  const from = bench.now;
  const changes: string[] = [];
  let last = seen(bench);
  while (bench.now < from + forMs) {
    bench.forward(250);
    const now = seen(bench);
    if (now !== last) changes.push(`${now}@${Math.floor((bench.now - from) / 1000)}`);
    last = now;
  }
  return changes;
}

function times(timeout: string | undefined, remove: string | undefined, interval = "1000"): TextMap {
  return {
    "preserved.heart.beat.interval": interval,
    ...(timeout !== undefined && { "preserved.heart.beat.timeout": timeout }),
    ...(remove !== undefined && { "preserved.ip.delete.timeout": remove }),
  };
}

function answerOf(effects: ReturnType<NamingBench["beat"]>) {
  const found = effects.find((effect) => effect.type === "beatAnswer");
  return found && { known: found.known, intervalMs: found.intervalMs };
}

describe("an address client that stops beating", () => {
  test("is unhealthy after 15 s and removed after 30 s", () => {
    const bench = new NamingBench();
    bench.publishAddress(orders, a);
    assert.deepEqual(silence(bench), ["unhealthy@15", "gone@30"]);
    assert.deepEqual(bench.causes(), [
      "10.0.0.1:80:DEFAULT unhealthy: heartbeatExpired",
      "10.0.0.1:80:DEFAULT removed: heartbeatExpired",
    ]);
    assert.equal(bench.state.clients.size, 0);
  });

  test("is pushed as unhealthy and as gone to subscribers", () => {
    const bench = new NamingBench();
    bench.connect("reader");
    bench.publishAddress(orders, a);
    bench.read("reader", orders);
    const unhealthy = bench.forward(seconds(16));
    assert.deepEqual(pushedTo(unhealthy), ["reader"]);
    bench.ack(unhealthy);
    assert.deepEqual(pushedTo(bench.forward(seconds(15))), ["reader"]);
  });

  test("lives on for as long as it beats", () => {
    const bench = new NamingBench();
    bench.publishAddress(orders, a);
    const before = bench.revision(orders);
    for (let beats = 0; beats < 60; beats++) {
      bench.forward(seconds(5));
      assert.deepEqual(answerOf(bench.beat(orders, a)), { known: true, intervalMs: 5000 });
    }
    assert.equal(bench.revision(orders), before);
    assert.deepEqual(silence(bench), ["unhealthy@15", "gone@30"], "counted from the last beat");
  });

  test("is healthy again with its next beat, at once, and its times count anew", () => {
    const bench = new NamingBench();
    bench.connect("reader");
    bench.publishAddress(orders, a);
    bench.forward(seconds(20));
    bench.read("reader", orders);
    assert.equal(seen(bench), "unhealthy");
    assert.deepEqual(pushedTo(bench.beat(orders, a)), ["reader"]);
    assert.equal(seen(bench), "healthy");
    assert.deepEqual(silence(bench), ["unhealthy@15", "gone@30"]);
  });

  test("stays, unhealthy, where instances do not expire", () => {
    const bench = new NamingBench({ expireInstances: false });
    bench.publishAddress(orders, a);
    assert.deepEqual(silence(bench, minutes(5)), ["unhealthy@15"]);
    bench.beat(orders, a);
    assert.deepEqual(silence(bench, minutes(1)), ["unhealthy@15"]);
    bench.withdrawAddress(orders, a);
    assert.equal(bench.state.clients.size, 0);
  });

  test("loses only the services that it no longer beats for", () => {
    const bench = new NamingBench();
    const all = ["one", "two", "three"].map((name) => service(name));
    for (const name of all) bench.publishAddress(name, a);
    for (let beats = 0; beats < 10; beats++) {
      bench.forward(seconds(5));
      bench.beat(service("two"), a);
    }
    assert.deepEqual(
      all.map((name) => bench.addresses(name).length),
      [0, 1, 0],
    );
    assert.equal(bench.state.clients.get("10.0.0.1:80#true")?.publications.size, 1);
  });
});

describe("an address client that comes back after it was taken back", () => {
  test("is not forgotten by the checks of its former life", () => {
    const bench = new NamingBench();
    bench.publishAddress(orders, a);
    bench.withdrawAddress(orders, a);
    bench.forward(seconds(10));
    bench.publishAddress(orders, a);
    bench.forward(seconds(10));
    assert.deepEqual(answerOf(bench.beat(orders, a)), { known: true, intervalMs: 5000 });
    bench.withdrawAddress(orders, a);
    assert.deepEqual(bench.addresses(orders), []);
  });
});

describe("heartbeat times in the metadata of an instance", () => {
  const CASES: readonly [string, TextMap, string[]][] = [
    ["shorter ones", times("3000", "6000"), ["unhealthy@3", "gone@6"]],
    ["longer ones", times("40000", "50000"), ["unhealthy@40", "gone@50"]],
    ["removal before unhealthy", times("20000", "10000"), ["gone@10"]],
    ["removal with unhealthy", times("10000", "10000"), ["gone@10"]],
    ["only the timeout, beyond the usual removal", times("45000", undefined), ["gone@30"]],
    ["text that is no number counts as absent", times("soon", "-5", "5000"), ["unhealthy@15", "gone@30"]],
  ];
  for (const [what, metadata, expected] of CASES)
    test(what, () => {
      const bench = new NamingBench();
      bench.publishAddress(orders, { ...a, metadata });
      assert.deepEqual(silence(bench), expected);
    });

  test("removal before unhealthy also counts from the last beat", () => {
    const bench = new NamingBench();
    bench.publishAddress(orders, { ...a, metadata: times("20000", "10000") });
    bench.forward(seconds(5));
    bench.beat(orders, a);
    assert.deepEqual(silence(bench), ["gone@10"]);
  });

  test("an instance published again with shorter times is judged by them", () => {
    const bench = new NamingBench();
    bench.publishAddress(orders, { ...a, metadata: times("600000", "900000") });
    bench.publishAddress(orders, { ...a, metadata: times("3000", "6000") });
    assert.deepEqual(silence(bench), ["unhealthy@3", "gone@6"]);
  });

  test("a year between beats leaves nothing to look at for a year", () => {
    const bench = new NamingBench();
    const metadata = times(String(minutes(60 * 24 * 365)), undefined);
    for (let round = 0; round < 10; round++) {
      bench.publishAddress(orders, {
        ...a,
        metadata: { ...metadata, ...times(undefined, String(minutes(60 * 24 * 366))) },
      });
      bench.withdrawAddress(orders, a);
    }
    bench.forward(minutes(2));
    assert.equal(bench.state.beats.size, 0);
  });
});

describe("heartbeat times that an operator sets for an instance", () => {
  const override = (metadata: TextMap) =>
    ({
      type: "setOverrides",
      service: orders,
      instances: ["10.0.0.1:80:DEFAULT"],
      edit: { how: "mergeMetadata", metadata },
      caller: CALLER,
    }) as const;

  test("win over those of the instance", () => {
    const bench = new NamingBench();
    bench.apply(override(times("3000", "6000")));
    bench.publishAddress(orders, { ...a, metadata: times("40000", "50000") });
    assert.deepEqual(silence(bench), ["unhealthy@3", "gone@6"]);
  });

  test("count from the moment they are set, also when they are shorter", () => {
    const bench = new NamingBench();
    bench.publishAddress(orders, { ...a, metadata: times("600000", "900000") });
    bench.apply(override(times("3000", "6000")));
    assert.deepEqual(silence(bench), ["unhealthy@3", "gone@6"]);
  });

  test("may be longer", () => {
    const bench = new NamingBench();
    bench.publishAddress(orders, a);
    bench.apply(override(times("20000", "40000")));
    assert.deepEqual(silence(bench), ["unhealthy@20", "gone@40"]);
  });
});

describe("heartbeats are not judged", () => {
  const edit = (metadata: TextMap) =>
    ({
      type: "updateService",
      service: orders,
      edit: { protectThreshold: 0, selector: { type: "none" }, metadata },
    }) as const;

  test("while the metadata of the instance says so", () => {
    const bench = new NamingBench();
    bench.publishAddress(orders, { ...a, metadata: { enableClientBeat: "true" } });
    assert.deepEqual(silence(bench, minutes(3)), []);
    bench.publishAddress(orders, a);
    assert.deepEqual(silence(bench), ["unhealthy@15", "gone@30"]);
  });

  test("while the metadata of the service says so, and within 15 s after it no longer does", () => {
    const bench = new NamingBench();
    bench.publishAddress(orders, a);
    bench.apply(edit({ enableClientBeat: "true" }));
    assert.deepEqual(silence(bench, minutes(3)), []);
    bench.apply(edit({}));
    assert.deepEqual(
      silence(bench, seconds(16))
        .slice(-1)
        .map((text) => text.split("@")[0]),
      ["gone"],
    );
  });

  test("while health checks are switched off", () => {
    const bench = new NamingBench();
    bench.publishAddress(orders, a);
    bench.apply({ type: "setSwitch", entry: "check", value: "false" });
    assert.deepEqual(silence(bench, minutes(3)), []);
    bench.apply({ type: "setSwitch", entry: "check", value: "true" });
    assert.deepEqual(
      silence(bench, seconds(16))
        .slice(-1)
        .map((text) => text.split("@")[0]),
      ["gone"],
    );
  });
});

describe("after a pause of this process (N10)", () => {
  const paused = (ms: number) => {
    const bench = new NamingBench();
    bench.publishAddress(orders, a);
    bench.forward(seconds(1));
    bench.pause(ms);
    return bench;
  };

  test("nothing expires for as long as the pause was", () => {
    const bench = paused(seconds(20));
    assert.deepEqual(silence(bench), ["gone@20"]);
    assert.deepEqual(bench.causes(), ["10.0.0.1:80:DEFAULT removed: heartbeatExpired"], "one change, not two");
  });

  test("nothing expires for 30 s at most", () => {
    const bench = paused(minutes(10));
    assert.deepEqual(silence(bench), ["gone@30"]);
  });

  test("the beats of the pause save the instance", () => {
    const bench = paused(minutes(10));
    assert.equal(seen(bench), "healthy");
    bench.forward(seconds(1));
    bench.beat(orders, a);
    assert.deepEqual(silence(bench, seconds(28)), [], "held back until 30 s after the pause");
    bench.beat(orders, a);
    assert.deepEqual(silence(bench), ["unhealthy@15", "gone@30"]);
  });

  test("a short pause soon after a long one does not cut the respite short", () => {
    const bench = paused(seconds(10));
    bench.forward(seconds(1));
    bench.pause(seconds(4));
    assert.deepEqual(silence(bench), ["unhealthy@5", "gone@14"], "until ten seconds after the first");
  });

  test("a tick that comes a second late is no pause", () => {
    const bench = new NamingBench();
    bench.publishAddress(orders, a);
    bench.forward(seconds(14));
    bench.pause(seconds(1.5));
    assert.equal(seen(bench), "unhealthy");
  });
});

describe("a connection that ends because this process stood still (N10)", () => {
  const ended = (ms: number, afterMs = 0) => {
    const bench = new NamingBench();
    bench.connect("c", "reader");
    bench.publish("c", orders, a);
    bench.read("reader", orders);
    // What is in the sockets may be read before the clock is looked at, or after.
    if (afterMs === 0) bench.now += ms;
    else {
      bench.pause(ms);
      bench.forward(afterMs);
    }
    return { bench, effects: bench.disconnect("c") };
  };

  for (const [when, afterMs] of [
    ["before the first look at the clock", 0],
    ["soon after it went on", seconds(3)],
  ] as const)
    test(`leaves what it published in the lists for 15 s: ${when}`, () => {
      const { bench, effects } = ended(seconds(10), afterMs);
      assert.deepEqual(pushedTo(effects), []);
      assert.deepEqual(silence(bench), ["gone@15"]);
      assert.deepEqual(bench.causes(), ["10.0.0.1:80:DEFAULT removed: connectionClosed"]);
      assert.deepEqual([...bench.state.clients.keys()], ["reader"]);
    });

  test("is not seen by anybody when its client has said elsewhere what it publishes", () => {
    const { bench } = ended(seconds(10));
    bench.connect("moved");
    bench.publish("moved", orders, a);
    const revision = bench.revision(orders);
    bench.forward(seconds(1));
    assert.deepEqual([...bench.state.clients.keys()], ["reader", "moved"]);
    bench.forward(seconds(19));
    assert.deepEqual(bench.addresses(orders), ["10.0.0.1:80"]);
    assert.equal(bench.revision(orders), revision);
    bench.disconnect("moved");
    assert.deepEqual(bench.addresses(orders), []);
  });

  test("leaves nothing that its client deregisters over the next one", () => {
    const { bench } = ended(seconds(10));
    bench.connect("moved");
    bench.publish("moved", orders, a);
    bench.withdraw("moved", orders);
    assert.deepEqual(bench.addresses(orders), []);
    bench.forward(seconds(20));
    assert.deepEqual([...bench.state.clients.keys()], ["reader", "moved"]);
  });

  test("leaves nothing when the process was only late, or when the pause is long over", () => {
    assert.deepEqual(ended(seconds(2)).bench.addresses(orders), []);
    assert.deepEqual(ended(seconds(10), seconds(11)).bench.addresses(orders), []);
  });
});

describe("a beat for an instance that nobody published", () => {
  test("is answered with unknown when it brings no instance", () => {
    const bench = new NamingBench();
    assert.deepEqual(answerOf(bench.beat(orders, a)), { known: false, intervalMs: 5000 });
    assert.equal(bench.state.services.size + bench.state.clients.size, 0);
  });

  test("publishes the instance that it brings", () => {
    const bench = new NamingBench();
    assert.deepEqual(answerOf(bench.beat(orders, a, { ...a, weight: 3 })), { known: true, intervalMs: 5000 });
    assert.deepEqual(bench.hosts(orders)[0]?.weight, 3);
    assert.deepEqual(silence(bench), ["unhealthy@15", "gone@30"]);
  });

  test("is refused when that instance is", () => {
    const bench = new NamingBench();
    const effects = bench.beat(orders, a, { ...a, weight: -1 });
    assert.match(refusalOf(effects) ?? "", /^weightError/);
    assert.equal(answerOf(effects), undefined);
  });

  test("does not change an instance that is known", () => {
    const bench = new NamingBench();
    bench.publishAddress(orders, a);
    bench.beat(orders, a, { ...a, weight: 3 });
    assert.deepEqual(bench.hosts(orders)[0]?.weight, 1);
  });
});

describe("the interval in a beat's answer", () => {
  const interval = (bench: NamingBench, given?: TextMap) =>
    answerOf(bench.beat(orders, a, given && { ...a, metadata: given }))?.intervalMs;

  test("is that of the instance, from the first beat on", () => {
    const bench = new NamingBench();
    assert.equal(interval(bench, { "preserved.heart.beat.interval": "3000" }), 3000);
    assert.equal(interval(bench), 3000);
  });

  test("is that of the operator before that of the instance", () => {
    const bench = new NamingBench();
    interval(bench, { "preserved.heart.beat.interval": "3000" });
    const metadata = { "preserved.heart.beat.interval": "7000" };
    bench.apply({
      type: "setOverrides",
      service: orders,
      instances: ["10.0.0.1:80:DEFAULT"],
      edit: { how: "mergeMetadata", metadata },
      caller: CALLER,
    });
    assert.equal(interval(bench), 7000);
  });

  test("is that of the switch when neither says anything", () => {
    const bench = new NamingBench();
    bench.apply({ type: "setSwitch", entry: "clientBeatInterval", value: "8000" });
    assert.equal(interval(bench), 8000, "unknown");
    assert.equal(interval(bench, {}), 8000);
  });
});

describe("the patience with an address client", () => {
  const patience = (bench: NamingBench) => patienceOf(bench.state, "10.0.0.1:80#true");

  test("is the longest of what it publishes", () => {
    const bench = new NamingBench();
    bench.publishAddress(orders, { ...a, metadata: times("20000", "90000") });
    bench.publishAddress(service("stock"), { ...a, metadata: times("40000", "50000") });
    assert.deepEqual(patience(bench), { timeoutMs: 40_000, deleteMs: 90_000 });
    assert.equal(patienceOf(bench.state, "nobody"), undefined);
  });

  test("has no end where nothing follows from silence", () => {
    const kept = new NamingBench({ expireInstances: false });
    kept.publishAddress(orders, a);
    assert.deepEqual(patience(kept), { timeoutMs: 15_000, deleteMs: Number.POSITIVE_INFINITY });
    const unchecked = new NamingBench();
    unchecked.publishAddress(orders, { ...a, metadata: { enableClientBeat: "true" } });
    assert.deepEqual(patience(unchecked), { timeoutMs: Number.POSITIVE_INFINITY, deleteMs: Number.POSITIVE_INFINITY });
  });
});
