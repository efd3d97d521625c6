import {
  type Contents,
  type DistroOptions,
  type DistroState,
  type Effect,
  type Event,
  FrameReader,
  fill,
  frames,
  type Head,
  headOf,
  type Message,
  newDistro,
  nextAt,
  type PeerState,
  type step,
  type Version,
} from "@nacre/core/distro";
import { Random } from "./random.ts";

/** What a client publishes is one instance; `generation` grows with each connection of one process. */
export interface Published {
  readonly kind: "connection" | "address";
  version: Version;
  /** Whether this member's naming changes it. */
  own: boolean;
  contents: Contents;
  contentHash: number;
  shown: "asPublished" | "unconfirmed" | "unhealthy";
}

export interface SimMember {
  readonly id: string;
  readonly at: number;
  incarnation: number;
  /** Undefined while it is down. */
  distro: DistroState | undefined;
  /** The toy of naming: everything that this member holds. */
  readonly naming: Map<string, Published>;
  readonly heardAt: Map<string, number>;
  journal: { head: Head; published: Published | undefined }[];
  startedAt: number;
  crashedAt: number;
  readyAt: number | undefined;
  pausedUntil: number;
  /** When its next tick is due. */
  wakeAt: number;
  isolatedUntil: number;
  isolated: boolean;
  ring: readonly string[];
  ringNext: { readonly members: readonly string[]; readonly since: number };
  readonly sees: Map<string, { state: PeerState; incarnation: number; directSince: number; lastAt: number }>;
}

/** A process that registers one instance, over a connection or by address. */
export interface SimClient {
  readonly name: string;
  readonly kind: "connection" | "address";
  clientId: string;
  /** The member it is connected to; for an address client, members that it can reach. */
  member: SimMember | undefined;
  published: boolean;
  text: number;
  generation: number;
  changedAt: number;
  reconnectAt: number;
  /** Its machine is off. */
  deadUntil: number;
  beatAt: number;
  /** Which side of the network it is on: index of a member that it always reaches. */
  side: number;
}

export interface Link {
  cut: boolean;
  loss: number;
  duplicates: number;
  delayMaxMs: number;
}

/** What a run looks at. A checker throws when its invariant does not hold. */
export interface Checker {
  readonly name: string;
  /** After a step of one member and its effects. `again`: the event is one that had just been fed. */
  stepped?(world: World, member: SimMember, event: Event, effects: readonly Effect[], again: boolean): void;
  /** Every 250 ms. */
  looked?(world: World): void;
  sent?(world: World, from: SimMember, to: SimMember, message: Message): void;
}

export interface WorldOptions {
  readonly distro: Partial<DistroOptions>;
  /** Stands between the world and the core: tests of checkers break it here. */
  readonly step: typeof step;
  readonly checkers: readonly Checker[];
}

export const LOOK_MS = 250;
const BEAT_MS = 5_000;
export const DOWN_MS = 3_000;

/** Members with the core of Distro, a network between them, and clients. Everything follows from the seed. */
export class World {
  readonly random: Random;
  readonly members: SimMember[] = [];
  readonly clients: SimClient[] = [];
  readonly links = new Map<string, Link>();
  now = 0;
  /** Since when every link is whole and every member runs; Infinity while not. */
  healedAt = Number.POSITIVE_INFINITY;
  /** Whether anything was ever lost, delayed or doubled beyond a healthy network. */
  faulty = false;
  lastChangeAt = 0;
  delayMs = 20;
  /** Deregistered clients, and whether anybody but the member that took it has heard. */
  readonly removed = new Map<string, { at: number; counter: number; spread: boolean }>();
  readonly #options: WorldOptions;
  readonly #heap: { at: number; order: number; run: () => void }[] = [];
  readonly #codec: boolean;
  #order = 0;

  constructor(seed: number, size: number, options: WorldOptions) {
    this.random = new Random(seed);
    this.#options = options;
    this.#codec = seed % 8 === 0;
    for (let at = 0; at < size; at++)
      this.members.push({
        id: `m${at}`,
        at,
        incarnation: 0,
        distro: undefined,
        naming: new Map(),
        heardAt: new Map(),
        journal: [],
        startedAt: 0,
        crashedAt: 0,
        readyAt: undefined,
        pausedUntil: 0,
        wakeAt: Infinity,
        isolatedUntil: 0,
        isolated: false,
        ring: [],
        ringNext: { members: [], since: 0 },
        sees: new Map(),
      });
    for (const a of this.members)
      for (const b of this.members)
        if (a !== b) this.links.set(`${a.id}>${b.id}`, { cut: false, loss: 0, duplicates: 0, delayMaxMs: 20 });
    this.#every(LOOK_MS, () => this.#look());
  }

  // Time

  at(at: number, run: () => void): void {
    const heap = this.#heap;
    heap.push({ at: Math.max(at, this.now), order: this.#order++, run });
    for (let child = heap.length - 1; child > 0; ) {
      const parent = (child - 1) >> 1;
      if (this.#before(parent, child)) break;
      this.#swap(parent, child);
      child = parent;
    }
  }

  runUntil(end: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
      const last = this.#heap.pop();
      if (last !== undefined && this.#heap.length > 0) {
        this.#heap[0] = last;
        this.#sink();
      }
      this.now = next.at;
      next.run();
    }
    this.now = end;
  }

  #every(ms: number, run: () => void): void {
    this.at(this.now + ms, () => {
      run();
      this.#every(ms, run);
    });
  }

  #before(a: number, b: number): boolean {
    const [x, y] = [this.#heap[a], this.#heap[b]];
    if (x === undefined || y === undefined) return y === undefined;
    return x.at < y.at || (x.at === y.at && x.order < y.order);
  }

  #swap(a: number, b: number): void {
    const [x, y] = [this.#heap[a], this.#heap[b]];
    if (x === undefined || y === undefined) return;
    this.#heap[a] = y;
    this.#heap[b] = x;
  }

  #sink(): void {
    for (let at = 0; ; ) {
      let child = 2 * at + 1;
      if (child >= this.#heap.length) return;
      if (child + 1 < this.#heap.length && this.#before(child + 1, child)) child++;
      if (this.#before(at, child)) return;
      this.#swap(at, child);
      at = child;
    }
  }

  // Members

  start(member: SimMember): void {
    if (member.distro !== undefined) return;
    member.incarnation++;
    member.startedAt = this.now;
    if (this.faulty && this.healedAt !== Infinity) this.healedAt = Math.max(this.healedAt, this.now);
    member.readyAt = undefined;
    member.naming.clear();
    member.heardAt.clear();
    member.sees.clear();
    member.ring = [];
    member.ringNext = { members: [], since: this.now };
    member.isolated = false;
    member.wakeAt = Infinity;
    member.distro = newDistro(
      member.id,
      member.incarnation,
      { heardAt: (id) => member.heardAt.get(id) },
      this.#options.distro,
    );
    for (const { head, published } of member.journal)
      if (published !== undefined) member.naming.set(head.id, { ...published, own: false });
    const downMs = this.now - member.crashedAt;
    const journal = member.journal.map(({ head }) => ({ ...head, ageMs: head.ageMs + downMs }));
    this.feed(member, { type: "start", journal });
    for (const peer of this.members) {
      if (peer === member) continue;
      member.sees.set(peer.id, { state: "unknown", incarnation: 0, directSince: Infinity, lastAt: this.now });
      this.feed(member, { type: "peer", id: peer.id, state: "unknown", incarnation: 0 });
      this.feed(member, { type: "credit", peer: peer.id, batches: 8 });
    }
    this.feed(member, { type: "membersKnown" });
  }

  crash(member: SimMember, keepJournal: boolean): void {
    const { distro } = member;
    if (distro === undefined) return;
    member.journal = [];
    for (const [id, { at, spread }] of this.removed)
      if (!spread && at <= this.now && distro.table.get(id)?.gone === "removed" && !keepJournal)
        this.removed.delete(id);
    if (keepJournal) {
      for (const entry of distro.table.live())
        if (entry.version.owner === member.id && entry.version.incarnation === member.incarnation)
          member.journal.push({ head: headOf(entry, this.now), published: member.naming.get(entry.id) });
      for (const id of this.removed.keys()) {
        const entry = distro.table.get(id);
        if (entry?.gone === "removed") member.journal.push({ head: headOf(entry, this.now), published: undefined });
      }
    }
    member.distro = undefined;
    member.crashedAt = this.now;
    for (const client of this.clients) {
      if (client.member !== member) continue;
      client.member = undefined;
      client.reconnectAt = this.now + 500 + this.random.below(1500);
      // The machine of some clients goes down with it.
      if (this.random.chance(0.3)) {
        client.published = false;
        client.deadUntil = this.now + 60_000;
      }
    }
  }

  feed(member: SimMember, event: Event, again = false): void {
    const { distro } = member;
    if (distro === undefined) return;
    const effects = this.#options.step(distro, event, this.now);
    for (const effect of effects) this.#perform(member, effect);
    for (const checker of this.#options.checkers) checker.stepped?.(this, member, event, effects, again);
    this.#wake(member, distro);
  }

  #wake(member: SimMember, distro: DistroState): void {
    const tickAt = Math.max(nextAt(distro), this.now + 1);
    if (tickAt >= member.wakeAt) return;
    member.wakeAt = tickAt;
    this.at(tickAt, () => this.#tick(member, distro, tickAt));
  }

  #tick(member: SimMember, distro: DistroState, tickAt: number): void {
    if (member.distro !== distro || member.wakeAt !== tickAt) return;
    if (this.now < member.pausedUntil) {
      this.at(member.pausedUntil, () => this.#tick(member, distro, tickAt));
      return;
    }
    member.wakeAt = Infinity;
    this.feed(member, { type: "tick" });
  }

  #perform(member: SimMember, effect: Effect): void {
    const { naming } = member;
    switch (effect.type) {
      case "send": {
        const to = this.members.find(({ id }) => id === effect.to);
        if (to === undefined) return;
        const message = fill(effect.message, (id) => naming.get(id)?.contents);
        for (const checker of this.#options.checkers) checker.sent?.(this, member, to, message);
        this.#post(member, to, this.#codec ? recoded(message) : message);
        if (message.type === "sync")
          this.at(this.now + 1, () => this.feed(member, { type: "credit", peer: effect.to, batches: 8 }));
        return;
      }
      case "apply": {
        const { kind, version, contentHash, contents } = effect;
        naming.set(effect.clientId, { kind, version, own: false, contentHash, contents, shown: "asPublished" });
        this.#supersede(member, effect.clientId);
        return;
      }
      case "forget":
        naming.delete(effect.clientId);
        return;
      case "renumber": {
        const held = naming.get(effect.clientId);
        if (held !== undefined) held.version = effect.version;
        return;
      }
      case "mark":
        for (const id of effect.clientIds) {
          const held = naming.get(id);
          if (held !== undefined) held.shown = effect.as === "trusted" ? "asPublished" : effect.as;
        }
        return;
      case "probe": {
        const answering = effect.clientIds.filter((id) => naming.get(id)?.contents.app === "answers");
        if (answering.length > 0) this.at(this.now + 100, () => this.feed(member, { type: "probed", answering }));
        return;
      }
      case "ready":
        member.readyAt = this.now;
        return;
      case "takeOver":
        for (const id of effect.clientIds) if (!member.heardAt.has(id)) member.heardAt.set(id, -1e9);
        return;
      case "hold":
      case "release":
      case "handOver":
      case "notReady":
        return;
    }
  }

  /** The newest client of one process stands over the older ones. */
  #supersede(member: SimMember, clientId: string): void {
    const newest = member.naming.get(clientId);
    if (newest === undefined || newest.kind === "address") return;
    for (const [id, { contents }] of member.naming) {
      if (id === clientId || contents.ip !== newest.contents.ip) continue;
      const older = contents.createdAt < newest.contents.createdAt ? id : clientId;
      this.at(this.now, () => this.feed(member, { type: "superseded", clientId: older }));
    }
  }

  // Network

  link(from: SimMember, to: SimMember): Link {
    return this.links.get(`${from.id}>${to.id}`) as Link;
  }

  #post(from: SimMember, to: SimMember, message: Message): void {
    const link = this.link(from, to);
    const life = to.incarnation;
    const copies = this.random.chance(link.duplicates) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (link.cut || this.random.chance(link.loss)) continue;
      const at = this.now + 1 + this.random.below(link.delayMaxMs);
      this.at(at, () => this.#deliver(from, to, life, message));
    }
  }

  #deliver(from: SimMember, to: SimMember, life: number, message: Message): void {
    if (to.incarnation !== life || to.distro === undefined) return;
    if (to.pausedUntil > this.now) {
      this.at(to.pausedUntil, () => this.#deliver(from, to, life, message));
      return;
    }
    this.feed(to, { type: "received", from: from.id, message });
    if (this.random.chance(0.05)) this.feed(to, { type: "received", from: from.id, message }, true);
  }

  // Membership, as an oracle: members see what a failure detector would, a little later than it is.

  #look(): void {
    for (const member of this.members)
      if (member.distro !== undefined && member.pausedUntil <= this.now) this.#see(member);
    for (const client of this.clients) this.#live(client);
    for (const member of this.members) this.#judgeBeats(member);
    for (const [id, removed] of this.removed) {
      const knowing = this.members.filter(({ distro }) => distro?.table.get(id)?.gone === "removed");
      if (knowing.length > 1) removed.spread = true;
    }
    for (const checker of this.#options.checkers) checker.looked?.(this);
  }

  direct(a: SimMember, b: SimMember): boolean {
    if (a === b) return true;
    if (a.distro === undefined || b.distro === undefined || b.pausedUntil > this.now) return false;
    return !this.link(a, b).cut && !this.link(b, a).cut;
  }

  #see(member: SimMember): void {
    for (const peer of this.members) {
      if (peer === member) continue;
      const seen = member.sees.get(peer.id);
      if (seen === undefined) continue;
      const direct = this.direct(member, peer);
      const heard = direct || this.members.some((via) => this.direct(member, via) && this.direct(via, peer));
      if (!direct) seen.directSince = Infinity;
      else seen.directSince = Math.min(seen.directSince, this.now);
      if (heard) seen.lastAt = this.now;
      let state = seen.state;
      if (this.now - seen.directSince >= (state === "down" ? 2 : 0) * LOOK_MS) state = "up";
      else if (this.now - seen.lastAt >= DOWN_MS) state = "down";
      else if (state === "up" || (state === "down" && heard)) state = "suspicious";
      const incarnation = direct ? peer.incarnation : seen.incarnation;
      if (state === seen.state && incarnation === seen.incarnation) continue;
      seen.state = state;
      seen.incarnation = incarnation;
      this.feed(member, { type: "peer", id: peer.id, state, incarnation });
    }
    const states = [...member.sees].map(([id, { state }]) => ({ id, state }));
    const reached = 1 + states.filter(({ state }) => state === "up" || state === "suspicious").length;
    const isolated = reached * 2 <= this.members.length && states.every(({ state }) => state !== "unknown");
    if (isolated !== member.isolated) {
      member.isolated = isolated;
      this.feed(member, { type: "isolated", isolated });
    }
    if (member.isolated) member.isolatedUntil = this.now;
    this.#turnRing(member, states);
  }

  #turnRing(member: SimMember, states: readonly { id: string; state: PeerState }[]): void {
    const members = [
      member.id,
      ...states.filter(({ state }) => state !== "down" && state !== "unknown").map(({ id }) => id),
    ];
    members.sort();
    if (members.join() !== member.ringNext.members.join()) member.ringNext = { members, since: this.now };
    if (members.join() === member.ring.join() || states.some(({ state }) => state === "unknown")) return;
    if (member.ring.length > 0 && this.now - member.ringNext.since < DOWN_MS) return;
    member.ring = members;
    this.feed(member, { type: "ring", ownerOf: (id) => this.ownerOf(member, id) });
  }

  ownerOf(member: SimMember, id: string): string | undefined {
    return member.ring[hash(id) % member.ring.length];
  }

  // Clients

  #live(client: SimClient): void {
    if (client.kind === "address") {
      if (client.published && this.now >= client.beatAt + BEAT_MS) this.beat(client);
      return;
    }
    if (client.member !== undefined || !client.published || this.now < client.reconnectAt) return;
    const member = this.#anyFor(client);
    if (member === undefined) return;
    client.member = member;
    client.generation++;
    client.clientId = `${client.name}-${client.generation}`;
    this.publish(client);
  }

  /** A ready member on the client's side. */
  #anyFor(client: SimClient): SimMember | undefined {
    const home = this.members[client.side] as SimMember;
    const members = this.members.filter(
      (member) => member.readyAt !== undefined && member.pausedUntil <= this.now && member.distro !== undefined,
    );
    const near = members.filter((member) => member === home || !this.link(home, member).cut);
    return near.length === 0 ? undefined : this.random.pick(near);
  }

  connect(client: SimClient, member: SimMember): void {
    client.member = member;
    client.generation++;
    client.clientId = `${client.name}-${client.generation}`;
  }

  publish(client: SimClient): void {
    const { member } = client;
    if (member === undefined) return;
    client.published = true;
    this.#changed(client);
    this.#own(member, client);
  }

  #own(member: SimMember, client: SimClient): void {
    const contents = contentsOf(client);
    const held = member.naming.get(client.clientId);
    const counter = (held?.version.counter ?? 0) + 1;
    const version = { owner: member.id, incarnation: member.incarnation, counter };
    const contentHash = hash(JSON.stringify(contents));
    const { kind, clientId } = client;
    this.removed.delete(clientId);
    this.lastChangeAt = this.now;
    member.naming.set(clientId, { kind, version, own: true, contents, contentHash, shown: "asPublished" });
    this.feed(member, { type: "changed", clientId, kind, counter, contentHash });
    this.#supersede(member, clientId);
  }

  #changed(client: SimClient): void {
    client.changedAt = this.now;
    this.lastChangeAt = this.now;
  }

  /** The connection ends, or the client is deregistered. */
  unpublish(client: SimClient): void {
    client.published = false;
    this.#changed(client);
    if (client.kind === "address") return this.#forward(client, (owner) => this.#take(owner, client));
    const { member } = client;
    client.member = undefined;
    if (member !== undefined) this.#take(member, client);
  }

  #take(member: SimMember, { clientId, published, kind }: SimClient): void {
    if (published || !member.naming.delete(clientId)) return;
    if (kind === "address") member.heardAt.set(clientId, this.now);
    this.feed(member, { type: "removed", clientId, cause: "asked" });
    const counter = member.distro?.table.get(clientId)?.version.counter ?? 0;
    this.removed.set(clientId, { at: this.now, counter, spread: false });
  }

  /** A heartbeat, or a registration, which is the same for a client by address. */
  beat(client: SimClient): void {
    client.beatAt = this.now;
    this.#forward(client, (owner) => {
      if (!client.published) return;
      owner.heardAt.set(client.clientId, this.now);
      const held = owner.naming.get(client.clientId);
      if (held?.own && held.contentHash === hash(JSON.stringify(contentsOf(client)))) return;
      this.#own(owner, client);
    });
  }

  change(client: SimClient): void {
    client.text++;
    if (client.kind === "connection") this.publish(client);
    else {
      client.published = true;
      this.#changed(client);
      this.beat(client);
    }
  }

  #forward(client: SimClient, run: (owner: SimMember) => void): void {
    const any = this.#anyFor(client);
    if (any === undefined) return;
    const owner = this.members.find(({ id }) => id === this.ownerOf(any, client.clientId));
    run(owner !== undefined && owner.readyAt !== undefined && this.direct(any, owner) ? owner : any);
  }

  #judgeBeats(member: SimMember): void {
    const { distro } = member;
    if (distro === undefined) return;
    for (const [id, held] of member.naming) {
      if (held.kind !== "address" || !held.own || this.ownerOf(member, id) !== member.id) continue;
      if (this.now - (member.heardAt.get(id) ?? this.now) < 30_000) continue;
      member.naming.delete(id);
      this.lastChangeAt = this.now;
      this.feed(member, { type: "removed", clientId: id, cause: "expired" });
    }
  }

  // What checkers ask for

  live(): SimMember[] {
    return this.members.filter(({ distro }) => distro !== undefined);
  }

  ready(): SimMember[] {
    return this.live().filter(({ distro }) => distro?.readyHow !== undefined);
  }

  client(clientId: string): SimClient | undefined {
    return this.clients.find((client) => client.clientId === clientId);
  }
}

function recoded(message: Message): Message {
  const reader = new FrameReader();
  for (const frame of frames(message)) {
    const read = reader.push(frame);
    if (read?.type === "malformed") throw new Error(read.reason);
    if (read !== undefined) return read;
  }
  throw new Error(`no message in the frames of ${message.type}`);
}

function contentsOf({ name, text, generation, kind }: SimClient): Contents {
  const service = { namespace: "public", group: "g", name: `s${name.length % 3}` };
  const instance = {
    ip: name,
    port: 80,
    weight: 1,
    healthy: true,
    enabled: true,
    cluster: "DEFAULT",
    metadata: { text: String(text) },
    instanceId: undefined,
  };
  const app = hash(name) % 4 === 0 ? "answers" : "";
  const createdAt = kind === "address" ? 0 : generation;
  return { ip: name, port: 80, app, agent: "", createdAt, publications: [{ service, instances: [instance] }] };
}

export function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  value = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d);
  return (value ^ (value >>> 13)) >>> 0;
}
