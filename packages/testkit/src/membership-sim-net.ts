import {
  type Effect,
  type Event,
  type Frame,
  type Membership,
  type MembershipOptions,
  newMembership,
  step,
} from "@nacre/core/membership";
import type { Random } from "./random.ts";

const TICK_MS = 200;
const CONNECT_TIMEOUT_MS = 2000;

/** What a member keeps over a restart. */
interface Disk {
  clusterId: string;
  settled: boolean;
  joined: readonly string[];
  incarnation: number;
}

/** One machine: its address and its disk outlive the process that runs on it. */
export class SimNode {
  readonly id: string;
  readonly disk: Disk;
  ip: string;
  list: string | undefined;
  /** The running process. */
  core: Membership | undefined;
  /** `off`: the machine does not answer at all; otherwise a port without a process refuses. */
  power: "on" | "off" = "on";
  startedAt = 0;
  diedAt = 0;
  pausedUntil = 0;
  /** The end of its last pause, and how long that was. */
  lastPause: { endedAt: number; lengthMs: number } = { endedAt: -1e9, lengthMs: 0 };
  clockOffsetMs = 0;
  readonly waiting: Event[] = [];
  /** This side's links to the other ends. */
  readonly ends = new Map<number, { node: SimNode; run: number; link: number }>();
  run = 0;
  nextLink = 1;

  constructor(id: string, ip: string, clusterId: string, settled: boolean) {
    this.id = id;
    this.ip = ip;
    this.disk = { clusterId, settled, joined: [], incarnation: 0 };
  }

  get address(): string {
    return `${this.ip}:8848`;
  }
}

/** What a deliberately broken variant does to the members; a sound one does nothing. */
export interface Breakage {
  readonly options?: Partial<MembershipOptions>;
  readonly frame?: (frame: Frame, from: SimNode, to: SimNode) => Frame;
}

export interface Traffic {
  lost: number;
  doubled: number;
  delayMaxMs: number;
}

/** A network and its machines under one clock. Everything that is not certain is drawn from the seed. */
export class SimNet {
  now = 1_767_225_600_000;
  readonly nodes: SimNode[] = [];
  readonly trace: string[] = [];
  /** `a>b`: nothing goes from a to b. */
  readonly cut = new Set<string>();
  /** `a>b`: what share is lost there, besides `traffic`. */
  readonly lossy = new Map<string, number>();
  /** `a>b`: when something of a last came to b. */
  readonly heardAt = new Map<string, number>();
  traffic: Traffic = { lost: 0, doubled: 0, delayMaxMs: 30 };
  onEffect: (node: SimNode, effect: Effect) => void = () => {};
  readonly #random: Random;
  readonly #breakage: Breakage;
  readonly #queue = new TimeQueue();

  constructor(random: Random, breakage: Breakage) {
    this.#random = random;
    this.#breakage = breakage;
  }

  add(node: SimNode): SimNode {
    this.nodes.push(node);
    return node;
  }

  get live(): SimNode[] {
    return this.nodes.filter(({ core }) => core !== undefined);
  }

  log(text: string): void {
    this.trace.push(`${((this.now - 1_767_225_600_000) / 1000).toFixed(2)} ${text}`);
    if (this.trace.length > 400) this.trace.splice(0, 200);
  }

  runFor(ms: number): void {
    const until = this.now + ms;
    for (let at = this.#queue.nextAt(); at !== undefined && at <= until; at = this.#queue.nextAt()) {
      this.now = at;
      this.#queue.take()();
    }
    this.now = until;
  }

  later(ms: number, act: () => void): void {
    this.#queue.add(this.now + ms, act);
  }

  start(node: SimNode): void {
    if (node.core !== undefined) return;
    node.disk.incarnation++;
    node.run++;
    node.power = "on";
    node.startedAt = this.now;
    this.log(`start ${node.id} at ${node.ip}, cluster ${node.disk.clusterId}`);
    const { clusterId, settled, joined, incarnation } = node.disk;
    node.core = newMembership(
      {
        id: node.id,
        incarnation,
        clusterId,
        settled,
        epoch: 0,
        joined,
        holdsData: false,
        protocol: { speaks: 1, oldest: 1 },
        version: "1.2.3",
        fingerprint: "f",
        port: 8848,
        host: undefined,
      },
      this.now,
      this.#breakage.options,
    );
    this.feed(node, { type: "localAddresses", ips: [node.ip] });
    this.feed(node, { type: "listRead", text: node.list, source: "cluster.conf" });
    const { run } = node;
    const tick = (): void => {
      if (node.run !== run || node.core === undefined) return;
      if (this.now >= node.pausedUntil) this.feed(node, { type: "tick", clockAt: this.now + node.clockOffsetMs });
      this.later(TICK_MS, tick);
    };
    this.later(this.#random.below(TICK_MS), tick);
  }

  /** The process dies; with the machine, nobody hears of it. */
  kill(node: SimNode, power: "on" | "off"): void {
    if (node.core === undefined) return;
    this.log(`kill ${node.id}${power === "off" ? " with its machine" : ""}`);
    node.core = undefined;
    node.power = power;
    node.diedAt = this.now;
    node.pausedUntil = 0;
    node.waiting.length = 0;
    for (const link of [...node.ends.keys()]) this.#hangUp(node, link, power === "on");
  }

  pause(node: SimNode, ms: number): void {
    this.log(`pause ${node.id} for ${ms} ms`);
    node.pausedUntil = this.now + ms;
    const { run } = node;
    this.later(ms, () => {
      if (node.run !== run || node.core === undefined) return;
      node.lastPause = { endedAt: this.now, lengthMs: ms };
      for (const event of node.waiting.splice(0)) this.feed(node, event);
    });
  }

  editList(node: SimNode, text: string | undefined): void {
    node.list = text;
    this.log(`list of ${node.id}: ${text?.replaceAll("\n", " ")}`);
    this.deliver(node, node.run, { type: "listRead", text, source: "cluster.conf" });
  }

  isCut(from: SimNode, to: SimNode): boolean {
    return this.cut.has(`${from.id}>${to.id}`);
  }

  /** Gives an event to a process, unless it is another one by now; a process that stands still gets it afterwards. */
  deliver(node: SimNode, run: number, event: Event): void {
    if (node.run !== run || node.core === undefined) return;
    if (this.now < node.pausedUntil) node.waiting.push(event);
    else this.feed(node, event);
  }

  feed(node: SimNode, event: Event): void {
    if (node.core === undefined) return;
    for (const effect of step(node.core, event, this.now)) {
      this.#perform(node, effect);
      this.onEffect(node, effect);
    }
  }

  #perform(node: SimNode, effect: Effect): void {
    const { run } = node;
    switch (effect.type) {
      case "connect":
        return this.#connect(node, effect.address);
      case "closeLink":
        return this.#hangUp(node, effect.link, true);
      case "send":
        return this.#send(node, effect.link, effect.frame);
      case "persist":
        node.disk.clusterId = effect.clusterId;
        node.disk.settled = effect.settled;
        node.disk.joined = effect.joined;
        return;
      case "resolve": {
        const found = this.nodes.find(({ id }) => id === effect.host);
        const event: Event =
          found === undefined
            ? { type: "resolved", host: effect.host, ips: [], error: "no such name" }
            : { type: "resolved", host: effect.host, ips: [found.ip] };
        this.later(5, () => this.deliver(node, run, event));
        return;
      }
      case "memberChanged":
        this.log(`${node.id}: ${effect.id} ${effect.from} -> ${effect.to} (${effect.cause})`);
        return;
      case "ringChanged":
        this.log(`${node.id}: ring ${effect.members.join(" ")}`);
        return;
      default:
        return;
    }
  }

  #connect(from: SimNode, address: string): void {
    const { run } = from;
    const to = this.nodes.find((node) => node.address === address);
    const fail = (ms: number, error: string, refused: boolean): void =>
      this.later(ms, () => this.deliver(from, run, { type: "connectFailed", address, error, refused }));
    if (to === undefined || to.power === "off" || this.isCut(from, to) || this.isCut(to, from))
      return fail(CONNECT_TIMEOUT_MS, "no answer within 2 s", false);
    const delay = 1 + this.#random.below(10);
    if (to.core === undefined) return fail(delay, "connection refused", true);
    this.later(delay, () => {
      if (from.run !== run || from.core === undefined) return;
      if (to.core === undefined || this.isCut(from, to) || this.isCut(to, from) || to.address !== address)
        return fail(delay, "connection refused", to.power === "on");
      const link = from.nextLink++;
      const other = to.nextLink++;
      from.ends.set(link, { node: to, run: to.run, link: other });
      to.ends.set(other, { node: from, run, link });
      this.deliver(to, to.run, { type: "linkOpened", link: other, address: undefined });
      this.deliver(from, run, { type: "linkOpened", link, address });
    });
  }

  #hangUp(node: SimNode, link: number, isTold: boolean): void {
    const end = node.ends.get(link);
    node.ends.delete(link);
    if (end === undefined || !isTold || this.isCut(node, end.node)) return;
    // Behind what is under way, as on a real connection.
    this.later(this.traffic.delayMaxMs + 1, () => {
      if (end.node.run !== end.run || !end.node.ends.delete(end.link)) return;
      this.deliver(end.node, end.run, { type: "linkClosed", link: end.link, error: "closed by the other side" });
    });
  }

  #send(node: SimNode, link: number, frame: Frame): void {
    const end = node.ends.get(link);
    if (end === undefined) return;
    const way = `${node.id}>${end.node.id}`;
    const copies = this.#random.chance(this.traffic.doubled) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (this.cut.has(way) || this.#random.chance(this.traffic.lost)) continue;
      if (this.#random.chance(this.lossy.get(way) ?? 0)) continue;
      const altered = this.#breakage.frame?.(frame, node, end.node) ?? frame;
      this.later(1 + this.#random.below(this.traffic.delayMaxMs), () => {
        if (!end.node.ends.has(end.link)) return;
        this.heardAt.set(way, this.now);
        this.deliver(end.node, end.run, { type: "received", link: end.link, frame: altered });
      });
    }
  }
}

/** A binary heap by time; equal times in the order in which they were added. */
class TimeQueue {
  readonly #heap: { at: number; order: number; act: () => void }[] = [];
  #order = 0;

  nextAt(): number | undefined {
    return this.#heap[0]?.at;
  }

  add(at: number, act: () => void): void {
    const heap = this.#heap;
    heap.push({ at, order: this.#order++, act });
    for (let child = heap.length - 1; child > 0; ) {
      const parent = (child - 1) >> 1;
      if (!this.#swapIfBefore(child, parent)) return;
      child = parent;
    }
  }

  take(): () => void {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined) throw new Error("the queue is empty");
    if (first === last) return first.act;
    heap[0] = last;
    for (let parent = 0; ; ) {
      const left = 2 * parent + 1;
      const right = left + 1;
      if (left >= heap.length) return first.act;
      const least = right < heap.length && this.#isBefore(right, left) ? right : left;
      if (!this.#swapIfBefore(least, parent)) return first.act;
      parent = least;
    }
  }

  #isBefore(one: number, other: number): boolean {
    const a = this.#heap[one];
    const b = this.#heap[other];
    if (a === undefined || b === undefined) return false;
    return a.at < b.at || (a.at === b.at && a.order < b.order);
  }

  #swapIfBefore(one: number, other: number): boolean {
    if (!this.#isBefore(one, other)) return false;
    const heap = this.#heap;
    const a = heap[one];
    const b = heap[other];
    if (a === undefined || b === undefined) return false;
    heap[one] = b;
    heap[other] = a;
    return true;
  }
}
