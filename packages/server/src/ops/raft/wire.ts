import { type Field, integer, list, number, object, optional, optionalText, text } from "@nacre/protocol";

/** What members ask each other about their logs, as part of `PeerCalls`. */
export interface RaftCalls {
  /** How does the group stand, as you see it? Undefined when you keep nothing on disk. */
  "raft.status": { given: null; answered: { readonly status: MemberStatus | undefined } };
  /** Take a snapshot now. */
  "raft.snapshot": { given: null; answered: SnapshotAnswer };
}

export interface SnapshotAnswer {
  readonly index: number;
  readonly term: number;
  readonly bytes: number;
}

/** The log of one member, and what it knows of the group. */
export interface MemberStatus {
  readonly epoch: number;
  /** `follower`, `preCandidate`, `candidate` or `leader`. */
  readonly role: string;
  readonly term: number;
  /** A member id; undefined without one. */
  readonly leader: string | undefined;
  readonly voters: readonly string[];
  readonly learners: readonly string[];
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly snapshotIndex: number;
  readonly snapshotAgeMs: number | undefined;
  readonly logBytes: number;
  readonly pending: number;
  /** `whole`, `logLost` or `allLost`: what it still has of what it had acknowledged. */
  readonly trust: string;
  /** Why it refuses writes, and why its store is behind: sentences; undefined when all is well. */
  readonly refusing: string | undefined;
  readonly storeFailing: string | undefined;
  /** The longest sync of the last few seconds. */
  readonly syncMs: number;
  /** Of the state at the ends of blocks of entries, oldest first. */
  readonly hashes: readonly { readonly index: number; readonly hash: number }[];
  /** What a leader knows of the others. */
  readonly followers: readonly FollowerBody[];
}

export interface FollowerBody {
  readonly id: string;
  /** `voter`, `learner` or `leaving`. */
  readonly role: string;
  /** `probe`, `pipeline` or `snapshot`: how it is sent what it lacks. */
  readonly mode: string;
  readonly match: number;
  /** Entries that it lacks. */
  readonly lag: number;
  readonly heardMs: number;
  readonly trust: string;
  /** Of a snapshot that is sent to it, bytes. */
  readonly sent: number | undefined;
  readonly total: number | undefined;
}

const IDS_MAX = 1_000;
const HASHES_MAX = 100;

const status: Field<MemberStatus> = object({
  epoch: integer(0),
  role: text(),
  term: integer(0),
  leader: optionalText(),
  voters: list(text(), IDS_MAX),
  learners: list(text(), IDS_MAX),
  commitIndex: integer(0),
  appliedIndex: integer(0),
  firstIndex: integer(0),
  lastIndex: integer(0),
  snapshotIndex: integer(0),
  snapshotAgeMs: optional(number(0)),
  logBytes: integer(0),
  pending: integer(0),
  trust: text(),
  refusing: optionalText(),
  storeFailing: optionalText(),
  syncMs: number(0),
  hashes: list(object({ index: integer(0), hash: number(0) }), HASHES_MAX),
  followers: list(
    object({
      id: text(),
      role: text(),
      mode: text(),
      match: integer(0),
      lag: integer(0),
      heardMs: number(0),
      trust: text(),
      sent: optional(number(0)),
      total: optional(number(0)),
    }),
    IDS_MAX,
  ),
});

export const RAFT_ANSWERS: { readonly [Name in keyof RaftCalls]: Field<RaftCalls[Name]["answered"]> } = {
  "raft.status": object({ status: optional(status) }),
  "raft.snapshot": object({ index: integer(0), term: integer(0), bytes: integer(0) }),
};
