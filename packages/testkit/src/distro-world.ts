import {
  type ContentsOf,
  type DistroState,
  type Effect,
  type Event,
  FrameReader,
  fill,
  frames,
  headOf,
  type Message,
  newDistro,
  nextAt,
} from "@nacre/core/distro";
import { Agenda } from "./agenda.ts";
import { SimClients } from "./distro-clients.ts";
import {
  contentHashOf,
  hash,
  type Link,
  LOOK_MS,
  newMember,
  partOf,
  type SimClient,
  type SimMember,
  type WorldOptions,
  withPart,
} from "./distro-model.ts";
import { see } from "./distro-oracle.ts";
import { Random } from "./random.ts";

/** Members with the core of Distro, a network between them, and clients. Everything follows from the seed. */
export class World extends Agenda {
  readonly random: Random;
  /** For what clients publish: apart, so that drawing it leaves the rest of a run as it was. */
  readonly texts: Random;
  readonly members: SimMember[] = [];
  readonly clients: SimClient[] = [];
  readonly processes = new SimClients(this);
  readonly links = new Map<string, Link>();
  /** Since when every link is whole and every member runs; Infinity while not. */
  healedAt = Number.POSITIVE_INFINITY;
  /** Whether anything was ever lost, delayed or doubled beyond a healthy network. */
  faulty = false;
  lastChangeAt = 0;
  delayMs = 20;
  /** Deregistered clients, and whether anybody but the member that took it has heard. */
  readonly removed = new Map<string, { at: number; counter: number; spread: boolean }>();
  readonly #options: WorldOptions;
  readonly #codec: boolean;

  constructor(seed: number, size: number, options: WorldOptions) {
    super();
    this.random = new Random(seed);
    this.texts = new Random(seed + 1_000_000);
    this.#options = options;
    this.#codec = seed % 8 === 0;
    for (let at = 0; at < size; at++) this.members.push(newMember(at));
    for (const a of this.members)
      for (const b of this.members)
        if (a !== b) this.links.set(`${a.id}>${b.id}`, { cut: false, loss: 0, duplicates: 0, delayMaxMs: 20 });
    this.every(LOOK_MS, () => this.#look());
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
      { heardAt: (id) => member.heardAt.get(id), isSuperseded: (id) => isSuperseded(member, id) },
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
    if (keepJournal) {
      for (const entry of distro.table.live())
        if (entry.version.owner === member.id)
          member.journal.push({ head: headOf(entry, this.now), published: member.naming.get(entry.id) });
      for (const id of this.removed.keys()) {
        const entry = distro.table.get(id);
        if (entry?.gone === "removed" && entry.version.owner === member.id)
          member.journal.push({ head: headOf(entry, this.now), published: undefined });
      }
    }
    member.distro = undefined;
    member.crashedAt = this.now;
    for (const [id, removed] of this.removed)
      if (
        !this.members.some(
          (one) => knows(one, id, removed) || one.journal.some(({ head }) => head.id === id && head.gone),
        )
      )
        this.removed.delete(id);
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
        const contentsOf: ContentsOf = (id, services) => {
          const held = naming.get(id);
          return held && partOf(held.contents, services);
        };
        for (const message of fill(effect.message, contentsOf)) {
          for (const checker of this.#options.checkers) checker.sent?.(this, member, to, message);
          this.#post(member, to, this.#codec ? recoded(message) : message);
        }
        if (effect.message.type === "sync")
          this.at(this.now + 1, () => this.feed(member, { type: "credit", peer: effect.to, batches: 8 }));
        return;
      }
      case "apply": {
        const { clientId, kind, version, base } = effect;
        const held = naming.get(clientId);
        const contents = base && held ? withPart(held.contents, effect.contents) : effect.contents;
        const own = { own: false, shown: base && held ? held.shown : "asPublished" } as const;
        naming.set(clientId, { kind, version, contentHash: contentHashOf(contents), contents, ...own });
        this.supersede(member, clientId);
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
  supersede(member: SimMember, clientId: string): void {
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

  // What is looked at four times a second

  #look(): void {
    for (const member of this.members)
      if (member.distro !== undefined && member.pausedUntil <= this.now) see(this, member);
    for (const client of this.clients) this.processes.live(client);
    for (const member of this.members) this.processes.judgeBeats(member);
    for (const [id, removed] of this.removed) {
      const knowing = this.members.filter((member) => knows(member, id, removed));
      if (knowing.length > 1) removed.spread = true;
    }
    for (const checker of this.#options.checkers) checker.looked?.(this);
  }

  direct(a: SimMember, b: SimMember): boolean {
    if (a === b) return true;
    if (a.distro === undefined || b.distro === undefined || b.pausedUntil > this.now) return false;
    return !this.link(a, b).cut && !this.link(b, a).cut;
  }

  // What checkers ask for

  ownerOf(member: SimMember, id: string): string | undefined {
    return member.ring[hash(id) % member.ring.length];
  }

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

/** Whether it remembers that removal: one of another side of a partition, or its own for want of heartbeats, is not it. */
export function knows({ distro }: SimMember, id: string, removed: { at: number; counter: number }): boolean {
  const entry = distro?.table.get(id);
  return entry?.gone === "removed" && entry.madeAt >= removed.at && entry.version.counter >= removed.counter;
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

/** Whether a newer client of the same process is held. */
function isSuperseded({ naming }: SimMember, clientId: string): boolean {
  const older = naming.get(clientId)?.contents;
  return [...naming.values()].some(
    ({ kind, contents }) =>
      older !== undefined && kind !== "address" && contents.ip === older.ip && contents.createdAt > older.createdAt,
  );
}
