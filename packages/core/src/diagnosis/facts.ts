import type { DistroFacts } from "../distro/facts.ts";
import type { Millis } from "../lib/units.ts";
import type { Address } from "../membership/address.ts";
import type {
  LinkErrorFact,
  ListDifference,
  ListFact,
  PeerFact,
  ReachFact,
  RefusedFact,
  SelfFact,
} from "../membership/facts.ts";
import type { MemberId } from "../membership/frames.ts";
import type { Trust } from "../raft/model.ts";

/**
 * What one member knows of itself at one moment: plain data, gathered by the shell about once a second. A part that is
 * undefined is not known here, and nothing is found from it. Moments are on the clock of `now`, durations end in `Ms`.
 */
export interface DiagnosisFacts {
  readonly process: ProcessFacts;
  /** Undefined for a member that runs alone on purpose (standalone). */
  readonly members: MembersFacts | undefined;
  /** Where the list of members comes from; undefined when nowhere. */
  readonly lookup: LookupFacts | undefined;
  readonly distro: DistroFacts | undefined;
  /** One for each member to which writes of address clients fail to be forwarded. */
  readonly forwarding: readonly ForwardingFact[];
  readonly naming: NamingFacts | undefined;
  readonly connections: ConnectionsFacts | undefined;
  readonly durable: DurableFacts | undefined;
  /** Undefined where durable data belongs to no group. */
  readonly group: GroupFacts | undefined;
  readonly log: LogFacts | undefined;
  readonly store: StoreFacts | undefined;
  readonly disk: DiskFacts | undefined;
  readonly clock: ClockFacts;
}

export interface ProcessFacts {
  readonly startedAt: Millis;
  /** `starting`: its ports are open and no client is let in. `stopping`: it was told to stop. */
  readonly stage: "starting" | "running" | "stopping";
  /** Main port, as members write it in lists. */
  readonly port: number;
  /** Where this member is as long as it knows of no list that says otherwise. */
  readonly address: string;
  /** Set by an operator in place of what the member would say of itself. */
  readonly statusSet: { readonly status: string; readonly since: Millis } | undefined;
  /** The last time that this process stood still for a second or more; `at` is when it went on. */
  readonly pause: { readonly at: Millis; readonly lengthMs: Millis } | undefined;
  readonly memory: { readonly usedBytes: number; readonly limitBytes: number } | undefined;
  /** Queues and tables with a bound that clients or peers can fill. */
  readonly queues: readonly QueueFact[];
}

export interface QueueFact {
  /** Part of a sentence: "pushes that wait". */
  readonly what: string;
  readonly held: number;
  readonly max: number;
  /** What happens at the bound, part of a sentence: "the oldest are dropped". */
  readonly atMax: string;
}

/** What `self`, `peers`, `unfound` and so on of `core/membership` answer at this moment. */
export interface MembersFacts {
  readonly self: SelfFact;
  readonly peers: readonly PeerFact[];
  readonly unfound: readonly UnfoundFact[];
  readonly list: ListFact;
  readonly listDifferences: readonly ListDifference[];
  readonly refusals: readonly RefusedFact[];
  readonly reach: ReachFact;
  /** Members listen for each other at their main port plus this. */
  readonly portOffset: number;
  /** Whether this member listens there. */
  readonly portOpen: boolean;
}

export interface UnfoundFact {
  readonly address: Address;
  readonly since: Millis;
  readonly refused: boolean;
  readonly errors: readonly LinkErrorFact[];
}

export interface LookupFacts {
  readonly kind: "file" | "option" | "addressServer";
  /** Path, name of the option, or URL. */
  readonly where: string;
  /** Of the last reading; undefined when it worked. */
  readonly error: string | undefined;
  /** Readings in a row that failed. */
  readonly failures: number;
  /** Since when they fail. */
  readonly failingSince: Millis | undefined;
  readonly readAt: Millis | undefined;
}

export interface ForwardingFact {
  readonly to: MemberId;
  readonly since: Millis;
  readonly error: string;
  /** Clients that this member serves in its place. */
  readonly clients: number;
}

export interface NamingFacts {
  /**
   * Address clients owned here that are unhealthy because their heartbeats stopped, by the agent that they name. Those
   * that wait because their owner or this member restarted are not among them.
   */
  readonly silent: readonly SilentClients[];
}

export interface SilentClients {
  /** As the client names itself: `Nacos-Java-Client:v1.4.1`; empty when it does not. */
  readonly agent: string;
  readonly clients: number;
  /** Address clients of this agent, silent or not. */
  readonly of: number;
  /** When the first of them was last heard. */
  readonly heardAt: Millis;
  /** Its address. */
  readonly example: string;
}

export interface ConnectionsFacts {
  /** Connections of clients per member that told its count, this one among them. */
  readonly counts: readonly { readonly id: MemberId; readonly count: number }[];
  /** Whether connections are being moved. */
  readonly moving: boolean;
}

/** What this member holds of durable data. */
export interface DurableFacts {
  readonly configs: number;
  /** Without the default one, which every member has. */
  readonly namespaces: number;
  readonly persistentInstances: number;
}

/** The group that decides on durable data, as this member knows it. */
export interface GroupFacts {
  readonly self: MemberId;
  readonly leader: MemberId | undefined;
  readonly term: number;
  readonly voters: readonly MemberId[];
  /** Members that hold a copy and do not vote. */
  readonly learners: readonly MemberId[];
  readonly appliedIndex: number;
  readonly snapshotIndex: number;
  readonly logBytes: number;
  /** Bytes of log after which a snapshot is to be taken. */
  readonly snapshotLogBytes: number;
  /** What is left of what this member had acknowledged, and of what it led to. */
  readonly trust: Trust;
  /** Why this member applies nothing more, and the mend: a sentence without its end. */
  readonly stopped: string | undefined;
  /** What a leader knows; nobody else knows any. */
  readonly followers: readonly FollowerFact[];
  /** Where the same entries led to another state than at this member, which leads. */
  readonly differing: readonly { readonly id: MemberId; readonly index: number }[];
  /** Entries since its start that were no command, so that nothing came of them; of the last one the place, and why. */
  readonly passedOver: { readonly count: number; readonly index: number; readonly why: string } | undefined;
  /** Voters that there have to be before the first change is taken; undefined once changes are taken. */
  readonly votersNeeded: number | undefined;
  /** What this member waits for before it serves durable data, as a clause: to have what was committed before it began. */
  readonly catchingUp: string | undefined;
  /** Folders with what this member held before it took up another group, or its group went on without it. */
  readonly leftBehind: readonly LeftBehindFact[];
}

export interface LeftBehindFact {
  readonly folder: string;
  /** Undefined where that was not noted. */
  readonly at: Millis | undefined;
  /** What is in it; undefined where that was not noted. */
  readonly holds: DurableFacts | undefined;
}

export interface FollowerFact {
  readonly id: MemberId;
  /** The last entry that it is known to have. */
  readonly match: number;
  /** Entries that it lacks. */
  readonly lag: number;
  readonly trust: Trust;
  /** Bytes of a snapshot that it is being sent. */
  readonly snapshot: { readonly sent: number; readonly total: number } | undefined;
}

export interface LogFacts {
  /** Set while durable writes are refused: the reason and the mend. */
  readonly refusing: string | undefined;
}

export interface StoreFacts {
  /** Set while configurations cannot be read, or what was written does not get into the store: reason and mend. */
  readonly error: string | undefined;
}

export interface DiskFacts {
  /** The data folder. */
  readonly path: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** The longest sync of the last few seconds. */
  readonly syncMs: Millis;
}

export interface ClockFacts {
  /** The last time that the wall clock moved by itself, by more than a second; ahead is positive. */
  readonly jump: { readonly at: Millis; readonly byMs: Millis } | undefined;
}
