import { allClusterChecks } from "./cluster-checks/all.ts";
import type { SimBeater } from "./cluster-sim-beats.ts";
import type { Breakage, SimMachine } from "./cluster-sim-machine.ts";
import type { SimInstance, SimSdk } from "./cluster-sim-sdk.ts";
import { type ClusterCheck, ClusterWorld } from "./cluster-sim-world.ts";
import type { Random } from "./random.ts";

/** What may go wrong in a run. */
export type ClusterWeather = "calm" | "lossy" | "partitions" | "crashes" | "plans" | "everything";
export const CLUSTER_WEATHERS: readonly ClusterWeather[] = [
  "calm",
  "lossy",
  "partitions",
  "crashes",
  "plans",
  "everything",
];

export interface ClusterSimOptions {
  readonly weather?: ClusterWeather;
  readonly checks?: readonly ClusterCheck[];
  readonly breakage?: Breakage;
}

/** Of the last things that happened; all that a failure may need fits. */
const TRACE_LINES = Number(process.env.TRACE ?? 60);
const SERVICES = ["orders", "stock", "users"];
const FORMED_MS = 15_000;
const BUSY_MS = 40_000;
/** Until what is lost is given up, and heartbeats that were missed have taken what they take. */
const REST_MS = 85_000;

/**
 * One run of whole members: they start, clients come, change, move and go while the weather lasts; then everything is
 * whole again, and members and applications have to agree with what is true.
 *
 * @throws Error naming the seed, the weather, the moment and the last things that happened.
 */
export async function runClusterSim(seed: number, options: ClusterSimOptions = {}): Promise<ClusterWorld> {
  const weather = options.weather ?? (CLUSTER_WEATHERS[seed % CLUSTER_WEATHERS.length] as ClusterWeather);
  const world = new ClusterWorld(seed, options.checks ?? allClusterChecks(), options.breakage);
  try {
    await new ClusterSim(world, weather).run();
  } catch (cause) {
    const what = `seed ${seed}, ${weather}, ${world.machines.length} members, at ${(world.now / 1000).toFixed(2)} s`;
    throw new Error(`${what}: ${(cause as Error).message}\n  ${world.trace.slice(-TRACE_LINES).join("\n  ")}`, {
      cause,
    });
  }
  return world;
}

class ClusterSim {
  readonly #world: ClusterWorld;
  readonly #weather: ClusterWeather;
  readonly #random: Random;
  readonly #byName: boolean;
  /** Members that are to run in the end, and are listed. */
  #listed: SimMachine[] = [];
  #nextAddress = 1;

  constructor(world: ClusterWorld, weather: ClusterWeather) {
    this.#world = world;
    this.#weather = weather;
    this.#random = world.random;
    this.#byName = this.#random.chance(0.3);
  }

  async run(): Promise<void> {
    const world = this.#world;
    const random = this.#random;
    const size = random.pick(this.#weather === "calm" ? [1, 2, 3, 5] : [2, 3, 3, 3, 4, 5]);
    const isNew = random.chance(0.5);
    for (let at = 0; at < size; at++)
      this.#listed.push(world.addMachine(isNew ? `c${random.below(1e6)}` : "prod", !isNew));
    if (this.#weather !== "calm" && random.chance(0.1)) this.#addForeign();
    if (this.#weather === "everything")
      for (const machine of this.#listed) machine.clockOffsetMs = random.pick([0, 0, 300, -900]);
    this.#tellLists();
    for (const machine of world.machines)
      world.agenda.at(random.chance(0.7) ? random.below(500) : random.below(5000), () => world.start(machine));
    for (let at = 0; at < 5; at++) world.addSdk(this.#side(), () => this.#servers());
    for (let at = 0; at < 2; at++) world.addBeater(this.#side(), "beats", this.#address());
    world.agenda.at(2000, () => this.#begin());
    await world.runFor(FORMED_MS);
    const end = world.now + BUSY_MS;
    for (let at = world.now; at < end; at += 200 + random.below(1200)) world.agenda.at(at, () => this.#act());
    if (this.#weather !== "calm")
      for (let at = world.now; at < end; at += 2000 + random.below(9000)) world.agenda.at(at, () => this.#fault());
    await world.runFor(BUSY_MS);
    this.#mend();
    await world.runFor(REST_MS);
    world.rest();
  }

  #begin(): void {
    for (const sdk of this.#world.sdks) {
      for (const service of this.#random.some(SERVICES)) this.#publish(sdk, service);
      for (const service of [...this.#random.some(SERVICES), "beats"]) sdk.subscribe(service);
    }
    for (const beater of this.#world.beaters) this.#world.register(beater);
  }

  #side(): SimMachine | undefined {
    return this.#random.chance(0.5) ? this.#random.pick(this.#listed) : undefined;
  }

  #address(): string {
    return `10.1.0.${this.#nextAddress++}:8080`;
  }

  #servers(): string[] {
    return this.#listed.map(({ ip }) => ip);
  }

  #tellLists(machines: readonly SimMachine[] = this.#listed): void {
    const lines = this.#listed.map((machine) => (this.#byName ? `${machine.place}.nacre:8848` : machine.address));
    this.#world.editLists(`${lines.join("\n")}\n`, machines);
  }

  /** A member of another cluster whose list names these, or that is named here. */
  #addForeign(): void {
    const foreign = this.#world.addMachine("stage", true);
    this.#world.foreign.add(foreign);
    foreign.list = [foreign, ...this.#listed].map(({ address }) => address).join("\n");
  }

  // Clients

  #publish(sdk: SimSdk, service: string): void {
    const held = [...this.#world.truths.values()].filter(
      (truth) => truth.publisher === sdk && truth.service === service && truth.state === "wanted",
    );
    const count = this.#random.pick([1, 1, 1, 3]);
    const zone = `z${this.#random.below(4)}`;
    const instances = Array.from({ length: count }, (_, at): SimInstance => {
      const address = held[at]?.address ?? this.#address();
      return { address, zone };
    });
    this.#world.publish(sdk, service, instances);
  }

  #act(): void {
    const world = this.#world;
    const random = this.#random;
    if (random.chance(0.15)) return this.#actOverHttp(random.pick(world.beaters));
    const sdk = random.pick(world.sdks.filter(({ process }) => process.isAlive));
    const draw = random.next();
    const services = [...sdk.wanted.keys()];
    if (draw < 0.45) this.#publish(sdk, random.pick(SERVICES));
    else if (draw < 0.65 && services.length > 0) void world.deregister(sdk, random.pick(services));
    else if (draw < 0.75) sdk.subscribe(random.pick(SERVICES));
    else if (draw < 0.85) sdk.move();
    else if (draw < 0.93) {
      world.die(sdk, random.chance(0.6) ? "on" : "off");
      const next = world.addSdk(this.#side(), () => this.#servers());
      for (const service of random.some(SERVICES)) this.#publish(next, service);
      for (const service of random.some(SERVICES)) next.subscribe(service);
    }
  }

  #actOverHttp(beater: SimBeater): void {
    const world = this.#world;
    if (!beater.process.isAlive || beater.isWithdrawing) return;
    if (!beater.wanted) return world.register(beater);
    if (this.#random.chance(0.7)) void world.withdraw(beater);
    else {
      world.die(beater);
      world.register(world.addBeater(this.#side(), "beats", this.#address()));
    }
  }

  // Faults

  #fault(): void {
    const { net } = this.#world;
    const random = this.#random;
    const weather =
      this.#weather === "everything"
        ? random.pick(["lossy", "partitions", "crashes", "plans"] as const)
        : this.#weather;
    switch (weather) {
      case "lossy":
        if (random.chance(0.3)) return this.#pause(random.pick(this.#listed));
        Object.assign(net.weather, { loss: random.pick([0, 0.1, 0.3]), delayMaxMs: random.pick([20, 200, 1000]) });
        return this.#world.log(`loss ${net.weather.loss}, delays to ${net.weather.delayMaxMs} ms`);
      case "partitions":
        return this.#partition();
      case "crashes":
        return this.#crash(random.pick(this.#listed));
      default:
        return this.#plan();
    }
  }

  #pause(machine: SimMachine): void {
    const ms = this.#random.pick([300, 2000, 10_000]);
    this.#world.log(`${machine.place} stands still for ${ms} ms`);
    machine.member?.process.pause(ms);
  }

  #partition(): void {
    const world = this.#world;
    const random = this.#random;
    const side = random.some(this.#listed);
    const rest = this.#listed.filter((machine) => !side.includes(machine));
    const forMs = random.pick([500, 4000, 20_000]);
    const isOneWay = random.chance(0.25);
    world.log(
      `${isOneWay ? "one way " : ""}cut for ${forMs} ms: ${side.map(({ place }) => place)} | ${rest.map(({ place }) => place)}`,
    );
    for (const a of side)
      for (const b of rest) {
        world.net.cut(a.place, b.place);
        if (!isOneWay) world.net.cut(b.place, a.place);
        world.agenda.at(world.now + forMs, () => {
          world.net.heal(a.place, b.place);
          world.net.heal(b.place, a.place);
        });
      }
  }

  #crash(machine: SimMachine): void {
    const world = this.#world;
    const random = this.#random;
    if (random.chance(0.15)) {
      // All at once, as after a loss of power or a change that is rolled out without care.
      for (const each of this.#listed) this.#crashOne(each, random.below(3000));
      return;
    }
    // Half of the members at most, so that somebody is there to remember.
    if (world.ready.length * 2 <= this.#listed.length) return;
    this.#crashOne(machine, random.pick([300, 2000, 8000, 30_000]));
  }

  #crashOne(machine: SimMachine, downMs: number): void {
    const world = this.#world;
    world.kill(machine, this.#random.chance(0.5) ? "on" : "off");
    const draw = this.#random.next();
    world.agenda.at(world.now + downMs, () => {
      if (machine.member !== undefined) return;
      if (draw < 0.15 && world.ready.length > 0) this.#readdress(machine);
      else if (draw < 0.25 && world.ready.length > 0) {
        world.log(`${machine.place} has a new data folder`);
        world.hasReplaced = true;
        machine.install(
          `${machine.place}-${this.#random.below(1e9).toString(36)}`,
          `c${this.#random.below(1e6)}`,
          false,
        );
      }
      world.start(machine);
    });
  }

  #readdress(machine: SimMachine): void {
    machine.ip = this.#world.newIp();
    this.#world.log(`${machine.place} moves to ${machine.ip}`);
    this.#tellLists();
  }

  /** What operators do on purpose. */
  #plan(): void {
    const world = this.#world;
    const random = this.#random;
    const draw = random.next();
    const machine = random.pick(this.#listed);
    if (draw < 0.5) {
      if (world.ready.length < this.#listed.length) return;
      void this.#restart(machine);
    } else if (draw < 0.65 && this.#listed.length < 6) this.#grow();
    else if (draw < 0.8 && this.#listed.length > 2) void this.#shrink(machine);
    else if (draw < 0.9) this.#spoilList(machine);
    else if (draw < 0.95) this.#setClock(machine);
    else this.#shut(machine);
  }

  #shut(machine: SimMachine): void {
    const world = this.#world;
    world.log(`the cluster port of ${machine.place} is shut`);
    world.agenda.at(world.now + this.#random.pick([3000, 10_000, 20_000]), world.shut(machine));
    // What stands goes on until one of the two is started anew.
    if (this.#random.chance(0.7)) void this.#restart(this.#random.pick(this.#listed));
  }

  async #restart(machine: SimMachine): Promise<void> {
    const world = this.#world;
    world.spoilt.add(`${machine.place} is down`);
    await machine.member?.stop();
    world.agenda.at(world.now + 200 + this.#random.below(3000), () => {
      world.start(machine);
    });
  }

  #grow(): void {
    const world = this.#world;
    const machine = world.addMachine(`c${this.#random.below(1e6)}`, false);
    this.#listed.push(machine);
    world.log(`${machine.place} is new`);
    this.#tellLists([machine]);
    world.start(machine);
    world.spoilt.add(`lists without ${machine.place}`);
    world.agenda.at(world.now + this.#random.below(4000), () => {
      this.#tellLists();
      world.spoilt.delete(`lists without ${machine.place}`);
    });
  }

  async #shrink(machine: SimMachine): Promise<void> {
    const world = this.#world;
    const { member } = machine;
    if (member === undefined || world.ready.length < this.#listed.length) return;
    this.#listed = this.#listed.filter((each) => each !== machine);
    world.log(`${machine.place} is taken away`);
    this.#tellLists();
    if (member.isUp) member.cluster.leave(true);
    await member.stop();
  }

  #spoilList(machine: SimMachine): void {
    const world = this.#world;
    const whole = machine.list ?? "";
    const broken = this.#random.pick(["", whole.slice(0, this.#random.below(whole.length)), `${whole}10.0.0.1:port\n`]);
    world.log(`the list of ${machine.place} reads ${JSON.stringify(broken)}`);
    world.editLists(broken, [machine]);
    world.spoilt.add(`list of ${machine.place}`);
    world.agenda.at(world.now + this.#random.pick([300, 5000]), () => {
      this.#tellLists([machine]);
      world.spoilt.delete(`list of ${machine.place}`);
    });
  }

  #setClock(machine: SimMachine): void {
    const ms = this.#random.pick([-600_000, 600_000, 5000]);
    this.#world.log(`the clock of ${machine.place} is set by ${ms} ms`);
    machine.clockOffsetMs += ms;
    const what = `clock of ${machine.place} by ${ms} ms`;
    this.#world.spoilt.add(what);
    this.#world.agenda.at(this.#world.now + 20_000, () => {
      machine.clockOffsetMs -= ms;
      this.#world.spoilt.delete(what);
    });
  }

  #mend(): void {
    const world = this.#world;
    world.heal();
    this.#tellLists();
    for (const machine of this.#listed) {
      if (machine.member?.isStopping === true) continue;
      world.start(machine);
    }
  }
}
