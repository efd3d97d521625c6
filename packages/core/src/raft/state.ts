import { assert } from "../lib/assert.ts";
import type { Millis } from "../lib/units.ts";
import type { Effect } from "./events.ts";
import { Log, type Tail } from "./log.ts";
import type { Message } from "./messages.ts";
import {
  type Configuration,
  type ConfigurationAt,
  type Index,
  type MemberId,
  NOBODY,
  type Run,
  type Snapshot,
  type Term,
  type Token,
  type Trust,
} from "./model.ts";
import { RAFT_DEFAULTS, type RaftOptions } from "./options.ts";
import type { Peer } from "./peer.ts";

export type Role = "follower" | "preCandidate" | "candidate" | "leader";

/** What a member knows from its disk when it starts. */
export interface Start {
  readonly self: MemberId;
  /** Any number; other members have others. */
  readonly seed: number;
  readonly term: Term;
  readonly vote: MemberId | undefined;
  /** The newest snapshot. A group begins with one at 0, whose configuration is the founder. */
  readonly snapshot: Snapshot;
  /** The entry before the first of the log: at the snapshot or before it. */
  readonly baseIndex: Index;
  readonly baseTerm: Term;
  readonly lastIndex: Index;
  readonly runs: readonly Run[];
  /** Entries up to each index, with about what they hold; without them they count as small. */
  readonly pieces?: readonly { readonly last: Index; readonly bytes: number }[];
  /** Those in the log, and the one at its base when it has one before the snapshot. */
  readonly configurations: readonly ConfigurationAt[];
  readonly applied: Index;
  /** Whether files were lost to damage: then the rest of these facts is what is left. */
  readonly trust: Trust;
}

/** Proposals that were taken together: they have places one after the other, in one term. */
export interface Batch {
  readonly first: Index;
  readonly term: Term;
  readonly tokens: readonly Token[];
  readonly bytes: number;
}

/** A read index that is being confirmed. */
export interface AskedReads {
  readonly round: number;
  readonly index: Index;
  readonly tokens: readonly Token[];
}

export interface Leading {
  /** The entry with which the term began. */
  readonly first: Index;
  readonly peers: Map<MemberId, Peer>;
  /** Nobody was ever sent anything in this term. */
  isAlone: boolean;
  heartbeatAt: Millis;
  round: number;
  /** In order of their places; those that are committed are gone. */
  readonly batches: Batch[];
  bytes: number;
  reads: Token[];
  asked: AskedReads | undefined;
  transfer: { readonly to: MemberId; readonly until: Millis; isSent: boolean } | undefined;
  /** Somebody was told to campaign in spite of leases: there is none in this term any more. */
  leaseIsOff: boolean;
}

/** A snapshot that is coming in. */
export interface Incoming {
  readonly from: MemberId;
  readonly index: Index;
  readonly term: Term;
  offset: number;
}

/** What an earlier life has left of one. */
export interface ChunksThere {
  readonly index: Index;
  readonly term: Term;
  readonly total: number;
  readonly offset: number;
}

/** A write that is under way, and how things were before it. */
export interface Pending {
  readonly number: number;
  readonly before: Before;
  /** The end of the log once it is on disk. */
  readonly last: Index;
  /** What of the log before stays on disk. */
  readonly keeps: Index;
}

export interface Before {
  readonly term: Term;
  readonly vote: MemberId | undefined;
  readonly hardNumber: number;
  readonly log: Log;
  readonly last: Index;
  tail: Tail | undefined;
  readonly snapshot: Snapshot;
}

export interface Raft {
  readonly options: RaftOptions;
  readonly self: MemberId;
  random: number;
  term: Term;
  vote: MemberId | undefined;
  role: Role;
  leader: MemberId | undefined;
  log: Log;
  /** The newest in the log, committed or not, and its place. */
  configuration: Configuration;
  configurationIndex: Index;
  /** The newest that was told to be committed, and whether it names this member. */
  committedConfigurationIndex: Index;
  isMember: boolean;
  snapshot: Snapshot;
  commit: Index;
  /** The commit that the shell was told. */
  told: Index;
  applied: Index;
  electionAt: Millis;
  heardAt: Millis;
  /** The link to the leader that was heard last has ended. */
  isLeaderGone: boolean;
  readonly votes: Map<MemberId, boolean>;
  leading: Leading | undefined;
  /** Of earlier leaderships; what is committed in their places tells what came of them. */
  displaced: Batch[];
  incoming: Incoming | undefined;
  chunksThere: ChunksThere | undefined;
  trust: Trust;
  /** The last write of entries failed. Until one succeeds this member takes none of its own and does not lead. */
  diskRefuses: boolean;
  /** Nothing is applied here any more, so that this member only votes and stores. */
  isMachineStopped: boolean;
  /** Numbers of `persist`. */
  issued: number;
  persisted: number;
  /** The last one with term or vote. */
  hardNumber: number;
  /** The end of the log on disk. */
  persistedLast: Index;
  /** Up to here the log of now is on disk. */
  durable: Index;
  readonly pending: Pending[];
  /** How things were before this step. */
  before: Before;
  /** What was told last. */
  toldLeader: { leader: MemberId | undefined; term: Term; role: Role };
}

/** Effects of the step that is under way. Messages come after what they rest on. */
export class Out {
  readonly effects: Effect[] = [];
  readonly sends: Effect[] = [];

  send(to: MemberId, message: Message, after = 0): void {
    this.sends.push({ type: "send", to, message, after });
  }
}

export function newRaft(start: Start, now: Millis, options: Partial<RaftOptions> = {}): Raft {
  const all = { ...RAFT_DEFAULTS, ...options };
  const { snapshot } = start;
  assert(start.baseIndex <= snapshot.index && start.lastIndex >= snapshot.index, "the snapshot is within the log");
  const log = new Log(start.baseIndex, start.baseTerm, undefined, pieceBounds(all));
  const configurations = start.configurations.some(({ index }) => index <= snapshot.index)
    ? start.configurations
    : [{ index: snapshot.index, configuration: snapshot.configuration }, ...start.configurations];
  for (const one of configurations) log.addConfiguration(one);
  fill(log, start);
  const newest = log.configuration;
  const state: Raft = {
    options: all,
    self: start.self,
    random: start.seed >>> 0,
    // Entries may be on disk when their term is not: then nobody was told of a vote in it.
    term: Math.max(start.term, log.lastTerm),
    vote: log.lastTerm > start.term ? undefined : start.vote,
    role: "follower",
    leader: undefined,
    log,
    configuration: newest?.configuration ?? NOBODY,
    configurationIndex: newest?.index ?? 0,
    committedConfigurationIndex: log.configurationAt(snapshot.index)?.index ?? 0,
    isMember: false,
    snapshot,
    commit: snapshot.index,
    told: snapshot.index,
    applied: start.applied,
    electionAt: Infinity,
    // Whoever this member followed before may still count on its lease (6.4.1).
    heardAt: start.term > 0 || log.last > 0 ? now : -Infinity,
    isLeaderGone: false,
    votes: new Map(),
    leading: undefined,
    displaced: [],
    incoming: undefined,
    chunksThere: undefined,
    trust: start.trust,
    diskRefuses: false,
    isMachineStopped: false,
    issued: 0,
    persisted: 0,
    hardNumber: 0,
    persistedLast: start.lastIndex,
    durable: start.lastIndex,
    pending: [],
    before: undefined as unknown as Before,
    toldLeader: { leader: undefined, term: 0, role: "follower" },
  };
  // What was applied was committed.
  state.commit = Math.max(state.commit, Math.min(start.applied, start.lastIndex));
  state.told = state.commit;
  state.isMember = isIn(log.configurationAt(state.told)?.configuration ?? NOBODY, start.self);
  state.before = beforeOf(state);
  state.electionAt = isAlone(state) ? now : now + electionMs(state);
  return state;
}

/**
 * There is nobody to wait for. Not so where the entry that left this member alone is not known to be committed: who is
 * removed by it leads until it is (dissertation 4.2.2), by a lease that this member may have promised before it ended (6.4.1).
 */
function isAlone({ configuration, configurationIndex: newest, commit, log, self }: Raft): boolean {
  const before = newest > commit ? log.configurationAt(newest - 1)?.configuration : configuration;
  return [configuration, before].every((one) => one?.voters.length === 1 && one.voters[0] === self);
}

function fill(log: Log, { runs, pieces = [], baseIndex, lastIndex }: Start): void {
  if (lastIndex === baseIndex) return;
  for (let at = 0, first = baseIndex + 1; first <= lastIndex; at++) {
    const piece = pieces[at] ?? { last: Math.min(lastIndex, first + 255), bytes: 0 };
    if (piece.last < first) continue;
    log.appendRuns(piece.last, runs, piece.bytes, []);
    first = piece.last + 1;
  }
}

export function beforeOf(state: Raft): Before {
  const { term, vote, hardNumber, log, snapshot } = state;
  return { term, vote, hardNumber, log, last: log.last, tail: undefined, snapshot };
}

export function pieceBounds({ messageBytesMax, messageEntriesMax }: RaftOptions) {
  return { bytesMax: messageBytesMax, entriesMax: messageEntriesMax };
}

/** A new election timeout. */
export function electionMs(state: Raft): Millis {
  const { electionMinMs, electionMaxMs } = state.options;
  return Math.round(electionMinMs + chance(state) * (electionMaxMs - electionMinMs));
}

/** From 0 to 1. Source of the generator: mulberry32, in the public domain. */
export function chance(state: Raft): number {
  state.random = (state.random + 0x6d2b79f5) >>> 0;
  let hash = Math.imul(state.random ^ (state.random >>> 15), state.random | 1);
  hash ^= hash + Math.imul(hash ^ (hash >>> 7), hash | 61);
  return ((hash ^ (hash >>> 14)) >>> 0) / 2 ** 32;
}

export function isIn({ voters, learners }: Configuration, id: MemberId): boolean {
  return voters.includes(id) || learners.includes(id);
}

export function isVoter(state: Raft, id: MemberId): boolean {
  return state.configuration.voters.includes(id);
}

/**
 * Only who can keep a promise may ask for votes. Who is removed by an entry that is not committed yet may be needed to
 * get it committed (dissertation 4.2.2). The configuration before the newest is committed for certain (4.1), also where the
 * commit is not known, after a start.
 */
export function mayLead(state: Raft): boolean {
  const { configurationIndex: newest, commit, log, self, trust } = state;
  const isStillVoter = newest > commit && log.configurationAt(newest - 1)?.configuration.voters.includes(self);
  return (isVoter(state, self) || isStillVoter === true) && trust === "whole" && !refusesWrites(state);
}

export function refusesWrites({ diskRefuses, isMachineStopped }: Raft): boolean {
  return diskRefuses || isMachineStopped;
}
