import { type DistroOptions, step } from "@nacre/core/distro";
import { allCheckers } from "./distro-checks/all.ts";
import type { Checker, SimClient } from "./distro-model.ts";
import { World } from "./distro-world.ts";

/** What may go wrong in a run. */
export type Weather = "calm" | "lossy" | "partitions" | "crashes" | "everything";
export const WEATHERS: readonly Weather[] = ["calm", "lossy", "partitions", "crashes", "everything"];

export interface SimOptions {
  readonly weather: Weather;
  readonly checkers: readonly Checker[];
  readonly distro?: Partial<DistroOptions>;
  /** In place of the core's own, to see that a checker finds what is wrong with it. */
  readonly step?: typeof step;
  readonly size?: number;
  /** Milliseconds of clients and faults, before everything heals. */
  readonly busyMs?: number;
  /** Milliseconds after that, in which members have to agree. */
  readonly quietMs?: number;
}

/** Small bounds, so that chunks, windows, slices and bounds are met with few clients. */
const SMALL: Partial<DistroOptions> = {
  batchItemsMax: 8,
  listingMax: 6,
  pendingMax: 40,
  batchesInFlightMax: 2,
  stepItemsMax: 3,
};

/**
 * One run: members start, clients come, change, move and go while the weather lasts; then everything heals, and members
 * have to agree.
 *
 * @throws Error that names the seed, the weather and the moment.
 */
export function runDistroSim(seed: number, options: SimOptions): World {
  const { weather, checkers } = options;
  const size = options.size ?? 2 + (seed % 4);
  const world = new World(seed, size, {
    distro: { ...SMALL, ...options.distro },
    step: options.step ?? step,
    checkers,
  });
  try {
    new Sim(world, weather, options.busyMs ?? 30_000, options.quietMs ?? 15_000).run();
  } catch (error) {
    const told = error instanceof Error ? error.message : String(error);
    throw new Error(`seed ${seed}, ${weather}, ${size} members, at ${world.now} ms: ${told}`, { cause: error });
  }
  return world;
}

/** One run whose weather follows from the seed too, with every checker. */
export function runDistroSeed(seed: number): void {
  const weather = WEATHERS[seed % WEATHERS.length] as Weather;
  // Long enough, in some, for everything that is lost to be given up.
  const quietMs = weather === "crashes" || seed % 4 === 0 ? 60_000 : 15_000;
  runDistroSim(seed, { weather, checkers: allCheckers(), quietMs });
}

class Sim {
  readonly #world: World;
  readonly #weather: Weather;
  readonly #busyMs: number;
  readonly #quietMs: number;

  constructor(world: World, weather: Weather, busyMs: number, quietMs: number) {
    this.#world = world;
    this.#weather = weather;
    this.#busyMs = busyMs;
    this.#quietMs = quietMs;
  }

  run(): void {
    const world = this.#world;
    const { random } = world;
    for (const member of world.members) world.at(random.below(300), () => world.start(member));
    if (this.#weather === "calm") world.healedAt = 0;
    world.runUntil(5_000);
    for (let at = 0; at < 12; at++) {
      const kind = at < 9 ? "connection" : "address";
      const name = `10.0.0.${at}`;
      world.clients.push(newClient(name, kind, random.below(world.members.length)));
    }
    const end = world.now + this.#busyMs;
    for (let at = world.now; at < end; at += 50 + random.below(600)) world.at(at, () => this.#act());
    if (this.#weather !== "calm") {
      world.faulty = true;
      if (this.#weather === "lossy" || this.#weather === "everything") this.#spoil();
      for (let at = world.now; at < end; at += 1_000 + random.below(6_000)) world.at(at, () => this.#fault());
    }
    world.runUntil(end);
    this.#heal();
    world.runUntil((this.#weather === "calm" ? end : world.healedAt) + this.#quietMs);
  }

  #act(): void {
    const world = this.#world;
    const { random } = world;
    const client = random.pick(world.clients);
    if (client.deadUntil > world.now) return;
    if (client.kind === "address") {
      if (client.published && random.chance(0.2)) world.processes.unpublish(client);
      else world.processes.change(client);
      return;
    }
    if (client.member !== undefined && client.member.pausedUntil > world.now) return;
    if (client.member === undefined) {
      if (client.published) return;
      const ready = world.ready().filter((member) => member.pausedUntil <= world.now);
      if (ready.length === 0) return;
      const member = random.pick(ready);
      client.side = member.at;
      world.processes.connect(client, member);
      world.processes.publish(client);
    } else if (random.chance(0.6)) world.processes.change(client);
    else if (random.chance(0.5)) world.processes.unpublish(client);
    else this.#move(client);
  }

  /** The process connects to another member; its old connection ends a little later, or before. */
  #move(client: SimClient): void {
    const world = this.#world;
    const ready = world.ready().filter((member) => member.pausedUntil <= world.now);
    const to = world.random.pick(ready);
    const from = client.member;
    if (from === undefined || to === undefined) return;
    world.processes.unpublish(client);
    client.side = to.at;
    world.processes.connect(client, to);
    world.processes.publish(client);
  }

  #fault(): void {
    const world = this.#world;
    const { random } = world;
    const weather =
      this.#weather === "everything" ? random.pick(["partitions", "crashes", "lossy"] as const) : this.#weather;
    if (weather === "partitions") this.#partition();
    if (weather === "crashes") this.#crash();
    if (weather === "lossy") this.#pause();
  }

  #spoil(): void {
    for (const link of this.#world.links.values()) {
      link.loss = this.#world.random.pick([0, 0.1, 0.3]);
      link.duplicates = 0.1;
      link.delayMaxMs = this.#world.random.pick([20, 200, 2_000]);
    }
  }

  #partition(): void {
    const world = this.#world;
    const { random } = world;
    const side = new Set(random.some(world.members));
    const oneWay = random.chance(0.2);
    const forMs = random.pick([500, 4_000, 20_000]);
    for (const a of world.members)
      for (const b of world.members) {
        if (a === b || side.has(a) === side.has(b) || (oneWay && side.has(a))) continue;
        world.link(a, b).cut = true;
        world.at(world.now + forMs, () => {
          world.link(a, b).cut = false;
        });
      }
  }

  #crash(): void {
    const world = this.#world;
    const { random } = world;
    const live = world.live();
    // Half of the members at most, so that somebody is there to remember.
    if (live.length * 2 <= world.members.length) return;
    const member = random.pick(live);
    world.crash(member, random.chance(0.5));
    world.at(world.now + random.pick([300, 2_000, 8_000, 70_000]), () => world.start(member));
  }

  #pause(): void {
    const world = this.#world;
    const member = world.random.pick(world.members);
    member.pausedUntil = Math.max(member.pausedUntil, world.now + world.random.pick([200, 2_000, 10_000]));
  }

  #heal(): void {
    const world = this.#world;
    for (const link of world.links.values())
      Object.assign(link, { cut: false, loss: 0, duplicates: 0, delayMaxMs: 20 });
    for (const member of world.members) {
      if (this.#weather !== "crashes" || world.random.chance(0.5)) world.start(member);
    }
    // What is late is still on its way.
    const lateMs = this.#weather === "lossy" || this.#weather === "everything" ? 2_000 : 0;
    const pausedUntil = Math.max(...world.members.map((member) => member.pausedUntil));
    if (this.#weather !== "calm") world.healedAt = Math.max(world.now + lateMs, pausedUntil);
  }
}

function newClient(name: string, kind: "connection" | "address", side: number): SimClient {
  return {
    name,
    kind,
    clientId: kind === "address" ? `${name}:80#true` : "",
    member: undefined,
    published: false,
    texts: new Map([["s0", 0]]),
    generation: 0,
    changedAt: 0,
    reconnectAt: 0,
    deadUntil: 0,
    beatAt: -10_000,
    side,
  };
}
