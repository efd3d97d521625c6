import { RegistryError } from "@nacre/protocol";
import { Agenda } from "./agenda.ts";
import { type Answered, SimBeater } from "./cluster-sim-beats.ts";
import { type Breakage, MAIN_PORT, type SimHost, SimMachine } from "./cluster-sim-machine.ts";
import { CLUSTER_PORT_OFFSET, SimMember } from "./cluster-sim-member.ts";
import { SimNet } from "./cluster-sim-net.ts";
import type { Machine } from "./cluster-sim-process.ts";
import { type SimInstance, SimSdk } from "./cluster-sim-sdk.ts";
import { service } from "./naming-bench.ts";
import { Random } from "./random.ts";

export const SIM_LOOK_MS = 100;
const TRACE_MAX = 20_000;

/** What is true of one instance, whoever shows what. */
export interface Truth {
  readonly service: string;
  readonly address: string;
  readonly publisher: SimSdk | SimBeater;
  /** Nobody can take what is shown for what was there before. */
  readonly isFirst: boolean;
  /** `asked`: deregistered, and a member said yes; `unknown`: nobody knows whether a member heard of it. */
  state: "wanted" | "asked" | "died" | "unknown";
  changedAt: number;
  /** The member that confirmed it last, in the life in which it did. */
  holder: SimMember | undefined;
  /** Since when that member has it, over a connection that works; and until when. */
  heldSince: number;
  heldAt: number;
}

/** What was not answered over HTTP may be carried out later than what came after it. */
const UNSURE_MS = 60_000;

/** Looks at everything every 100 ms. @throws Error, which begins with the name of what does not hold. */
export interface ClusterCheck {
  readonly name: string;
  look(world: ClusterWorld): void;
  /** Long after everything is whole again. */
  rest?(world: ClusterWorld): void;
}

/** Whole members, their network and disks, clients, and what is true of them. Everything follows from the seed. */
export class ClusterWorld implements SimHost {
  readonly agenda = new Agenda();
  readonly random: Random;
  readonly net: SimNet;
  readonly breakage: Breakage;
  readonly machines: SimMachine[] = [];
  readonly sdks: SimSdk[] = [];
  readonly beaters: SimBeater[] = [];
  readonly truths = new Map<string, Truth>();
  readonly trace: string[] = [];
  /** Names that resolve, to the place of a machine. */
  readonly names = new Map<string, string>();
  /** Machines of another cluster. */
  readonly foreign = new Set<SimMachine>();
  /** Since when pairs of members (`a>b`) are both ready and hear each other well. */
  readonly settled = new Map<string, number>();
  /** Since when all members that run are so. */
  calmSince = Number.POSITIVE_INFINITY;
  /** What operators have spoiled, and not mended yet. */
  readonly spoilt = new Set<string>();
  /** A member came back with another data folder, so that its former self is down for good. */
  hasReplaced = false;
  /** Since when, besides, nothing is spoilt. */
  soundSince = Number.POSITIVE_INFINITY;
  #mendedAt = 0;
  #running = "";
  #runningSince = 0;
  /** When any client last changed what is true. */
  changedAt = 0;
  readonly #checks: readonly ClusterCheck[];
  readonly #failures: string[] = [];
  #nextIp = 1;

  constructor(seed: number, checks: readonly ClusterCheck[], breakage: Breakage = {}) {
    this.random = new Random(seed);
    this.net = new SimNet(this.agenda, this.random);
    this.breakage = breakage;
    this.#checks = checks;
    this.agenda.every(SIM_LOOK_MS, () => this.#look());
  }

  get now(): number {
    return this.agenda.now;
  }

  log(text: string): void {
    this.trace.push(`${(this.now / 1000).toFixed(2)} ${text}`);
    if (this.trace.length > 2 * TRACE_MAX) this.trace.splice(0, TRACE_MAX);
  }

  fail(sentence: string): void {
    this.#failures.push(sentence);
  }

  resolve(host: string): readonly string[] {
    const place = this.names.get(host.toLowerCase().replace(/\.$/, ""));
    const machine = this.machines.find((each) => each.place === place);
    return machine === undefined ? [] : [machine.ip];
  }

  async runFor(ms: number): Promise<void> {
    const end = this.now + ms;
    while (this.agenda.runNext(end)) {
      // Whatever members wait for by promises has happened before the next moment.
      await new Promise(setImmediate);
      if (this.#failures.length > 0) throw new Error(this.#failures.join("; "));
    }
  }

  /** Until it is so; looked at every 50 ms. @throws Error after the time, with the sentence. */
  async until(withinMs: number, sentence: string, is: () => boolean): Promise<void> {
    const end = this.now + withinMs;
    while (!is()) {
      if (this.now >= end) throw new Error(`${sentence}: not within ${withinMs} ms`);
      await this.runFor(50);
    }
  }

  /** Lets time go on until the promise is settled, which has to happen within a minute. */
  async during<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settled = (): void => {
      isSettled = true;
    };
    promise.then(settled, settled);
    await this.until(60_000, "a promise is settled", () => isSettled);
    return promise;
  }

  // Machines

  addMachine(clusterId: string, settled: boolean): SimMachine {
    const place = `m${this.machines.length + 1}`;
    const machine = new SimMachine(place, this.newIp(), this.random);
    machine.install(`${place}-${this.random.below(1e9).toString(36)}`, clusterId, settled);
    this.machines.push(machine);
    this.net.machines.push(machine);
    this.names.set(`${place}.nacre`, place);
    return machine;
  }

  newIp(): string {
    return `10.0.0.${this.#nextIp++}`;
  }

  start(machine: SimMachine): SimMember {
    this.spoilt.delete(`${machine.place} is down`);
    return machine.member ?? new SimMember(this, machine);
  }

  kill(machine: SimMachine, power: "on" | "off" = "on"): void {
    this.spoilt.add(`${machine.place} is down`);
    machine.member?.process.end(power);
  }

  /** Writes the list of members to the machines, which read it a moment later. */
  editLists(text: string, machines: readonly SimMachine[] = this.machines): void {
    for (const machine of machines) {
      machine.list = text;
      const { member } = machine;
      member?.process.do(() => member.readList());
    }
  }

  get members(): SimMember[] {
    return this.machines.flatMap(({ member }) => (member?.isUp === true ? [member] : []));
  }

  get ready(): SimMember[] {
    return this.members.filter(({ ready, isStopping }) => ready && !isStopping);
  }

  cut(some: readonly Machine[], others: readonly Machine[]): void {
    this.log(`cut ${some.map(({ place }) => place).join(" ")} | ${others.map(({ place }) => place).join(" ")}`);
    for (const a of some)
      for (const b of others) {
        this.net.cut(a.place, b.place);
        this.net.cut(b.place, a.place);
      }
  }

  /** Nobody gets a new connection to the member's cluster port. @returns what opens it again. */
  shut({ ip, place }: SimMachine): () => void {
    const { net, spoilt } = this;
    const port = `${ip}:${MAIN_PORT + CLUSTER_PORT_OFFSET}`;
    net.shut.add(port);
    spoilt.add(`port of ${place}`);
    return () => {
      net.shut.delete(port);
      spoilt.delete(`port of ${place}`);
    };
  }

  heal(): void {
    this.log("healed");
    this.net.healAll();
  }

  // Clients

  /** An SDK on the side of a machine: what cuts that one off from others cuts this one off too. */
  addSdk(beside: SimMachine | undefined, ips = () => this.machines.map(({ ip }) => ip)): SimSdk {
    const machine = this.#clientMachine(beside);
    const sdk = new SimSdk(this, `sdk${this.sdks.length + 1}`, machine, ips);
    this.sdks.push(sdk);
    return sdk;
  }

  addBeater(beside: SimMachine | undefined, service: string, address: string): SimBeater {
    const machine = this.#clientMachine(beside);
    const beater = new SimBeater(this, `http${this.beaters.length + 1}`, machine, service, address, () =>
      this.members.filter(({ machine: at }) => !this.foreign.has(at) && !this.net.isCut(machine.place, at.place)),
    );
    this.beaters.push(beater);
    return beater;
  }

  #clientMachine(beside: SimMachine | undefined): Machine {
    const place = beside?.place ?? "clients";
    return { place, ip: `10.9.0.${this.sdks.length + this.beaters.length}`, isOn: true, clockOffsetMs: 0 };
  }

  publish(sdk: SimSdk, service: string, instances: readonly SimInstance[]): void {
    this.log(
      `${sdk.name} publishes ${service}: ${instances.map(({ address, zone }) => `${address} ${zone}`).join(", ")}`,
    );
    const kept = new Set(instances.map(({ address }) => address));
    for (const truth of this.#of(sdk, service)) if (!kept.has(truth.address)) this.#unwanted(truth, "unknown");
    for (const address of kept) this.#wanted(sdk, service, address);
    sdk.publish(service, instances);
  }

  async deregister(sdk: SimSdk, service: string): Promise<boolean> {
    this.log(`${sdk.name} deregisters ${service}`);
    const truths = this.#of(sdk, service).filter(({ state }) => state === "wanted");
    for (const truth of truths) this.#unwanted(truth, "unknown");
    const taker = this.memberAt(sdk.connection?.ip);
    const done = await sdk.deregister(service);
    this.log(`${sdk.name}: ${service} is deregistered: ${done}`);
    if (!done || !sdk.process.isAlive) return done;
    for (const truth of truths) {
      if (truth.state !== "unknown") continue;
      this.#unwanted(truth, "asked");
      truth.holder = taker;
    }
    return done;
  }

  register(beater: SimBeater): void {
    this.log(`${beater.name} registers ${beater.serviceName} ${beater.address}`);
    this.#wanted(beater, beater.serviceName, beater.address);
    beater.register();
  }

  async withdraw(beater: SimBeater): Promise<boolean> {
    this.log(`${beater.name} deregisters`);
    const truths = this.#of(beater, beater.serviceName).filter(({ state }) => state === "wanted");
    for (const truth of truths) this.#unwanted(truth, "unknown");
    const answer = await beater.deregister();
    this.log(`${beater.name} is deregistered: ${answer !== undefined}`);
    for (const truth of truths)
      if (answer !== undefined && truth.state === "unknown" && this.#isHeard(truth, answer))
        this.#unwanted(truth, "asked");
    return answer !== undefined;
  }

  /**
   * Whether the deregistration reached anybody who knew of the instance: one that was only ever registered on the other
   * side of a partition shows there until its heartbeats are missed, and so does one in the journal of who was away.
   */
  #isHeard({ service: name, address }: Truth, { by, askedAt, wasShown }: Answered): boolean {
    const left = this.ready.filter((member) => member.shows(service(name)).has(address));
    const isNowhere = left.length === 0 && this.ready.length === this.machines.length;
    return wasShown || isNowhere || left.some((member) => this.pairSince(member, by) < askedAt);
  }

  die(client: SimSdk | SimBeater, power: "on" | "off" = "on"): void {
    client.die(power);
    for (const truth of this.truths.values()) if (truth.publisher === client) this.#unwanted(truth, "died");
  }

  /** What can be expected to be shown, and what not. */
  get certain(): Truth[] {
    return [...this.truths.values()].filter(
      ({ publisher }) => publisher instanceof SimSdk || this.now - publisher.unansweredAt > UNSURE_MS,
    );
  }

  memberAt(ip: string | undefined): SimMember | undefined {
    return this.members.find(({ machine }) => machine.ip === ip);
  }

  pairSince(a: SimMember, b: SimMember): number {
    return this.settled.get(pairOf(a, b)) ?? Number.POSITIVE_INFINITY;
  }

  /** @throws Error of the first check that finds something. */
  rest(): void {
    for (const check of this.#checks) this.#run(check.name, () => check.rest?.(this));
    if (this.#failures.length > 0) throw new Error(this.#failures.join("; "));
  }

  #of(publisher: SimSdk | SimBeater, service: string): Truth[] {
    return [...this.truths.values()].filter((truth) => truth.publisher === publisher && truth.service === service);
  }

  #wanted(publisher: SimSdk | SimBeater, service: string, address: string): void {
    const before = this.truths.get(`${service} ${address}`);
    this.changedAt = this.now;
    if (before?.state === "wanted" && before.publisher === publisher) {
      // Its contents change: it stays where it shows, and has to be confirmed again.
      before.heldSince = Number.POSITIVE_INFINITY;
      return;
    }
    this.truths.set(`${service} ${address}`, {
      service,
      address,
      publisher,
      isFirst: before === undefined,
      state: "wanted",
      changedAt: this.now,
      holder: undefined,
      heldSince: Number.POSITIVE_INFINITY,
      heldAt: Number.NEGATIVE_INFINITY,
    });
  }

  #unwanted(truth: Truth, state: "asked" | "died" | "unknown"): void {
    if (truth.state === "died" || (truth.state === "asked" && state === "died")) return;
    truth.state = state;
    truth.changedAt = this.now;
    this.changedAt = this.now;
  }

  #look(): void {
    this.#followPairs();
    for (const truth of this.truths.values()) this.#follow(truth);
    for (const check of this.#checks) this.#run(check.name, () => check.look(this));
  }

  #run(name: string, check: () => void): void {
    try {
      check();
    } catch (thrown) {
      if (thrown instanceof RegistryError) throw thrown;
      const { message } = thrown as Error;
      this.fail(message.startsWith(name) ? message : `${name}: ${message}`);
    }
  }

  #followPairs(): void {
    const { net, ready } = this;
    const good = new Set<string>();
    for (const a of ready)
      for (const b of ready) {
        if (!net.isQuick || this.foreign.has(a.machine) !== this.foreign.has(b.machine)) continue;
        if (!a.process.isRunning || !b.process.isRunning || !net.isWhole(a.machine.place, b.machine.place)) continue;
        const pair = pairOf(a, b);
        good.add(pair);
        const since = Math.max(a.process.continuedAt, b.process.continuedAt);
        if ((this.settled.get(pair) ?? Number.NEGATIVE_INFINITY) < since) this.settled.delete(pair);
        if (!this.settled.has(pair)) this.settled.set(pair, this.now);
      }
    for (const pair of this.settled.keys()) if (!good.has(pair)) this.settled.delete(pair);
    const own = this.machines.filter((machine) => !this.foreign.has(machine));
    const running = own.filter(({ member }) => member?.process.isAlive);
    const isWhole = this.settled.size >= running.length ** 2 + (this.foreign.size > 0 ? 1 : 0) && running.length > 0;
    const lives = running.map(({ place, member }) => `${place}/${member?.incarnation}`).join(" ");
    if (this.#running !== lives) this.#runningSince = this.now;
    this.#running = lives;
    const settledSince = Math.max(...this.settled.values(), this.#runningSince);
    this.calmSince = isWhole ? settledSince : Number.POSITIVE_INFINITY;
    if (this.spoilt.size > 0) this.#mendedAt = this.now;
    this.soundSince = Math.max(this.calmSince, this.#mendedAt);
  }

  #follow(truth: Truth): void {
    if (truth.state !== "wanted") return;
    const { publisher, service } = truth;
    if (publisher instanceof SimBeater) {
      truth.heldAt = Math.max(truth.heldAt, publisher.heardAt);
      truth.heldSince = publisher.heardSince;
      return;
    }
    const isHeld = publisher.process.isRunning && publisher.wanted.get(service)?.acked === true;
    const holder = isHeld ? this.memberAt(publisher.heldBy) : undefined;
    if (holder === undefined || !holder.process.isRunning) {
      truth.heldSince = Number.POSITIVE_INFINITY;
      return;
    }
    if (truth.holder !== holder) truth.heldSince = Number.POSITIVE_INFINITY;
    truth.holder = holder;
    truth.heldSince = Math.min(truth.heldSince, this.now);
    truth.heldAt = this.now;
  }
}

function pairOf(a: SimMember, b: SimMember): string {
  return `${a.id}/${a.incarnation}>${b.id}/${b.incarnation}`;
}
