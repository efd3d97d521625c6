import { allRaftCheckers } from "./raft-checks/all.ts";
import { LEADER_MS } from "./raft-checks/cp11-liveness.ts";
import type { Outcome } from "./raft-sim-clients.ts";
import type { RaftMember } from "./raft-sim-member.ts";
import type { Operation } from "./raft-sim-model.ts";
import { type RaftBreakage, type RaftChecker, RaftWorld } from "./raft-sim-world.ts";

/** What may go wrong in a run. */
export type RaftWeather =
  | "calm"
  | "lossy"
  | "partitions"
  | "crashes"
  | "disks"
  | "membership"
  /** Leaders reach few, and end soon: figure 8 of the paper. */
  | "shortReigns"
  /** Somebody else is elected while the leader still counts on its lease, if that can be. */
  | "leases"
  | "everything";
export const RAFT_WEATHERS: readonly RaftWeather[] = [
  "calm",
  "lossy",
  "partitions",
  "crashes",
  "disks",
  "membership",
  "shortReigns",
  "leases",
  "everything",
];

export interface RaftSimOptions {
  readonly weather?: RaftWeather;
  readonly breakage?: RaftBreakage;
  readonly checkers?: readonly RaftChecker[];
  readonly busyMs?: number;
  /** A member whose files would be damaged has another state than the others instead. */
  readonly losesStates?: boolean;
}

const DEADLINE_MS = 3_000;

/**
 * One run: a group whose size, start and faults follow from the seed, with clients that write and read through any
 * member; then everything heals, and writes through every member have to succeed.
 *
 * @throws Error naming the seed, the weather and the last things that happened.
 */
export function runRaftSim(seed: number, options: RaftSimOptions = {}): RaftWorld {
  const weather = options.weather ?? (RAFT_WEATHERS[seed % RAFT_WEATHERS.length] as RaftWeather);
  const world = new RaftWorld(seed, options.breakage ?? {}, options.checkers ?? allRaftCheckers());
  try {
    new RaftSim(world, weather, options).run();
  } catch (cause) {
    const told = cause instanceof Error ? cause.message : String(cause);
    const last = world.trace.slice(-40).join("\n  ");
    throw new Error(`seed ${seed}, ${weather}, at ${world.now.toFixed(1)} ms: ${told}\n  ${last}`, { cause });
  }
  return world;
}

class RaftSim {
  readonly #world: RaftWorld;
  readonly #weather: RaftWeather;
  readonly #busyMs: number;
  readonly #losesStates: boolean;
  #clients = 0;
  #value = 0;
  #isOver = false;
  /** Nobody asks for anything while the group heals: what it lacks has to come without. */
  readonly #isQuiet: boolean;
  #damagedAt = -Infinity;
  /** The last term that was cut short. */
  #reigned = 0;

  constructor(world: RaftWorld, weather: RaftWeather, { busyMs = 10_000, losesStates = false }: RaftSimOptions) {
    this.#world = world;
    this.#weather = weather;
    this.#busyMs = busyMs;
    this.#losesStates = losesStates;
    this.#isQuiet = world.random.chance(0.4);
  }

  run(): void {
    const world = this.#world;
    const { random } = world;
    world.snapshotEvery = random.pick([8, 25, 25, 1_000]);
    const size = this.#weather === "leases" ? 3 : random.pick([1, 2, 3, 3, 3, 3, 5]);
    const isGrown = this.#weather !== "leases" && random.chance(0.25);
    const ids = Array.from({ length: size }, (_, at) => `m${at}`);
    for (const id of ids) {
      world.wanted.add(id);
      world.add(isGrown ? (id === "m0" ? ["m0"] : []) : ids);
    }
    for (const member of world.members) world.at(random.below(200), () => member.start());
    const clients = 2 + random.below(4);
    for (let client = 0; client < clients; client++) world.at(random.below(2_000), () => this.#live(`c${client}`));
    const end = this.#busyMs;
    if (this.#weather !== "calm")
      for (let at = 1_500; at < end; at += 300 + random.below(2_000)) world.at(at, () => this.#fault());
    world.losesOnTheWay = this.#weather === "shortReigns";
    if (this.#weather === "shortReigns") for (let at = 1_000; at < end; at += 2) world.at(at, () => this.#reign());
    if (this.#weather === "lossy" || this.#weather === "everything") this.#spoil();
    world.runUntil(end);
    this.#heal();
    // What was sent before the end may still be on its way; and a member that fell behind has to catch up.
    world.runUntil(world.healedAt + LEADER_MS + 500);
    this.#isOver = true;
    this.#finish();
    world.runUntil(world.now + DEADLINE_MS + 1_500);
    for (const checker of world.checkers) checker.ended?.(world);
  }

  // Clients

  /** Asks one thing after another, of whom it likes. */
  #live(client: string): void {
    const world = this.#world;
    const { random } = world;
    if (this.#isOver || (this.#isQuiet && world.now > world.healedAt)) return;
    const running = world.running();
    const thinkMs = this.#weather === "leases" ? random.below(40) : 20 + random.below(200);
    const member = random.pick(running);
    if (member === undefined || member.pausedUntil > world.now) {
      world.at(world.now + thinkMs, () => this.#live(client));
      return;
    }
    this.#ask(client, member, this.#operation(), ({ type }) => {
      // Whoever does not know what came of it goes on as somebody else: the write may still come.
      const next = type === "unknown" || type === "applied" ? `c${100 + this.#clients++}` : client;
      world.at(world.now + thinkMs, () => this.#live(next));
    });
  }

  #ask(client: string, member: RaftMember, input: Operation, then: (outcome: Outcome) => void): void {
    const world = this.#world;
    const calledAt = ++world.moment;
    const record = (returnedAt: number | undefined, output?: number) =>
      world.history.push({ client, calledAt, returnedAt, input, output });
    member.clients.submit(input, DEADLINE_MS, (outcome) => {
      if (outcome.type === "done") record(++world.moment, outcome.output);
      else if (outcome.type !== "notApplied" && input.type !== "get") record(undefined);
      then(outcome);
    });
  }

  #operation(): Operation {
    const { random } = this.#world;
    const key = random.pick(["a", "b"]);
    const kind = random.below(10);
    if (kind < (this.#weather === "leases" ? 6 : 4)) return { type: "get", key };
    if (kind < 7) return { type: "set", key, value: ++this.#value * 1_000 };
    if (kind < 9) return { type: "add", key, value: 1 };
    return { type: "cas", key, expected: this.#value * 1_000, value: ++this.#value * 1_000 };
  }

  /** After healing a write through every member succeeds. */
  #finish(): void {
    const world = this.#world;
    for (const member of world.running()) {
      if (!world.wanted.has(member.id)) continue;
      this.#ask(`end ${member.id}`, member, { type: "add", key: "b", value: 1 }, (outcome) => {
        if (outcome.type !== "done" && outcome.type !== "applied")
          throw new Error(`CP-11: a write through ${member.id} is ${outcome.type}`);
      });
    }
  }

  // Faults

  #fault(): void {
    const { random } = this.#world;
    const kind =
      this.#weather === "everything"
        ? random.pick(["partitions", "crashes", "crashes", "disks", "membership", "lossy"] as const)
        : this.#weather;
    if (this.#world.links.chance(0.3)) this.#flap();
    if (kind === "lossy") this.#pause();
    if (kind === "partitions") this.#partition();
    if (kind === "crashes") this.#crash();
    if (kind === "disks") this.#disk();
    if (kind === "leases") this.#lease();
    if (kind === "membership") this.#members();
  }

  #spoil(): void {
    const world = this.#world;
    world.lost = world.random.pick([0, 0.05, 0.2]);
    world.doubled = 0.1;
    world.delayMaxMs = world.random.pick([20, 100, 1_500]);
  }

  /** A link ends, and is there again soon; the members at its ends live. */
  #flap(): void {
    const world = this.#world;
    const { links, members } = world;
    const [a, b] = [world.leaders()[0] ?? links.pick(members), links.pick(members)];
    if (a === undefined || b === undefined || a === b) return;
    const ms = links.pick([1, 50, 900, 2_500]);
    world.log(`the link of ${a.id} and ${b.id} ends for ${ms} ms`);
    const ways = [`${a.id}>${b.id}`, `${b.id}>${a.id}`].filter((way) => !world.cut.has(way));
    for (const way of ways) world.cut.add(way);
    world.linkEnds(a, [b]);
    world.linkEnds(b, [a]);
    world.at(world.now + ms, () => {
      for (const way of ways) world.cut.delete(way);
      world.linkBegins(a, [b]);
      world.linkBegins(b, [a]);
    });
  }

  #pause(): void {
    const world = this.#world;
    const member = world.random.pick(world.members);
    const ms = world.random.pick([100, 900, 1_300, 4_000]);
    world.log(`${member.id} stands still for ${ms} ms`);
    member.pausedUntil = Math.max(member.pausedUntil, world.now + ms);
  }

  #partition(): void {
    const world = this.#world;
    const { random, members } = world;
    const leader = world.leaders()[0];
    const side = new Set(leader !== undefined && random.chance(0.4) ? [leader] : random.some(members));
    const isOneWay = random.chance(0.3);
    const ms = random.pick([300, 1_200, 2_500, 5_000]);
    world.log(`cut ${[...side].map(({ id }) => id)} ${isOneWay ? "one way" : ""} for ${ms} ms`);
    for (const a of members)
      for (const b of members) {
        if (side.has(a) === side.has(b) || (isOneWay && side.has(a))) continue;
        const way = `${a.id}>${b.id}`;
        world.cut.add(way);
        world.at(world.now + ms, () => world.cut.delete(way));
      }
    if (random.chance(0.5)) for (const a of members) for (const b of members) if (a !== b) this.#tellReach(a, b);
  }

  #tellReach(a: RaftMember, b: RaftMember): void {
    const world = this.#world;
    if (!world.cut.has(`${a.id}>${b.id}`)) return;
    a.feed({ type: "peerUnreachable", id: b.id });
    world.at(world.now + 2_000, () => a.feed({ type: "peerReachable", id: b.id }));
  }

  #crash(): void {
    const world = this.#world;
    const { random } = world;
    const leader = world.leaders()[0];
    const running = world.running();
    if (running.length === 0) return;
    const victims = random.chance(0.15)
      ? running
      : [leader !== undefined && random.chance(0.5) ? leader : random.pick(running)];
    for (const member of victims) {
      if (random.chance(0.2)) member.feed({ type: "transfer", to: undefined });
      member.crash();
      world.at(world.now + random.pick([5, 200, 1_500, 3_000]), () => member.start());
    }
  }

  /** Whoever has just begun to lead reaches only some, takes a write, and ends. */
  #reign(): void {
    const world = this.#world;
    const { random, members } = world;
    for (const leader of world.leaders()) {
      const term = leader.core?.term ?? 0;
      if (term <= this.#reigned) continue;
      this.#reigned = term;
      const deaf = members.filter((one) => one !== leader && random.chance(0.6));
      const ways = deaf.flatMap(({ id }) => [`${leader.id}>${id}`, `${id}>${leader.id}`]);
      for (const way of ways) world.cut.add(way);
      this.#ask(`c${100 + this.#clients++}`, leader, this.#operation(), () => {});
      world.at(world.now + random.pick([2, 10, 25]), () => {
        leader.crash();
        for (const way of ways) world.cut.delete(way);
      });
      world.at(world.now + random.pick([100, 1_500, 3_000]), () => leader.start());
    }
  }

  /** A voter that forgets whom it follows, or that was told to campaign, while the leader cannot hear of it. */
  #lease(): void {
    const world = this.#world;
    const { random } = world;
    const leader = world.leaders()[0];
    const others = world.running().filter((one) => one !== leader);
    const helper = random.pick(others);
    if (leader === undefined || helper === undefined) return;
    if (random.chance(0.3)) {
      leader.feed({ type: "transfer", to: helper.id });
      world.at(world.now + random.next() * 6, () => this.#isolate(leader, others, 2_500));
      return;
    }
    this.#isolate(
      leader,
      others.filter((one) => one !== helper),
      4_000,
    );
    for (let at = 900; at < 3_500; at += 20 + random.below(120))
      world.at(world.now + at, () => {
        if (leader.core?.role !== "leader" || helper.core === undefined) return;
        // Now it does not know that it follows somebody; and once it has told others so, the leader hears nothing more.
        helper.crash();
        helper.start();
      });
  }

  #isolate(member: RaftMember, from: readonly RaftMember[], ms: number): void {
    const world = this.#world;
    for (const { id } of from)
      for (const way of [`${member.id}>${id}`, `${id}>${member.id}`]) {
        world.cut.add(way);
        world.at(world.now + ms, () => world.cut.delete(way));
      }
  }

  #disk(): void {
    const world = this.#world;
    const { random } = world;
    const member = random.pick(world.members);
    const { disk } = member;
    switch (random.below(4)) {
      case 0: {
        world.log(`the disk of ${member.id} is full`);
        disk.isFull = true;
        if (random.chance(0.3)) member.feed({ type: "diskRefuses" });
        world.at(world.now + random.pick([100, 1_000, 4_000]), () => {
          disk.isFull = false;
        });
        return;
      }
      case 1:
        disk.delayMaxMs = random.pick([2, 30, 300]);
        return;
      case 2:
        return this.#crash();
      case 3:
        return this.#damage(member);
    }
  }

  /** A member loses its log, or everything; never a second one before the first is whole again. */
  #damage(member: RaftMember): void {
    const world = this.#world;
    const { members, random, wanted } = world;
    if (members.some(({ disk }) => disk.trust !== "whole") || world.now < this.#damagedAt + 3_000) return;
    const core = world.leaders()[0]?.core;
    // While voters change it may be one of two that cannot do without each other.
    if (core === undefined || core.configurationIndex > core.commit) return;
    const { voters } = core.configuration;
    const isSettled = voters.length === wanted.size && voters.every((id) => wanted.has(id));
    if (!isSettled || !wanted.has(member.id) || voters.length < 3) return;
    if (!members.every(({ core, id }) => core !== undefined || !wanted.has(id))) return;
    this.#damagedAt = world.now;
    if (this.#losesStates) {
      world.log(`the state of ${member.id} differs`);
      member.feed({ type: "stateLost" });
      return;
    }
    member.crash();
    const votes = random.chance(0.5);
    world.log(`${member.id} loses ${votes ? "everything" : "its log"}`);
    member.disk.damage(votes);
    world.at(world.now + random.pick([5, 500, 2_000]), () => member.start());
  }

  #members(): void {
    const world = this.#world;
    const { random, wanted } = world;
    const leader = world.leaders()[0];
    // Of two voters of which one has lost everything the other can do nothing alone.
    if (world.members.some(({ disk }) => disk.trust !== "whole")) return;
    if (random.chance(0.3)) leader?.feed({ type: "transfer", to: random.pick(world.members).id });
    if (random.chance(0.5) && wanted.size > 1) {
      const id = random.pick([...wanted]);
      world.log(`${id} is to go`);
      wanted.delete(id);
    } else if (wanted.size < 5) {
      const away = world.members.find(({ id }) => !wanted.has(id));
      const member = away ?? world.add([]);
      world.log(`${member.id} is to come`);
      wanted.add(member.id);
      member.start();
    }
  }

  #heal(): void {
    const world = this.#world;
    const lateMs = world.delayMaxMs;
    world.cut.clear();
    Object.assign(world, { lost: 0, doubled: 0, delayMaxMs: 5 });
    for (const member of world.members) {
      member.disk.isFull = false;
      member.disk.delayMaxMs = 8;
      member.start();
    }
    const pausedUntil = Math.max(...world.members.map((member) => member.pausedUntil));
    world.healedAt = Math.max(world.now + lateMs, pausedUntil);
    world.log("healed");
  }
}
