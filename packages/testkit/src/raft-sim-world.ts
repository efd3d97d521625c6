import type { Admission, Effect, Event, Raft, RaftOptions, Stamp } from "@nacre/core/raft";
import { step } from "@nacre/core/raft";
import { Agenda } from "./agenda.ts";
import type { Operation as Recorded } from "./linearizability.ts";
import type { Outcome } from "./raft-sim-clients.ts";
import { type Packet, RaftMember } from "./raft-sim-member.ts";
import type { Entry, MachineBreakage, Operation } from "./raft-sim-model.ts";
import { Random } from "./random.ts";

/** What a deliberately broken member does; a sound one does nothing of it. */
export interface RaftBreakage {
  /** In place of the core's own. */
  readonly step?: typeof step;
  readonly options?: Partial<RaftOptions>;
  readonly machine?: MachineBreakage;
  /** Messages do not wait for the disk. */
  readonly sendsEarly?: boolean;
  readonly forgetsVotes?: boolean;
  /** Clients are answered when the leader has taken their write. */
  readonly answersEarly?: boolean;
}

/** Sees what happens, and throws when a promise does not hold. */
export interface RaftChecker {
  started?(world: RaftWorld, member: RaftMember): void;
  stepped?(world: RaftWorld, member: RaftMember, event: Event, effects: readonly Effect[]): void;
  /** After the machine has applied `entry`; its index is the machine's. */
  applied?(world: RaftWorld, member: RaftMember, entry: Entry, admission: Admission | undefined): void;
  installed?(world: RaftWorld, member: RaftMember): void;
  answered?(world: RaftWorld, member: RaftMember, stamp: Stamp, outcome: Outcome, appliedIndex: number): void;
  looked?(world: RaftWorld): void;
  ended?(world: RaftWorld): void;
}

/** Small bounds, so that windows, pieces, chunks and refusals are met with few entries. */
const SMALL: Partial<RaftOptions> = {
  messageBytesMax: 80,
  messageEntriesMax: 5,
  messagesInFlightMax: 3,
  bytesInFlightMax: 200,
  chunkBytes: 40,
  chunksInFlightMax: 2,
  proposalsMax: 30,
  proposalBytesMax: 500,
  readsMax: 8,
};

/** Members with the core of Raft, a network, disks and clocks. Everything follows from the seed. */
export class RaftWorld extends Agenda {
  readonly random: Random;
  /** What members hear of links that end: apart, so that a seed draws everything else as it did. */
  readonly links: Random;
  readonly breakage: RaftBreakage;
  readonly options: Partial<RaftOptions>;
  readonly step: (state: Raft, event: Event, now: number) => readonly Effect[];
  readonly checkers: readonly RaftChecker[];
  readonly members: RaftMember[] = [];
  /** The voters that the operator asked for. */
  readonly wanted = new Set<string>();
  readonly history: Recorded<Operation, number>[] = [];
  readonly trace: string[] = [];
  /** `a>b`: nothing goes from a to b. */
  readonly cut = new Set<string>();
  /** A cut takes what is on its way, too. */
  losesOnTheWay = false;
  lost = 0;
  doubled = 0;
  delayMaxMs = 5;
  snapshotEvery = 25;
  /** What was committed, by whoever said so first: the entry of index 1 comes first. */
  readonly committed: Entry[] = [];
  /** The term of whoever said so. */
  readonly committedIn: number[] = [];
  /** Counts what happens: a clock for histories in which no two things happen at once. */
  moment = 0;
  /** Since when everything is whole; Infinity while not. */
  healedAt = Infinity;
  #tokens = 0;

  constructor(seed: number, breakage: RaftBreakage, checkers: readonly RaftChecker[]) {
    super();
    this.random = new Random(seed);
    this.links = new Random(~seed);
    this.breakage = breakage;
    this.checkers = checkers;
    this.options = { ...SMALL, leaseReads: this.random.chance(0.7), ...breakage.options };
    this.step = breakage.step ?? step;
    this.every(250, () => {
      for (const checker of checkers) checker.looked?.(this);
    });
  }

  add(voters: readonly string[]): RaftMember {
    const member = new RaftMember(`m${this.members.length}`, this, voters);
    // Between any two clocks the difference is a tenth at most, which is what leases allow for.
    member.rate = 0.955 + this.random.next() * 0.09;
    member.offsetMs = this.random.below(100_000);
    member.disk.forgetsVotes = this.breakage.forgetsVotes === true;
    this.members.push(member);
    return member;
  }

  token(): number {
    return ++this.#tokens;
  }

  noteCommitted(member: RaftMember, index: number): void {
    while (this.committed.length < index) {
      const entry = member.entry(this.committed.length + 1);
      // What a snapshot stands for was committed, and noted, before.
      if (entry === undefined) return;
      this.committed.push(entry);
      this.committedIn.push(member.core?.term ?? Infinity);
    }
  }

  log(text: string): void {
    this.trace.push(`${this.now.toFixed(1)} ${text}`);
  }

  running(): RaftMember[] {
    return this.members.filter(({ core }) => core !== undefined);
  }

  leaders(): RaftMember[] {
    return this.members.filter(({ core }) => core?.role === "leader");
  }

  post(from: RaftMember, toId: string, packet: Packet): void {
    const to = this.members.find(({ id }) => id === toId);
    if (to === undefined || this.cut.has(`${from.id}>${toId}`) || this.random.chance(this.lost)) return;
    // Only messages of the core may come twice: the shells' questions go over calls that are not repeated.
    const copies = packet.type === "raft" && this.random.chance(this.doubled) ? 2 : 1;
    const { life } = from;
    for (let copy = 0; copy < copies; copy++) {
      const isLate = this.delayMaxMs > 50 && this.random.chance(0.8);
      const delayMs = 0.2 + this.random.next() * (isLate ? 10 : this.delayMaxMs);
      this.at(this.now + delayMs, () => this.#deliver(from, life, to, packet));
    }
  }

  /** A process ended, or a link did: most of those who had one hear of it. */
  linkEnds(of: RaftMember, others: readonly RaftMember[]): void {
    for (const other of others) {
      if (other === of || !this.links.chance(0.8)) continue;
      this.at(this.now + this.links.next() * 20, () => other.hearReach(of.id, "peerUnreachable"));
    }
  }

  /** And it is there again. */
  linkBegins(of: RaftMember, others: readonly RaftMember[]): void {
    for (const other of others)
      if (other !== of) this.at(this.now + this.links.next() * 50, () => other.hearReach(of.id, "peerReachable"));
  }

  #deliver(from: RaftMember, life: number, to: RaftMember, packet: Packet): void {
    if (this.now < to.pausedUntil) {
      this.at(to.pausedUntil + this.random.next(), () => this.#deliver(from, life, to, packet));
      return;
    }
    if (this.losesOnTheWay && this.cut.has(`${from.id}>${to.id}`)) return;
    to.receive(from, life, packet);
  }
}
