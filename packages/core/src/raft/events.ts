import type { Message } from "./messages.ts";
import type { Configuration, Index, MemberId, Snapshot, Term, Token } from "./model.ts";
import type { Role } from "./state.ts";

export interface Proposal {
  readonly token: Token;
  readonly bytes: number;
}

/** One step of the configuration. A voter comes by `addLearner`, then `promote`. */
export interface Order {
  readonly type: "addLearner" | "promote" | "demote" | "remove";
  readonly id: MemberId;
}

/** Why a proposal, a read or a change was not taken: it will never take effect. */
export type RefusalReason =
  | "notLeader"
  | "transferring"
  | "overThreshold"
  | "diskRefuses"
  /** A change before this one is not committed, or nothing of the leader's own term is. */
  | "changePending"
  | "alreadyDone"
  | "unknownMember"
  | "lastVoter"
  /** A learner that is not within a round of the leader yet. */
  | "behind"
  /** Too few of the voters that would be left are in reach. */
  | "tooFewLeft";

export type Event =
  | { readonly type: "tick" }
  | { readonly type: "propose"; readonly proposals: readonly Proposal[] }
  /** Everything up to this `persist` is on disk. */
  | { readonly type: "persisted"; readonly number: number }
  /** The disk is as if this `persist` and all after it had never been; messages that wait for them are dropped. */
  | { readonly type: "persistFailed"; readonly number: number }
  /** Never of an earlier life of the sender than one that was heard here. */
  | { readonly type: "received"; readonly from: MemberId; readonly message: Message }
  /** The link to it has ended: what was under way may be lost, and it may have gone. */
  | { readonly type: "peerUnreachable"; readonly id: MemberId }
  | { readonly type: "peerReachable"; readonly id: MemberId }
  | { readonly type: "readRequested"; readonly token: Token }
  /** To the voter that has most of the log, when nobody is named. */
  | { readonly type: "transfer"; readonly to: MemberId | undefined }
  | { readonly type: "change"; readonly token: Token; readonly order: Order }
  | { readonly type: "snapshotTaken"; readonly index: Index; readonly bytes: number }
  /** A snapshot that is being sent cannot be read any more. */
  | { readonly type: "snapshotLost"; readonly index: Index }
  /** Of an earlier life, so much of this snapshot is in a file: who sends it goes on behind that. Before all messages. */
  | {
      readonly type: "chunksThere";
      readonly index: Index;
      readonly term: Term;
      readonly total: number;
      readonly offset: number;
    }
  /** What came of a snapshot could not be written, or did not prove to be whole. */
  | { readonly type: "chunksLost" }
  /** The machine has applied everything up to here. */
  | { readonly type: "applied"; readonly index: Index }
  /** The log begins here from now on. */
  | { readonly type: "logCut"; readonly first: Index }
  /** Entries could not be written now, and after all they could. */
  | { readonly type: "diskRefuses" }
  | { readonly type: "diskTakes" }
  /** What is committed is applied here no more, as long as this process runs. */
  | { readonly type: "machineStopped" }
  /** What the log led to here is not what it led to elsewhere: the state is to be that of a leader's snapshot. */
  | { readonly type: "stateLost" }
  /** It is: right after that snapshot took its place, before `persisted`. */
  | { readonly type: "stateRenewed" };

/** One write to disk, all of it or nothing: in this order, what is there of it. */
export interface Persist {
  readonly type: "persist";
  /** Counts up; answered by `persisted` or `persistFailed`, and messages wait for it. */
  readonly number: number;
  readonly hard: { readonly term: Term; readonly vote: MemberId | undefined } | undefined;
  /** The snapshot that was received takes the place of log and state. */
  readonly snapshot: Snapshot | undefined;
  /** The log loses its entries from here on. */
  readonly cutFrom: Index | undefined;
  /** The entries from `first` to `last` are appended; none when `last` is smaller. */
  readonly first: Index;
  readonly last: Index;
}

/** What the shell is to do, in this order. */
export type Effect =
  | Persist
  /** Once `persist` number `after` is on disk; 0: at once. */
  | { readonly type: "send"; readonly to: MemberId; readonly message: Message; readonly after: number }
  /** The proposals have the places from `first` on. */
  | { readonly type: "accepted"; readonly first: Index; readonly term: Term; readonly proposals: readonly Proposal[] }
  /** An entry that the core made itself: a configuration, or nothing at the start of a term. */
  | {
      readonly type: "made";
      readonly index: Index;
      readonly term: Term;
      readonly configuration: Configuration | undefined;
    }
  | {
      readonly type: "refused";
      readonly tokens: readonly Token[];
      readonly reason: RefusalReason;
      readonly leader: MemberId | undefined;
    }
  /** Another entry is committed in their places: they were not done, and will not be. */
  | { readonly type: "lost"; readonly tokens: readonly Token[] }
  /** A snapshot took the places of these: the table of sessions in it knows what came of them. */
  | { readonly type: "overtaken"; readonly tokens: readonly Token[] }
  /** Everything up to here is committed and on this disk: to be applied. Never smaller than before. */
  | { readonly type: "commit"; readonly index: Index }
  /** A read is linearizable once the machine has applied `index`. */
  | { readonly type: "readReady"; readonly tokens: readonly Token[]; readonly index: Index }
  | {
      readonly type: "readFailed";
      readonly tokens: readonly Token[];
      readonly reason: RefusalReason;
      readonly leader: MemberId | undefined;
    }
  | { readonly type: "leaderChanged"; readonly leader: MemberId | undefined; readonly term: Term }
  | { readonly type: "roleChanged"; readonly role: Role }
  | {
      readonly type: "configurationChanged";
      readonly index: Index;
      readonly configuration: Configuration;
      readonly committed: boolean;
    }
  /** This member is in no configuration any more. A later entry of the log may still add it again. */
  | { readonly type: "removedFromGroup"; readonly index: Index }
  | { readonly type: "transferEnded"; readonly to: MemberId | undefined; readonly done: boolean }
  /** The bytes that came with the message belong at `offset`. */
  | {
      readonly type: "writeChunk";
      readonly from: MemberId;
      readonly index: Index;
      readonly offset: number;
      readonly bytes: number;
      readonly total: number;
    }
  /** A peer has lost what it had; with `allLost` it has to be demoted before it can be trusted again. */
  | { readonly type: "peerDamaged"; readonly id: MemberId; readonly trust: "logLost" | "allLost" }
  /** This member has everything again that it may have acknowledged, and the state that this led to. */
  | { readonly type: "trusted" }
  /** Its state is not to be relied on, also after a start. */
  | { readonly type: "distrusted" };
