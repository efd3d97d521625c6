import assert from "node:assert/strict";
import {
  type Effect,
  isolation,
  list,
  listDifferences,
  type Membership,
  type PeerFact,
  peers,
  refusals,
  responsible,
  self,
  unfound,
} from "@nacre/core/membership";
import type { SimNet, SimNode } from "./membership-sim-net.ts";

const KEYS = Array.from({ length: 40 }, (_, at) => `10.1.0.${at}:80#true`);
const MINUTE = 60_000;

/** MB-1 to MB-3 and AP-10, on everything that members decide and at quiet moments. */
export class MembershipChecks {
  readonly #net: SimNet;
  /** When a pair's way last changed, or one of the two started or stood still: what is true of them is new since. */
  readonly #touched = new Map<string, number>();
  readonly #departures = new Map<string, number[]>();
  /** Settled elsewhere: must never be anybody's member here. */
  readonly foreign = new Set<string>();
  lastChangeAt = 0;

  constructor(net: SimNet) {
    this.#net = net;
    net.onEffect = (node, effect) => this.#see(node, effect);
  }

  /** Something happened to the way between the two, or to everybody. */
  touch(one?: SimNode, other?: SimNode): void {
    for (const a of this.#net.nodes)
      for (const b of this.#net.nodes) {
        const isMeant = one === undefined || a === one || b === one;
        const isPair = other === undefined || a === other || b === other;
        if (isMeant && isPair) this.#touched.set(`${a.id}>${b.id}`, this.#net.now);
      }
  }

  #see(node: SimNode, effect: Effect): void {
    if (effect.type !== "memberChanged") return;
    this.lastChangeAt = this.#net.now;
    const { id, from, to } = effect;
    if (to !== undefined) {
      assert.equal(this.foreign.has(id), this.foreign.has(node.id), `MB-3: ${node.id} takes ${id} of another cluster`);
    }
    const other = this.#net.nodes.find((each) => each.id === id);
    if (from === "UP" && to !== "LEAVING" && to !== undefined) this.#departed(node, id);
    if (to !== "DOWN" || other?.core === undefined) return;
    const quietMs =
      this.#net.now - Math.max(this.#touched.get(`${node.id}>${id}`) ?? 0, other.startedAt, node.startedAt);
    assert.ok(
      quietMs < 6000 || this.#isUnheard(node, other),
      `MB-2: ${node.id} says that ${id} is DOWN, which lives and is in reach (${effect.cause})`,
    );
  }

  /** It stands still, is cut off, or all is lost that it sends to the only one that could hear it. */
  #isUnheard(node: SimNode, other: SimNode): boolean {
    const { live, cut, heardAt, now } = this.#net;
    const way = `${other.id}>${node.id}`;
    const mayBe = now < other.pausedUntil || cut.has(way) || live.length === 2;
    return mayBe && now - (heardAt.get(way) ?? 0) >= 3000;
  }

  #departed(node: SimNode, id: string): void {
    const incarnation = node.core?.members.get(id)?.incarnation;
    const key = `${node.id}.${node.run}>${id}.${incarnation}`;
    const lately = (this.#departures.get(key) ?? []).filter((at) => this.#net.now - at < MINUTE);
    lately.push(this.#net.now);
    this.#departures.set(key, lately);
    assert.ok(lately.length <= 2, `MB-2: ${id} flips for ${node.id}: ${lately.length} times in a minute`);
  }

  /** Five seconds after a death nobody who was there takes the dead for alive. */
  assertDead(dead: SimNode): void {
    if (dead.core !== undefined) return;
    for (const { id, core } of this.#watchers()) {
      const state = core.members.get(dead.id)?.state ?? "DOWN";
      assert.equal(state, "DOWN", `MB-2: ${id} has ${dead.id} ${state} 5 s after its death`);
    }
  }

  /** Those that did not stand still lately: they have heard everything that there was to hear. */
  #watchers(): { id: string; core: Membership }[] {
    const { now } = this.#net;
    return this.#net.live.flatMap((node) => {
      const { endedAt, lengthMs } = node.lastPause;
      const isHeld = now < node.pausedUntil || now < endedAt + lengthMs + 5000;
      return node.core === undefined || isHeld ? [] : [{ id: node.id, core: node.core }];
    });
  }

  /** MB-2 for those that were DOWN while they were: nobody stays so who is in reach again. */
  assertNoneDown(side: readonly SimNode[]): void {
    for (const { id, core } of side)
      for (const other of side) {
        const member = core?.members.get(other.id);
        assert.notEqual(member?.state, "DOWN", `MB-2: ${id} still has ${other.id} DOWN (${member?.cause})`);
      }
  }

  /** MB-1: equal sets, or a fact that names the difference. */
  assertSameMembers(side: readonly SimNode[]): void {
    for (const one of side)
      for (const other of side) {
        if (one === other || one.core === undefined || other.core === undefined) continue;
        const missing = [...one.core.members.keys()].filter(
          (id) => id !== other.id && other.core?.members.has(id) === false,
        );
        for (const id of missing)
          assert.ok(
            this.#isExplained(one.core, other.core, id),
            `MB-1: ${one.id} holds ${id} and ${other.id} does not, and no fact says why`,
          );
        assert.ok(one.core.members.has(other.id), `MB-1: ${one.id} does not hold ${other.id}`);
      }
  }

  /** One member's list is shorter than the others': it says so of each of them, and each of them of it. */
  assertDifferenceNamed(odd: SimNode, side: readonly SimNode[]): void {
    for (const other of side) {
      if (other === odd || other.core === undefined || odd.core === undefined) continue;
      const here = listDifferences(odd.core).find(({ id }) => id === other.id);
      const there = listDifferences(other.core).find(({ id }) => id === odd.id);
      assert.ok((here?.missingHere.length ?? 0) > 0, `MB-1: ${odd.id} does not say what ${other.id} lists besides`);
      assert.deepEqual(there?.missingThere, here?.missingHere, `MB-1: ${odd.id} and ${other.id} name one difference`);
    }
  }

  #isExplained(holder: Membership, lacking: Membership, id: string): boolean {
    const held = peers(holder, this.#net.now).find((peer) => peer.id === id);
    const isUnlisted = held?.origin === "delisted" || held?.origin === "gossip";
    const differs = listDifferences(holder).length > 0 || listDifferences(lacking).length > 0;
    const isGone = held?.state === "DOWN" && unfound(lacking).length > 0;
    // A dead member that was replaced or restarted elsewhere is known to those who met it.
    return isUnlisted || differs || isGone || (held?.state === "DOWN" && held.cause.includes("belongs to"));
  }

  /** AP-10: once states have held for 5 s, each key has one owner among those that see each other. */
  assertOneOwner(side: readonly SimNode[]): void {
    if (side.length === 0 || this.#net.now - this.lastChangeAt < 5000) return;
    for (const key of KEYS) {
      const owners = side.filter(({ core, id }) => core !== undefined && responsible(core, key) === id);
      const named = side.map(({ core, id }) => `${id}:${core === undefined ? "" : responsible(core, key)}`);
      assert.equal(owners.length, 1, `AP-10: ${key} has ${owners.length} owners among ${named.join(" ")}`);
    }
  }

  /** Long after everything is healed: everybody is UP in both directions, and no fact speaks of trouble. */
  assertCalm(side: readonly SimNode[]): void {
    const { now } = this.#net;
    for (const { id, core } of side) {
      if (core === undefined) continue;
      for (const other of side) {
        if (other.id === id) continue;
        const peer: PeerFact | undefined = peers(core, now).find((each) => each.id === other.id);
        assert.equal(peer?.state, "UP", `${id} has ${other.id} ${peer?.state}: ${peer?.cause}`);
        assert.equal(peer?.direction, "both", `${id} and ${other.id}`);
        const offset = Math.abs(
          (peer?.clockOffsetMs ?? 1e9) - (other.clockOffsetMs - (this.#node(id)?.clockOffsetMs ?? 0)),
        );
        assert.ok(offset <= 40, `${id} takes the clock of ${other.id} for ${peer?.clockOffsetMs} ms ahead`);
      }
      assert.equal(self(core).state, "UP", `${id} is UP for itself`);
      assert.equal(isolation(core, now), undefined, `${id} is not isolated`);
      assert.deepEqual(listDifferences(core), [], `${id} sees no other list`);
      assert.deepEqual(list(core).badLines, [], `${id} has no bad lines`);
      if (this.foreign.size === 0) assert.deepEqual(refusals(core), [], `${id} refuses nobody`);
      const ids = new Set(side.map((node) => node.core?.clusterId));
      assert.equal(ids.size, 1, `one cluster id: ${[...ids].join(" ")}`);
    }
  }

  #node(id: string): SimNode | undefined {
    return this.#net.nodes.find((each) => each.id === id);
  }
}
