import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type Effect as DistroEffect,
  type Event as DistroEvent,
  type DistroState,
  fill,
  headOf,
  type Message,
  newDistro,
  step as stepDistro,
} from "@nacre/core/distro";
import {
  contentsOf,
  type Effect,
  type Event,
  heardAt,
  type InstanceInput,
  isSuperseded,
  patienceOf,
} from "@nacre/core/naming";
import type { ServiceName } from "@nacre/protocol";
import { CALLER, instance, NAMING_START, NamingBench, service } from "./naming-bench.ts";
import { Random } from "./random.ts";

const orders = service();
const stock = service("stock");
const a = instance("10.0.0.1:80");
const b = instance("10.0.0.2:80");
const SEEDS = 15;

/** Naming and Distro of one member, joined as a shell joins them: effects of each in the order of their events. */
class Member {
  readonly id: string;
  readonly incarnation: number;
  readonly bench = new NamingBench();
  readonly distro: DistroState;
  readonly #cluster: Cluster;
  readonly #naming: Effect[] = [];
  readonly #distro: DistroEffect[] = [];

  constructor(cluster: Cluster, id: string, incarnation: number) {
    this.#cluster = cluster;
    this.id = id;
    this.incarnation = incarnation;
    Object.assign(this.bench.state.self, { memberId: id, incarnation });
    const { state } = this.bench;
    this.distro = newDistro(id, incarnation, {
      heardAt: (client) => heardAt(state, client),
      isSuperseded: (client) => isSuperseded(state, client),
      patienceOf: (client) => patienceOf(state, client),
    });
  }

  name(event: Event): void {
    this.bench.now = this.#cluster.now;
    const first = this.#naming.length === 0;
    this.#naming.push(...this.bench.send(event));
    for (let effect = this.#naming[0]; first && effect !== undefined; effect = this.#naming[0]) {
      if (effect.type === "clientChanged") this.feed({ ...effect, type: "changed" });
      else if (effect.type === "clientRemoved") this.feed({ ...effect, type: "removed" });
      else if (effect.type === "clientSuperseded") this.feed({ ...effect, type: "superseded" });
      else if (effect.type === "copyDiffers") this.feed({ ...effect, type: "applied" });
      this.#naming.shift();
    }
  }

  feed(event: DistroEvent): void {
    const first = this.#distro.length === 0;
    this.#distro.push(...stepDistro(this.distro, event, this.#cluster.now));
    for (let effect = this.#distro[0]; first && effect !== undefined; effect = this.#distro[0]) {
      this.#do(effect);
      this.#distro.shift();
    }
  }

  #do(effect: DistroEffect): void {
    switch (effect.type) {
      case "send":
        for (const message of fill(effect.message, (id, services) => contentsOf(this.bench.state, id, services)))
          this.#cluster.post(this.id, effect.to, message);
        return;
      case "apply":
        return this.name({
          ...effect,
          type: "copy",
          ...(effect.base && { part: { base: effect.base, contentHash: effect.contentHash } }),
        });
      case "forget":
        return this.name({ ...effect, type: "forgetCopy" });
      case "renumber":
      case "mark":
      case "takeOver":
      case "handOver":
        return this.name(effect);
    }
  }

  connect(clientId: string): this {
    this.name({ type: "connected", clientId, ip: "10.9.0.1", port: 1, caller: CALLER });
    return this;
  }

  publish(clientId: string, name: ServiceName, ...instances: InstanceInput[]): this {
    this.name({ type: "publish", clientId, service: name, instances, caller: CALLER });
    return this;
  }

  withdraw(clientId: string, name: ServiceName): void {
    this.name({ type: "withdraw", clientId, service: name, caller: CALLER });
  }
}

/** Members with healthy links of 5 ms between those that are up. */
class Cluster {
  now = NAMING_START;
  readonly members = new Map<string, Member>();
  /** Every list that anybody could have read of a service, as it changed. */
  readonly seen: string[] = [];
  readonly #cut = new Set<string>();
  readonly #posted: { readonly at: number; readonly from: string; readonly to: string; readonly message: Message }[] =
    [];

  constructor(...ids: string[]) {
    for (const id of ids) this.start(id, 1);
    this.run(3_000);
  }

  get(id: string): Member {
    return this.members.get(id) ?? assert.fail(`${id} is not there`);
  }

  start(id: string, incarnation: number, before?: Member): void {
    const member = new Member(this, id, incarnation);
    this.members.set(id, member);
    const journal =
      before === undefined ? [] : [...before.distro.table.live()].filter(({ version }) => version.owner === id);
    for (const { id: clientId, kind, version } of journal) {
      const contents = contentsOf(before?.bench.state ?? assert.fail(), clientId) ?? assert.fail();
      member.name({ type: "copy", clientId, kind, version, contents });
    }
    member.name({ type: "tellPeers" });
    member.feed({ type: "start", journal: journal.map((entry) => headOf(entry, this.now)) });
    for (const peer of this.members.values()) if (peer !== member) this.#meet(peer, member);
    member.feed({ type: "membersKnown" });
  }

  /** The process is gone, and the others find out when membership does. */
  kill(id: string): Member {
    const member = this.get(id);
    this.members.delete(id);
    return member;
  }

  lose(id: string, incarnation = 1): void {
    for (const member of this.members.values()) member.feed({ type: "peer", id, state: "down", incarnation });
  }

  /** Neither hears the other; `as`: how they know of each other all the same. */
  cut(one: string, other: string, as: "down" | "suspicious" = "down"): void {
    for (const [id, peer] of [
      [one, other],
      [other, one],
    ] as const) {
      this.#cut.add(`${id} ${peer}`);
      this.get(id).feed({ type: "peer", id: peer, state: as, incarnation: 1 });
      this.get(id).feed({ type: "credit", peer, batches: undefined });
    }
  }

  heal(one: string, other: string): void {
    this.#cut.delete(`${one} ${other}`);
    this.#cut.delete(`${other} ${one}`);
    this.#meet(this.get(one), this.get(other));
  }

  owns(ownerOf: (clientId: string) => string): void {
    for (const member of this.members.values()) member.feed({ type: "ring", ownerOf });
  }

  post(from: string, to: string, message: Message): void {
    if (this.#cut.has(`${from} ${to}`)) return;
    this.#posted.push({ at: this.now + 5, from, to, message });
  }

  run(ms: number): void {
    for (const end = this.now + ms; this.now < end; this.now++) {
      while (this.#posted[0] !== undefined && this.#posted[0].at <= this.now) {
        const { from, to, message } = this.#posted.shift() ?? assert.fail();
        if (this.members.has(from)) this.members.get(to)?.feed({ type: "received", from, message });
      }
      for (const member of this.members.values()) {
        if (this.now % 10 === 0) member.feed({ type: "tick" });
        if (this.now % 250 === 0) member.name({ type: "tick", wallAt: this.now });
      }
      const lists = this.lists(orders);
      if (this.seen.at(-1) !== lists) this.seen.push(lists);
    }
  }

  /** What each member shows of a service. */
  lists(name: ServiceName): string {
    const lists = [...this.members.values()].map(({ id, bench }) => {
      const hosts = bench.hosts(name).map(({ ip, healthy }) => `${ip}${healthy ? "" : " unhealthy"}`);
      return `${id}: ${hosts.sort().join(", ")}`;
    });
    return lists.join("; ");
  }

  assertEqual(when = ""): void {
    const members = [...this.members.values()];
    for (const name of [orders, stock])
      assert.equal(
        new Set(members.map(({ bench }) => bench.view(name).checksum)).size,
        1,
        `${when} ${this.lists(name)}`,
      );
  }

  #meet(one: Member, other: Member): void {
    for (const [member, { id, incarnation }] of [
      [one, other],
      [other, one],
    ] as const) {
      member.feed({ type: "peer", id, state: "up", incarnation });
      member.feed({ type: "credit", peer: id, batches: 1e9 });
    }
  }
}

describe("naming and Distro together", () => {
  test("show on every member what is published on one, and no longer when it ends", () => {
    const cluster = new Cluster("m1", "m2", "m3");
    cluster.get("m1").connect("c").publish("c", orders, a, b);
    cluster.run(100);
    assert.equal(cluster.lists(orders), "m1: 10.0.0.1, 10.0.0.2; m2: 10.0.0.1, 10.0.0.2; m3: 10.0.0.1, 10.0.0.2");
    cluster.get("m1").publish("c", orders, b);
    cluster.run(300);
    assert.equal(cluster.lists(orders), "m1: 10.0.0.2; m2: 10.0.0.2; m3: 10.0.0.2");
    cluster.get("m1").name({ type: "disconnected", clientId: "c", cause: "reset" });
    cluster.run(300);
    assert.equal(cluster.lists(orders), "m1: ; m2: ; m3: ");
  });

  test("deregister at one member what a dead connection at another, which is up, still publishes", () => {
    const cluster = new Cluster("m1", "m2", "m3");
    cluster.get("m1").connect("dead").publish("dead", orders, a, b).publish("dead", stock, a);
    cluster.run(1_000);
    cluster.get("m2").connect("c").publish("c", orders, a, b).publish("c", stock, a);
    cluster.run(1_000);
    cluster.seen.length = 0;
    cluster.get("m2").withdraw("c", stock);
    cluster.run(300);
    assert.equal(cluster.lists(stock), "m1: ; m2: ; m3: ");
    cluster.get("m2").withdraw("c", orders);
    cluster.get("m2").name({ type: "disconnected", clientId: "c", cause: "closed" });
    cluster.run(10_000);
    assert.equal(cluster.lists(orders), "m1: ; m2: ; m3: ");
    const both = "10.0.0.1, 10.0.0.2";
    assert.deepEqual(
      cluster.seen,
      [`m1: ${both}; m2: ${both}; m3: ${both}`, `m1: ${both}; m2: ; m3: ${both}`, "m1: ; m2: ; m3: "],
      "it goes at once and never comes back",
    );
  });

  test("S08: a client whose member was killed moves and deregisters: it is gone within a second", () => {
    const cluster = new Cluster("m1", "m2", "m3");
    cluster.get("m1").connect("c1").publish("c1", orders, a);
    cluster.run(1_000);
    cluster.kill("m1");
    cluster.run(500);
    cluster.get("m2").connect("c2").publish("c2", orders, a);
    cluster.run(500);
    cluster.get("m2").withdraw("c2", orders);
    cluster.run(100);
    assert.equal(cluster.lists(orders), "m2: ; m3: ", "before anybody has found the member to be gone");
    cluster.lose("m1");
    cluster.run(60_000);
    assert.equal(cluster.seen.at(-1), "m2: ; m3: ");
  });

  test("S07: the clients of a lost member stay, are shown unhealthy, and go; a client that moved is never missing", () => {
    const cluster = new Cluster("m1", "m2", "m3");
    cluster.get("m1").connect("c").publish("c", orders, a).connect("d").publish("d", orders, b);
    cluster.run(1_000);
    cluster.kill("m1");
    cluster.run(1_000);
    cluster.seen.length = 0;
    cluster.get("m3").connect("moved").publish("moved", orders, b);
    cluster.lose("m1");
    cluster.run(60_000);
    const lists = ["10.0.0.1, 10.0.0.2", "10.0.0.1 unhealthy, 10.0.0.2", "10.0.0.2"];
    assert.deepEqual(
      cluster.seen,
      lists.map((list) => `m2: ${list}; m3: ${list}`),
    );
    const [record] = cluster.get("m2").bench.state.journal.find(({ what }) => what === "removed", 1);
    assert.equal(record?.detail, "member m1");
  });

  test("an address client that beats seldom stays in the lists while it moves to another owner", () => {
    const cluster = new Cluster("m1", "m2");
    cluster.owns(() => "m1");
    const metadata = {
      "preserved.heart.beat.interval": "60000",
      "preserved.heart.beat.timeout": "180000",
      "preserved.ip.delete.timeout": "300000",
    };
    cluster.get("m1").name({ type: "publishAddress", service: orders, instance: { ...a, metadata }, caller: CALLER });
    cluster.run(1_000);
    cluster.seen.length = 0;
    cluster.owns(() => "m2");
    for (let beat = 0; beat < 3; beat++) {
      cluster.run(59_000);
      cluster
        .get("m2")
        .name({ type: "beat", service: orders, ip: a.ip, port: a.port, instance: undefined, caller: CALLER });
    }
    assert.deepEqual(cluster.seen, ["m1: 10.0.0.1; m2: 10.0.0.1"]);
  });

  test("an older client is kept for the grace like any other when the newer one of its instances had ended before", () => {
    const cluster = new Cluster("m1", "m2", "m3");
    cluster.get("m1").connect("older").publish("older", orders, a);
    cluster.run(1_000);
    cluster.get("m2").connect("newer").publish("newer", orders, a);
    cluster.run(1_000);
    cluster.get("m2").name({ type: "disconnected", clientId: "newer", cause: "reset" });
    cluster.run(1_000);
    assert.equal(cluster.lists(orders), "m1: 10.0.0.1; m2: 10.0.0.1; m3: 10.0.0.1", "the older one is there");
    cluster.kill("m1");
    cluster.lose("m1");
    cluster.run(1_000);
    assert.equal(cluster.lists(orders), "m2: 10.0.0.1; m3: 10.0.0.1");
  });

  test("who was out of reach when a client moved from a lost member is shown it all the way through", () => {
    const cluster = new Cluster("m1", "m2", "m3", "m4");
    cluster.get("m4").connect("c").publish("c", orders, a);
    cluster.run(1_000);
    cluster.cut("m1", "m2");
    cluster.cut("m1", "m3");
    cluster.kill("m4");
    cluster.lose("m4");
    cluster.get("m3").connect("moved").publish("moved", orders, a);
    cluster.run(5_000);
    cluster.cut("m1", "m3", "suspicious");
    cluster.heal("m1", "m2");
    cluster.run(5_000);
    const lists = ["m4: 10.0.0.1", ""].map((last) => `m1: 10.0.0.1; m2: 10.0.0.1; m3: 10.0.0.1${last && `; ${last}`}`);
    assert.deepEqual(cluster.seen.slice(-2), lists);
    assert.equal(cluster.get("m1").distro.table.get("c")?.gone, "lost");
  });

  test("a member that starts again serves what its clients published until they are back", () => {
    const cluster = new Cluster("m1", "m2");
    cluster.get("m1").connect("c").publish("c", orders, a).connect("d").publish("d", orders, b);
    cluster.run(1_000);
    cluster.seen.length = 0;
    const before = cluster.kill("m1");
    cluster.start("m1", 2, before);
    cluster.run(2_000);
    cluster.get("m1").connect("c-again").publish("c-again", orders, a);
    cluster.run(60_000);
    const both = "10.0.0.1, 10.0.0.2";
    const unhealthy = "10.0.0.1, 10.0.0.2 unhealthy";
    assert.deepEqual(cluster.seen.at(0), `m2: ${both}; m1: ${both}`);
    assert.ok(cluster.seen.includes(`m2: ${unhealthy}; m1: ${unhealthy}`));
    assert.equal(cluster.seen.at(-1), "m2: 10.0.0.1; m1: 10.0.0.1");
    cluster.assertEqual();
  });

  test("an address client is judged by whoever is to hear it, and by nobody else", () => {
    const cluster = new Cluster("m1", "m2");
    cluster.owns(() => "m1");
    cluster.get("m1").name({ type: "publishAddress", service: orders, instance: a, caller: CALLER });
    cluster.run(1_000);
    cluster.owns(() => "m2");
    for (let beat = 0; beat < 12; beat++) {
      cluster.run(5_000);
      cluster
        .get("m2")
        .name({ type: "beat", service: orders, ip: a.ip, port: a.port, instance: undefined, caller: CALLER });
    }
    assert.equal(cluster.lists(orders), "m1: 10.0.0.1; m2: 10.0.0.1");
    assert.equal(cluster.get("m1").bench.state.clients.get("10.0.0.1:80#true")?.life.memberId, "m2");
    cluster.run(16_000);
    assert.equal(cluster.lists(orders), "m1: 10.0.0.1 unhealthy; m2: 10.0.0.1 unhealthy");
    cluster.run(16_000);
    assert.equal(cluster.lists(orders), "m1: ; m2: ");
  });

  test("show the same on every member, whoever publishes what where", () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = new Random(seed);
      const cluster = new Cluster("m1", "m2", "m3");
      for (let step = 0; step < 60; step++) {
        const member = cluster.get(random.pick(["m1", "m2", "m3"]));
        const clientId = `${member.id}-${random.below(3)}`;
        const name = random.pick([orders, stock]);
        const some = random.some([a, b]).map((one) => ({ ...one, weight: 1 + random.below(3) }));
        const draw = random.next();
        if (draw < 0.6) member.connect(clientId).publish(clientId, name, ...some);
        else if (draw < 0.75) member.withdraw(clientId, name);
        else if (draw < 0.85) member.name({ type: "disconnected", clientId, cause: "reset" });
        else member.name({ type: "publishAddress", service: name, instance: { ...a, weight: 9 }, caller: CALLER });
        cluster.run(random.below(100));
      }
      cluster.run(6_000);
      cluster.assertEqual(`seed ${seed}`);
    }
  });
});
