import assert from "node:assert/strict";
import { isolation, peers, refusals } from "@nacre/core/membership";
import { MembershipChecks } from "./membership-sim-checks.ts";
import { type Breakage, SimNet, SimNode } from "./membership-sim-net.ts";
import { Random } from "./random.ts";

const CALM_MS = 65_000;

/**
 * One run: a cluster whose size, start and faults come from the seed. Checks MB-2, MB-3 on everything that members
 * decide, MB-1 and AP-10 at quiet moments, and in the end that nothing is left of the faults.
 *
 * @throws Error naming the seed and the last things that happened.
 */
export function runMembershipSim(seed: number, breakage: Breakage = {}): void {
  const sim = new MembershipSim(seed, breakage);
  try {
    sim.run();
  } catch (cause) {
    const last = sim.net.trace.slice(-60).join("\n  ");
    throw new Error(`seed ${seed}: ${(cause as Error).message}\n  ${last}`, { cause });
  }
}

class MembershipSim {
  readonly net: SimNet;
  readonly #random: Random;
  readonly #checks: MembershipChecks;
  readonly #byName: boolean;
  #nodes: SimNode[] = [];
  #nextIp = 1;

  constructor(seed: number, breakage: Breakage) {
    this.#random = new Random(seed);
    this.net = new SimNet(this.#random, breakage);
    this.#checks = new MembershipChecks(this.net);
    this.#byName = this.#random.chance(0.3);
  }

  run(): void {
    const count = this.#random.pick([1, 2, 3, 3, 3, 4, 5]);
    const isFresh = this.#random.chance(0.5);
    for (let at = 0; at < count; at++)
      this.#nodes.push(this.#newNode(`m${at}`, isFresh ? `new-${this.#random.below(1e6)}` : "prod", !isFresh));
    if (this.#random.chance(0.2)) this.#addForeign();
    for (const node of this.#nodes) {
      node.list = this.#listText();
      this.net.later(this.#random.chance(0.5) ? 0 : this.#random.below(8000), () => this.net.start(node));
    }
    this.net.runFor(8000 + 15_000);
    this.#quiet(this.#nodes);
    const faults = 1 + this.#random.below(3);
    for (let fault = 0; fault < faults; fault++) this.#fault();
    this.net.runFor(CALM_MS);
    this.#checks.assertSameMembers(this.#nodes);
    this.#checks.assertOneOwner(this.#nodes);
    this.#checks.assertCalm(this.#nodes);
  }

  #newNode(id: string, clusterId: string, settled: boolean): SimNode {
    const node = this.net.add(new SimNode(id, `10.0.0.${this.#nextIp++}`, clusterId, settled));
    node.clockOffsetMs = this.#random.pick([0, 0, 12_000, -600_000]);
    return node;
  }

  /** A member of another cluster that a list here names, or whose list names these. */
  #addForeign(): void {
    const foreign = this.#newNode("x", "stage", true);
    this.#checks.foreign.add("x");
    foreign.list = `${foreign.address}\n${this.#nodes[0]?.address}`;
    this.net.start(foreign);
  }

  #listText(nodes: readonly SimNode[] = this.#nodes): string {
    const lines = nodes.map((node) => (this.#byName ? `${node.id.toUpperCase()}.:8848` : node.address));
    return `# members\n${lines.join("\n")}\n`;
  }

  #quiet(side: readonly SimNode[]): void {
    this.#checks.assertSameMembers(side);
    this.#checks.assertNoneDown(side);
    this.#checks.assertOneOwner(side);
  }

  #fault(): void {
    const { net } = this;
    this.#checks.touch();
    switch (this.#random.below(11)) {
      case 0:
      case 1:
        return this.#crash(this.#random.pick(this.#nodes));
      case 2:
        return this.#crash(this.#random.pick(this.#nodes), "moved");
      case 3:
        return this.#partition();
      case 4:
        return this.#oneWay(1);
      case 5:
        return this.#oneWay(0.3 + this.#random.next() * 0.5);
      case 6: {
        net.log("30 % loss, doubles, delays");
        net.traffic = { lost: 0.3, doubled: 0.1, delayMaxMs: 400 };
        net.runFor(20_000);
        net.traffic = { lost: 0, doubled: 0, delayMaxMs: 30 };
        net.log("healed");
        net.runFor(6000);
        return this.#quiet(this.#nodes);
      }
      case 7: {
        const node = this.#random.pick(this.#nodes);
        const ms = 2000 + this.#random.below(10_000);
        net.pause(node, ms);
        net.runFor(ms + 50);
        this.#checks.touch(node);
        net.runFor(6000);
        return this.#quiet(this.#nodes);
      }
      case 8:
        return this.#editList();
      case 9:
        return this.#grow();
      case 10: {
        net.log("all restart");
        for (const node of this.#nodes) net.kill(node, "on");
        for (const node of this.#nodes) net.later(this.#random.below(3000), () => net.start(node));
        net.runFor(10_000);
        return this.#quiet(this.#nodes);
      }
    }
  }

  #crash(node: SimNode, how: "same" | "moved" = "same"): void {
    const { net } = this;
    const isPlanned = this.#random.chance(0.3);
    if (isPlanned) {
      net.log(`${node.id} leaves`);
      net.feed(node, { type: "leave", forever: false });
      net.runFor(1000);
    }
    net.kill(node, this.#random.chance(0.5) ? "on" : "off");
    net.runFor(5000);
    this.#checks.assertDead(node);
    net.runFor(this.#random.below(12_000));
    const rest = this.#nodes.filter((each) => each !== node);
    this.#quiet(rest);
    if (how === "moved") {
      node.ip = `10.0.0.${this.#nextIp++}`;
      // The lists follow: at once, or not before it runs.
      const isLate = this.#random.chance(0.5);
      node.list = this.#listText();
      if (!isLate) for (const each of rest) net.editList(each, this.#listText());
      else for (const each of rest) net.later(10_000, () => net.editList(each, this.#listText()));
    }
    this.#checks.touch(node);
    net.start(node);
    net.runFor(5000);
    this.#checks.assertSameMembers(this.#nodes);
    net.runFor(6000);
    this.#checks.assertOneOwner(this.#nodes);
  }

  #partition(): void {
    const { net } = this;
    const left = this.#random.some(this.#nodes);
    const right = this.#nodes.filter((node) => !left.includes(node));
    net.log(`cut ${left.map(({ id }) => id).join(" ")} | ${right.map(({ id }) => id).join(" ")}`);
    for (const one of left) for (const other of right) this.#cut(one, other, true);
    net.runFor(14_500);
    for (const side of [left, right]) {
      if (side.length === 0) continue;
      this.#quiet(side);
      for (const { core, id } of side) {
        if (core === undefined || side.length === this.#nodes.length) continue;
        const isMinority = side.length * 2 <= this.#nodes.length;
        assert.equal(isolation(core, net.now) !== undefined, isMinority, `${id} knows whether it is isolated`);
      }
    }
    net.log("healed");
    for (const one of left) for (const other of right) this.#cut(one, other, false);
    this.#checks.touch();
    net.runFor(6000);
    this.#quiet(this.#nodes);
  }

  #cut(one: SimNode, other: SimNode, isCut: boolean): void {
    for (const way of [`${one.id}>${other.id}`, `${other.id}>${one.id}`])
      if (isCut) this.net.cut.add(way);
      else this.net.cut.delete(way);
  }

  /** S11: what `from` sends to `to` is lost, all or a share of it. */
  #oneWay(share: number): void {
    const { net } = this;
    const from = this.#random.pick(this.#nodes);
    const to = this.#random.pick(this.#nodes);
    if (from === to) return;
    net.log(`lose ${share.toFixed(2)} from ${from.id} to ${to.id}`);
    if (share === 1) net.cut.add(`${from.id}>${to.id}`);
    else net.lossy.set(`${from.id}>${to.id}`, share);
    // All the while its touch is renewed: these two are not mutually in reach.
    for (let at = 0; at < 30; at++) {
      this.#checks.touch(from, to);
      net.runFor(1000);
      const { core } = from;
      if (share < 1 || at < 8 || core === undefined || this.#nodes.length < 3) continue;
      const peer = peers(core, net.now).find(({ id }) => id === to.id);
      assert.equal(peer?.state, "SUSPICIOUS", `${from.id} has ${to.id} SUSPICIOUS: others hear it`);
    }
    if (share === 1 && this.#nodes.length > 2) this.#checks.assertOneOwner(this.#nodes);
    net.cut.clear();
    net.lossy.clear();
    net.log("healed");
    this.#checks.touch(from, to);
    net.runFor(6000);
    this.#quiet(this.#nodes);
  }

  #editList(): void {
    const { net } = this;
    const node = this.#random.pick(this.#nodes);
    const whole = this.#listText();
    const before = new Set(node.core?.members.keys());
    const kept = this.#random.some(this.#nodes);
    const shorter = this.#listText(kept);
    const cut = whole.slice(0, this.#random.below(whole.length));
    const broken = this.#random.pick(["", cut, "10.0.0.1:port\n ,,", shorter, shorter]);
    net.editList(node, broken);
    const waitMs = this.#random.pick([300, 5000, 20_000]);
    net.runFor(waitMs);
    for (const id of before)
      assert.ok(node.core?.members.has(id), `S16: ${node.id} lost ${id} by a list that was edited`);
    const isShorter = broken === shorter && kept.length > 0 && kept.length < this.#nodes.length;
    if (isShorter && waitMs >= 5000) this.#checks.assertDifferenceNamed(node, this.#nodes);
    this.#quiet(this.#nodes);
    net.editList(node, whole);
    net.runFor(6000);
    this.#quiet(this.#nodes);
  }

  #grow(): void {
    const { net } = this;
    const isFresh = this.#random.chance(0.7);
    const node = this.#newNode(
      `m${this.#nodes.length}`,
      isFresh ? `new-${this.#random.below(1e6)}` : "",
      isFresh === false,
    );
    if (!isFresh) node.disk.clusterId = this.#nodes[0]?.disk.clusterId ?? "";
    this.#nodes.push(node);
    this.#checks.touch();
    node.list = this.#listText();
    net.start(node);
    net.runFor(this.#random.pick([100, 6000]));
    for (const each of this.#nodes) if (each !== node) net.editList(each, this.#listText());
    net.runFor(6000);
    this.#quiet(this.#nodes);
    if (this.#checks.foreign.size === 0)
      for (const { core, id } of this.#nodes)
        if (core !== undefined) assert.deepEqual(refusals(core), [], `${id} refuses nobody`);
  }
}
