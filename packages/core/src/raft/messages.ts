import type { Millis } from "../lib/units.ts";
import type { Configuration, ConfigurationAt, Index, Run, Term, Trust } from "./model.ts";

/** The entries after `prevIndex` up to `lastIndex`; the shell adds what they hold, in as many messages as it needs. */
export interface Append {
  readonly type: "append";
  readonly term: Term;
  readonly prevIndex: Index;
  readonly prevTerm: Term;
  /** `prevIndex` when there are none. */
  readonly lastIndex: Index;
  readonly runs: readonly Run[];
  readonly configurations: readonly ConfigurationAt[];
  /** About how much the entries hold. */
  readonly bytes: number;
  readonly commit: Index;
}

/** A part of a snapshot; the shell adds the bytes. */
export interface Chunk {
  readonly type: "chunk";
  readonly term: Term;
  readonly index: Index;
  readonly snapshotTerm: Term;
  readonly configuration: Configuration;
  readonly total: number;
  readonly offset: number;
  readonly bytes: number;
}

export type Message =
  /** `term` is the one that the sender would begin. */
  | { readonly type: "preVote"; readonly term: Term; readonly lastIndex: Index; readonly lastTerm: Term }
  /** `forced`: the leader asked for it, so that its lease does not count. */
  | {
      readonly type: "vote";
      readonly term: Term;
      readonly lastIndex: Index;
      readonly lastTerm: Term;
      readonly forced: boolean;
    }
  /** A pre-vote that is granted carries the term of its request. */
  | { readonly type: "voteAnswer"; readonly term: Term; readonly pre: boolean; readonly granted: boolean }
  | Append
  /** Everything up to `match` is on the sender's disk, and as the leader has it. */
  | { readonly type: "appended"; readonly term: Term; readonly match: Index; readonly trust: Trust }
  /** The entry `prevIndex` differs. Not after `hintIndex`, whose term here is `hintTerm`, can the logs agree. */
  | {
      readonly type: "rejected";
      readonly term: Term;
      readonly prevIndex: Index;
      readonly hintIndex: Index;
      readonly hintTerm: Term;
      readonly trust: Trust;
    }
  /** `at` is the sender's own clock. `sure`: with what is committed up to there the receiver can be trusted again. */
  | {
      readonly type: "heartbeat";
      readonly term: Term;
      readonly commit: Index;
      readonly round: number;
      readonly at: Millis;
      readonly sure: Index | undefined;
    }
  | {
      readonly type: "heartbeatAnswer";
      readonly term: Term;
      readonly round: number;
      readonly at: Millis;
      readonly trust: Trust;
    }
  /** News of the commit when there is no entry to carry it; not answered. */
  | { readonly type: "commit"; readonly term: Term; readonly commit: Index }
  | Chunk
  /** How much of the snapshot at `index` is there. */
  | {
      readonly type: "chunkAnswer";
      readonly term: Term;
      readonly index: Index;
      readonly offset: number;
      readonly trust: Trust;
    }
  /** Campaign now: the sender's leadership goes to the receiver. */
  | { readonly type: "timeoutNow"; readonly term: Term }
  /** Answer to a leader of the past. */
  | { readonly type: "newerTerm"; readonly term: Term };

/** Of a member that leads in the term of the message. */
export function isOfLeader({ type }: Message): boolean {
  return type === "append" || type === "heartbeat" || type === "commit" || type === "chunk";
}
