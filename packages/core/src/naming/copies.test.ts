import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { serviceKey } from "@nacre/protocol";
import {
  CALLER,
  type CopyOptions,
  instance,
  NAMING_START,
  NamingBench,
  newsOf,
  pushedTo,
  service,
} from "@nacre/testkit/naming-bench";
import { Random } from "@nacre/testkit/random";
import { addressId, contentsOf, findService, heardAt, load, servicesOf, shownAs } from "./index.ts";

const orders = service();
const stock = service("stock");
const a = instance("10.0.0.1:80");
const b = instance("10.0.0.2:80");
const A = addressId("10.0.0.1", 80);

function shared(): NamingBench {
  const bench = new NamingBench();
  bench.share();
  return bench;
}

function versionOf(bench: NamingBench, clientId: string): string {
  const client = bench.state.clients.get(clientId);
  return client === undefined ? "" : `${client.life.memberId}/${client.life.incarnation}/${client.counter}`;
}

function healthy(bench: NamingBench): boolean[] {
  return bench.hosts(orders).map((host) => host.healthy);
}

describe("a client that is owned here", () => {
  test("is told of when it changes, once per step, and not when it does not", () => {
    const bench = shared();
    bench.connect("c");
    const [told] = bench.publish("c", orders, a, b);
    assert.deepEqual(told, {
      type: "clientChanged",
      clientId: "c",
      kind: "connection",
      counter: 1,
      contentHash: bench.state.clients.get("c")?.contentHash,
      services: undefined,
    });
    assert.deepEqual(bench.publish("c", orders, a, b), [], "the same again");
    assert.deepEqual(newsOf(bench.publish("c", stock, a)), ["changed c 2"]);
    assert.deepEqual(newsOf(bench.withdraw("c", orders)), ["changed c 3"]);
  });

  test("is told to be removed with the reason that peers need", () => {
    const bench = shared();
    bench.connect("c", "d");
    bench.publish("c", orders, a);
    bench.publish("d", orders, b);
    bench.publishAddress(stock, a);
    assert.deepEqual(newsOf(bench.withdraw("c", orders)), ["removed c asked"]);
    assert.deepEqual(newsOf(bench.disconnect("d")), ["removed d expired"]);
    assert.deepEqual(newsOf(bench.forward(31_000)), [`changed ${A} 2`, `removed ${A} expired`]);
    assert.deepEqual(newsOf(bench.disconnect("c")), [], "nothing was published any more");
  });

  test("is not told of while it only subscribes, nor by a member alone, nor when it is persistent", () => {
    const bench = new NamingBench();
    bench.connect("c");
    assert.deepEqual(newsOf(bench.publish("c", orders, a)), []);
    bench.publishAddress(stock, a);
    bench.apply({ type: "registerPersistent", service: service("db"), instance: b, caller: CALLER });
    bench.connect("reader");
    bench.subscribe("reader", orders);
    assert.deepEqual(newsOf(bench.share()), ["changed c 1", `changed ${A} 1`], "what there is when somebody listens");
    assert.deepEqual(newsOf(bench.disconnect("reader")), []);
  });

  test("stays in the lists when its member stops and sent it elsewhere, but is pushed nothing", () => {
    const bench = shared();
    bench.connect("c", "reader");
    bench.publish("c", orders, a);
    bench.read("c", orders);
    const gone = bench.send({ type: "disconnected", clientId: "c", cause: "drained", leaving: true });
    assert.deepEqual(gone, [{ type: "clientRemoved", clientId: "c", cause: "leaving" }]);
    assert.deepEqual(bench.addresses(orders), ["10.0.0.1:80"]);
    assert.deepEqual(pushedTo(bench.publishAddress(orders, b)), []);
  });
});

describe("what changed of a client for some services (N18, N20)", () => {
  const users = service("users");

  test("is told by name when there are others, up to 64 in a step", () => {
    const bench = shared();
    bench.connect("c");
    const services = (effects: ReturnType<NamingBench["send"]>) =>
      effects.flatMap((effect) => (effect.type === "clientChanged" ? [effect.services?.map(({ name }) => name)] : []));
    assert.deepEqual(services(bench.publish("c", orders, a)), [undefined]);
    assert.deepEqual(services(bench.publish("c", stock, a)), [["stock"]]);
    assert.deepEqual(services(bench.publish("c", users, a)), [["users"]]);
    assert.deepEqual(services(bench.withdraw("c", users)), [["users"]]);
    assert.deepEqual(services(bench.withdraw("c", stock)), [undefined], "nothing but that");
    const unhealthy = (silent: number) => {
      for (let at = 0; at < 100; at++) bench.publishAddress(service(`s${at}`), a);
      bench.forward(10_000);
      for (let at = silent; at < 100; at++) bench.publishAddress(service(`s${at}`), a);
      return services(bench.forward(6_000)).map((names) => names?.length);
    };
    assert.deepEqual([unhealthy(64), unhealthy(65)], [[64], [undefined]], "too many at once");
  });

  test("is given by its services, of which those without instances are gone", () => {
    const bench = shared();
    bench.connect("c");
    bench.publish("c", orders, a, b);
    bench.publish("c", stock, a);
    const { publications } = contentsOf(bench.state, "c", [users, stock]) ?? assert.fail();
    assert.deepEqual(
      publications.map(({ service: { name }, instances }) => [name, instances.length]),
      [
        ["users", 0],
        ["stock", 1],
      ],
    );
    assert.equal(contentsOf(bench.state, "nobody", [stock]), undefined);
    assert.equal(servicesOf(bench.state, "c", 2), undefined);
    assert.deepEqual(servicesOf(bench.state, "c", 1), [orders, stock]);
  });

  test("makes of a copy what the whole would, and touches nothing else", () => {
    const [owner, parts, wholes] = [shared(), shared(), shared()];
    const random = new Random(7);
    owner.connect("x");
    let base = { counter: 0, contentHash: 0 };
    for (let step = 0; step < 300; step++) {
      const name = random.pick([orders, stock, users]);
      const effects = random.chance(0.3)
        ? owner.withdraw("x", name)
        : owner.publish("x", name, ...random.some([a, b]).map((one) => ({ ...one, weight: 1 + random.below(3) })));
      for (const effect of effects) {
        if (effect.type === "clientRemoved") {
          for (const bench of [parts, wholes]) bench.forget("x", "deregistered");
          base = { counter: 0, contentHash: 0 };
        }
        if (effect.type !== "clientChanged") continue;
        const { counter, contentHash, services } = effect;
        const version = { owner: "there", incarnation: 1, counter };
        const copy = { type: "copy", clientId: "x", kind: "connection", version } as const;
        const whole = contentsOf(owner.state, "x") ?? assert.fail();
        wholes.send({ ...copy, contents: whole });
        const isPart = services !== undefined && base.counter > 0;
        const contents = isPart ? (contentsOf(owner.state, "x", services) ?? assert.fail()) : whole;
        assert.deepEqual(parts.send({ ...copy, contents, ...(isPart && { part: { base, contentHash } }) }), []);
        base = { counter, contentHash };
      }
      for (const other of [orders, stock, users])
        assert.equal(parts.view(other).checksum, wholes.view(other).checksum, `step ${step}`);
      assert.equal(parts.state.clients.get("x")?.contentHash, wholes.state.clients.get("x")?.contentHash);
    }
  });

  test("is not taken on another version, by the connection itself, or of what is not here", () => {
    const bench = shared();
    const contents = {
      ip: "",
      port: 0,
      app: "",
      agent: "",
      createdAt: 0,
      publications: [{ service: stock, instances: [] }],
    };
    const give = (clientId: string, base: number, incarnation = 1) =>
      newsOf(
        bench.send({
          type: "copy",
          clientId,
          kind: "connection",
          version: { owner: "there", incarnation, counter: 9 },
          contents,
          part: { base: { counter: base, contentHash: 0 }, contentHash: 0 },
        }),
      );
    bench.copy("x", 7, [
      [orders, a],
      [stock, a],
    ]);
    for (const told of [give("x", 6), give("x", 7, 2), give("y", 7)]) assert.match(told.join(), /^differs/);
    assert.deepEqual([versionOf(bench, "x"), bench.addresses(stock)], ["there/1/7", ["10.0.0.1:80"]]);
    bench.connect("c");
    bench.publish("c", orders, b);
    assert.deepEqual(give("c", 1), ["changed c 1"]);
    assert.match(give("x", 7).join(), /^differs/, "the hash is another one");
    assert.deepEqual(bench.addresses(stock), []);
  });
});

describe("a copy (N18)", () => {
  test("shows and is pushed once per service, with the version of its owner, and nobody is told", () => {
    const bench = shared();
    bench.connect("reader");
    bench.read("reader", orders);
    bench.read("reader", stock);
    const effects = bench.copy("x", 7, [
      [orders, a, b],
      [stock, a],
    ]);
    assert.deepEqual(pushedTo(effects), ["reader", "reader"]);
    assert.deepEqual(newsOf(effects), []);
    assert.equal(versionOf(bench, "x"), "there/1/7");
    assert.deepEqual(bench.addresses(orders), ["10.0.0.1:80", "10.0.0.2:80"]);
  });

  test("pushes nothing when it comes again, or with a new version of the same", () => {
    const bench = shared();
    bench.copy("x", 7, [[orders, a]]);
    bench.connect("reader");
    bench.read("reader", orders);
    assert.deepEqual(bench.copy("x", 7, [[orders, a]]), []);
    assert.deepEqual(bench.copy("x", 8, [[orders, a]]), []);
    assert.equal(versionOf(bench, "x"), "there/1/8");
  });

  test("has the contents and the hash that it has at its owner, generated ids too", () => {
    const owner = shared();
    owner.connect("x");
    const metadata = { "preserved.instance.id.generator": "snowflake", zone: "1" };
    owner.publish("x", orders, { ...a, metadata, weight: 0.1, clusterName: "A" }, b);
    owner.publish("x", stock, { ...b, instanceId: "given", enabled: false, healthy: false });
    const contents = contentsOf(owner.state, "x") ?? assert.fail();
    const bench = shared();
    const version = { owner: "there", incarnation: 1, counter: 2 };
    bench.send({ type: "copy", clientId: "x", kind: "connection", version, contents });
    assert.deepEqual(contentsOf(bench.state, "x"), contents);
    assert.equal(bench.state.clients.get("x")?.contentHash, owner.state.clients.get("x")?.contentHash);
    assert.equal(bench.view(orders).checksum, owner.view(orders).checksum);
    assert.match(bench.hosts(orders)[0]?.instanceId ?? "", /^\d+#A#/);
  });

  test("takes away what its owner no longer publishes, and the journal names the member", () => {
    const bench = shared();
    bench.copy("x", 1, [
      [orders, a, b],
      [stock, a],
    ]);
    bench.copy("x", 2, [[orders, { ...b, healthy: false }]]);
    assert.deepEqual(bench.addresses(orders), ["10.0.0.2:80"]);
    assert.deepEqual(bench.addresses(stock), []);
    assert.deepEqual(bench.causes(), [
      "10.0.0.1:80:DEFAULT removed: toldByMember",
      "10.0.0.1:80:DEFAULT removed: toldByMember",
      "10.0.0.2:80:DEFAULT unhealthy: toldByMember",
    ]);
    assert.equal(bench.state.journal.find(() => true, 1)[0]?.detail, "member there");
  });

  for (const [cause, expected] of [
    ["removed", "toldByMember"],
    ["deregistered", "deregistered"],
    ["lost", "memberLost"],
    ["superseded", "superseded"],
  ] as const)
    test(`that is forgotten as ${cause} is gone for a reason that says so`, () => {
      const bench = shared();
      bench.copy("x", 1, [[orders, a]]);
      assert.deepEqual(newsOf(bench.forget("x", cause)), []);
      assert.deepEqual(bench.addresses(orders), []);
      assert.deepEqual(bench.causes(), [`10.0.0.1:80:DEFAULT removed: ${expected}`]);
      assert.equal(bench.state.clients.size, 0);
      assert.deepEqual(bench.forget("x", cause), [], "again");
    });

  test("never takes the place of a connection that is open here, which is told again", () => {
    const bench = shared();
    bench.connect("c");
    bench.publish("c", orders, a);
    assert.deepEqual(newsOf(bench.copy("c", 9, [[orders, b]])), ["changed c 1"]);
    assert.deepEqual(newsOf(bench.forget("c")), ["changed c 1"]);
    assert.deepEqual(bench.addresses(orders), ["10.0.0.1:80"]);
  });

  test("cannot be spoken for by a connection here", () => {
    const bench = shared();
    bench.copy("x", 1, [[orders, a]]);
    bench.disconnect("x");
    bench.withdraw("x", orders);
    bench.publish("x", orders, b);
    assert.deepEqual(bench.addresses(orders), ["10.0.0.1:80"]);
  });

  test("is taken in part where a bound or a persistent service stands in the way, and Distro is told", () => {
    const bench = new NamingBench({ instancesMax: 2 });
    bench.share();
    bench.apply({ type: "registerPersistent", service: stock, instance: b, caller: CALLER });
    const published = [
      [stock, a],
      [orders, a, b],
    ] as const;
    const effects = bench.copy("x", 1, published);
    assert.deepEqual(bench.addresses(orders), ["10.0.0.1:80"]);
    const contentHash = bench.state.clients.get("x")?.contentHash;
    assert.deepEqual(effects, [{ type: "copyDiffers", clientId: "x", contentHash }]);
    bench.apply({ type: "deregisterPersistent", service: stock, ip: "10.0.0.2", port: 80, caller: CALLER });
    bench.copy("x", 1, published);
    assert.deepEqual([bench.addresses(stock), bench.addresses(orders)], [["10.0.0.1:80"], ["10.0.0.1:80"]]);
    assert.deepEqual(newsOf(bench.copy("y", 1, [[orders, b]])), ["differs y"], "of which nothing could be taken");
    assert.equal(bench.state.clients.has("y"), false);
  });

  test("keeps its contents when it is numbered anew", () => {
    const bench = shared();
    bench.connect("c");
    bench.publish("c", orders, a);
    bench.send({ type: "renumber", clientId: "c", version: { owner: "here", incarnation: 1, counter: 40 } });
    assert.deepEqual(newsOf(bench.publish("c", orders, b)), ["changed c 41"]);
  });
});

describe("an instance that clients of several members publish (N17)", () => {
  const older: Partial<CopyOptions> = { createdAt: -1_000 };
  const newer: Partial<CopyOptions> = { createdAt: 1_000 };
  const weights = (bench: NamingBench) => bench.hosts(orders).map(({ weight }) => weight);

  test("shows as the client publishes it that came last, in whatever order the news of them come", () => {
    const late = shared();
    late.connect("c");
    late.publish("c", orders, a);
    late.copy("x", 1, [[orders, { ...a, weight: 2 }]], older);
    late.copy("y", 1, [[orders, { ...a, weight: 3 }]], newer);
    late.copy("x", 2, [[orders, { ...a, weight: 4 }]], older);
    assert.deepEqual(weights(late), [3]);
    late.forget("y");
    assert.deepEqual(weights(late), [1]);
    late.disconnect("c");
    assert.deepEqual(weights(late), [4]);
  });

  test("shows rather as somebody publishes it whose member is there, whatever the clocks say", () => {
    const bench = shared();
    bench.copy("x", 1, [[orders, { ...a, weight: 2 }]], { createdAt: 600_000 });
    bench.connect("c");
    bench.publish("c", orders, a);
    assert.deepEqual(weights(bench), [2]);
    bench.mark("unconfirmed", "x");
    assert.deepEqual(weights(bench), [1]);
    bench.mark("trusted", "x");
    assert.deepEqual(weights(bench), [2]);
  });

  test("supersedes an older copy once newer clients stand for all of it", () => {
    const bench = shared();
    bench.copy(
      "x",
      1,
      [
        [orders, a, b],
        [stock, a],
      ],
      older,
    );
    bench.connect("c");
    assert.deepEqual(newsOf(bench.publish("c", orders, a, b)), ["changed c 1"]);
    assert.deepEqual(newsOf(bench.publish("c", stock, a)), ["changed c 2", "superseded x"]);
    assert.deepEqual(newsOf(bench.copy("w", 1, [[orders, b]], { createdAt: -2_000 })), ["superseded w"]);
    bench.forget("x", "superseded");
    assert.deepEqual(newsOf(bench.copy("y", 1, [[orders, a]], newer)), [], "which is the newest");
  });

  test("goes with its older copies when the newest is deregistered, and everybody is told", () => {
    const bench = shared();
    bench.copy("x", 1, [[orders, a]], older);
    bench.copy("y", 1, [[orders, a, b]], older);
    bench.connect("c");
    bench.publish("c", orders, a);
    assert.deepEqual(newsOf(bench.withdraw("c", orders)), ["removed c asked", "differs y", "removed x asked"]);
    assert.deepEqual(bench.addresses(orders), ["10.0.0.2:80"]);
  });

  test("goes at the owner of the older one, too, when it is deregistered elsewhere", () => {
    const bench = shared();
    bench.connect("c");
    bench.publish("c", orders, a);
    bench.copy("x", 1, [[orders, a]], newer);
    assert.deepEqual(newsOf(bench.forget("x", "deregistered")), ["removed c asked"]);
    assert.deepEqual(bench.addresses(orders), []);
  });

  test("goes when a connection elsewhere leaves it out, but not when that only ends", () => {
    const bench = shared();
    bench.connect("c");
    bench.publish("c", orders, a, b);
    bench.copy("x", 1, [[orders, a, b]], newer);
    assert.deepEqual(newsOf(bench.copy("x", 2, [[orders, b]], newer)), ["changed c 2"]);
    bench.forget("x");
    assert.deepEqual(bench.addresses(orders), ["10.0.0.2:80"]);
  });
});

describe("a copy whose owner is not there", () => {
  test("shows as published while it is unconfirmed, and operators can tell", () => {
    const bench = shared();
    bench.copy("x", 1, [[orders, a]]);
    bench.connect("reader");
    bench.read("reader", orders);
    assert.deepEqual(bench.mark("unconfirmed", "x", "unknown"), []);
    const held = findService(bench.state, orders) ?? assert.fail();
    assert.equal(shownAs(held, "10.0.0.1:80:DEFAULT"), "unconfirmed");
    bench.mark("trusted", "x");
    assert.equal(shownAs(held, "10.0.0.1:80:DEFAULT"), "asPublished");
  });

  test("shows unhealthy without being changed, until it is trusted", () => {
    const bench = shared();
    bench.copy("x", 3, [[orders, a, { ...b, healthy: false }]]);
    bench.connect("reader");
    bench.read("reader", orders);
    const before = bench.state.clients.get("x")?.contentHash;
    assert.deepEqual(pushedTo(bench.mark("unhealthy", "x")), ["reader"]);
    assert.deepEqual(healthy(bench), [false, false]);
    assert.deepEqual(bench.mark("unhealthy", "x"), [], "again");
    assert.equal(bench.state.clients.get("x")?.contentHash, before);
    assert.equal(versionOf(bench, "x"), "there/1/3");
    assert.equal(contentsOf(bench.state, "x")?.publications[0]?.instances[0]?.healthy, true);
    bench.mark("trusted", "x");
    assert.deepEqual(healthy(bench), [true, false]);
    assert.deepEqual(bench.causes(), [
      "10.0.0.1:80:DEFAULT unhealthy: memberLost",
      "10.0.0.1:80:DEFAULT healthy: memberBack",
    ]);
  });

  test("stays as it is marked when it is told again, and begins anew after it was forgotten", () => {
    const bench = shared();
    bench.copy("x", 3, [[orders, a]]);
    bench.mark("unhealthy", "x");
    bench.copy("x", 4, [[orders, a, b]]);
    assert.deepEqual(healthy(bench), [false, false]);
    bench.forget("x", "lost");
    bench.copy("x", 5, [[orders, a]]);
    assert.deepEqual(healthy(bench), [true]);
  });

  test("may be of this member's own earlier life", () => {
    const bench = new NamingBench();
    load(bench.state, { kind: "override", key: "", value: "{}" }, bench.now);
    bench.copy("c", 3, [[orders, a]], { owner: "here", incarnation: 0 });
    bench.mark("unconfirmed", "c");
    assert.deepEqual(newsOf(bench.share()), [], "it is not owned in this life");
    bench.forget("c", "lost", "here");
    assert.equal(bench.state.journal.find(() => true, 1)[0]?.detail, "this member, before it started again");
  });
});

describe("an address client of another member", () => {
  test("is never judged here", () => {
    const bench = shared();
    bench.copy(A, 3, [[orders, a]]);
    assert.deepEqual(newsOf(bench.forward(120_000)), []);
    assert.deepEqual(healthy(bench), [true]);
    assert.equal(heardAt(bench.state, A), undefined);
  });

  test("is owned here from its first heartbeat on, and judged from then", () => {
    const bench = shared();
    bench.copy(A, 3, [
      [orders, a],
      [stock, a],
    ]);
    bench.forward(20_000);
    assert.deepEqual(newsOf(bench.beat(orders, a)), [`changed ${A} 4`]);
    assert.equal(versionOf(bench, A), "here/1/4");
    assert.equal(heardAt(bench.state, A), bench.now);
    assert.deepEqual(newsOf(bench.forward(14_900)), []);
    assert.deepEqual(newsOf(bench.forward(500)), [`changed ${A} 6`], "both services unhealthy");
  });

  for (const [what, act, expected] of [
    ["registration", (bench: NamingBench) => bench.publishAddress(orders, a), `changed ${A} 4`],
    ["registration for a further service", (bench: NamingBench) => bench.publishAddress(stock, a), `changed ${A} 5`],
    ["deregistration", (bench: NamingBench) => bench.withdrawAddress(orders, a), `removed ${A} asked`],
  ] as const)
    test(`is owned here after a ${what}`, () => {
      const bench = shared();
      bench.copy(A, 3, [[orders, a]]);
      assert.deepEqual(newsOf(act(bench)), [expected]);
    });

  test("is given away to whoever heard it later, with its marks and checks ended", () => {
    const bench = shared();
    bench.publishAddress(orders, a);
    assert.deepEqual(newsOf(bench.copy(A, 2, [[orders, a]])), []);
    assert.equal(versionOf(bench, A), "there/1/2");
    assert.deepEqual(newsOf(bench.forward(60_000)), []);
    bench.publishAddress(stock, b);
    bench.forget(addressId("10.0.0.2", 80), "deregistered");
    assert.deepEqual(bench.addresses(stock), []);
  });

  test("has a whole heartbeat's time when it is to beat here, and is gone when it never does", () => {
    const bench = shared();
    bench.copy(A, 3, [[orders, a]]);
    bench.forward(60_000);
    bench.send({ type: "takeOver", clientIds: [A, "unknown"] });
    assert.deepEqual(newsOf(bench.forward(29_000)), []);
    assert.deepEqual(healthy(bench), [true], "how it shows is said by marks alone");
    assert.deepEqual(newsOf(bench.forward(2_000)), [`removed ${A} expired`]);
    assert.equal(bench.state.clients.size, 0);
  });

  test("is judged no longer once it is to beat elsewhere, unless it goes on here", () => {
    const bench = shared();
    bench.publishAddress(orders, a);
    bench.send({ type: "handOver", clientIds: [A], to: "there" });
    assert.deepEqual(newsOf(bench.forward(60_000)), []);
    bench.beat(orders, a);
    assert.deepEqual(newsOf(bench.forward(16_000)), [`changed ${A} 2`]);
  });

  test("subscribes here without becoming ours", () => {
    const bench = shared();
    bench.copy(A, 3, [[orders, a]]);
    const caller = { ...CALLER, app: "other" };
    bench.send({ type: "subscribeUdp", service: stock, clusters: "", ip: "10.0.0.1", port: 80, caller });
    assert.equal(versionOf(bench, A), "there/1/3");
    assert.equal(contentsOf(bench.state, A)?.app, "shop");
    bench.forget(A);
    assert.equal(bench.state.clients.get(A)?.subscriptions?.size, 1);
    assert.equal(bench.state.clients.get(A)?.createdAt, NAMING_START);
  });
});

describe("a copy that comes in slices", () => {
  const all = { services: new Set([serviceKey(orders), serviceKey(stock)]) };

  test("is in the end what it would be as a whole, and loses nothing before the last one", () => {
    const whole = shared();
    whole.copy("x", 2, [
      [orders, a, b],
      [stock, b],
    ]);
    const bench = shared();
    const db = service("db");
    bench.copy("x", 1, [
      [orders, a],
      [db, a],
    ]);
    assert.deepEqual(newsOf(bench.copy("x", 2, [[orders, a, b]], { slice: "more" })), []);
    assert.deepEqual(bench.addresses(orders), ["10.0.0.1:80", "10.0.0.2:80"]);
    assert.deepEqual([bench.addresses(db), versionOf(bench, "x")], [["10.0.0.1:80"], "there/1/2"]);
    assert.deepEqual(newsOf(bench.copy("x", 2, [[stock, b]], { slice: all })), ["differs x"]);
    assert.deepEqual([bench.addresses(db), versionOf(bench, "x")], [[], "there/1/2"]);
    assert.deepEqual(contentsOf(bench.state, "x"), contentsOf(whole.state, "x"));
    assert.equal(bench.state.clients.get("x")?.contentHash, whole.state.clients.get("x")?.contentHash);
  });

  test("is not said to be replaced for the slices that have come", () => {
    const bench = shared();
    bench.connect("c");
    bench.copy("x", 1, [[orders, a]], { createdAt: -9_000, slice: "more" });
    assert.deepEqual(newsOf(bench.publish("c", orders, a)), ["changed c 1"]);
    bench.copy("x", 1, [[stock, b]], { createdAt: -9_000, slice: all });
    assert.deepEqual(newsOf(bench.publish("c", stock, b)), ["changed c 2", "superseded x"]);
  });
});
