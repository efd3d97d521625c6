import type { Configuration, MemberId, Order, PeerStatus, Role, Term, Trust } from "@nacre/core/raft";
import type { LogStatus } from "../storage/port.ts";
import type { PassedOver } from "./machine.ts";

/**
 * What Raft needs of the links between members. A frame is delivered once and in order, or not at all, and nothing of an
 * earlier life of its sender comes after something of a later one. Frames to who is out of reach are dropped.
 */
export interface Peers {
  /** At most `FRAME_BYTES_MAX`; the bytes are not changed afterwards. Never throws, and hands nothing on within the call. */
  send(to: MemberId, frame: Uint8Array): void;
  /** Epoch milliseconds; undefined for a member in reach. */
  outOfReachSince(id: MemberId): number | undefined;
  /** For people. */
  addressOf(id: MemberId): string;
}

/** What the links tell of the others. */
export interface FromPeers {
  /** @returns why the link is to be closed, when a frame is not what any member sends. */
  received(from: MemberId, frame: Uint8Array): string | undefined;
  reachable(id: MemberId): void;
  unreachable(id: MemberId): void;
}

/** What the group tells whoever composes the server. None of these may throw. */
export interface RaftEvents {
  /** This member leads, or does not any more. */
  leading?(isLeading: boolean): void;
  leaderChanged?(leader: MemberId | undefined, term: Term): void;
  configurationChanged?(configuration: Configuration, committed: boolean): void;
  /** Features have changed something for the first time, as far as this member knows. */
  held?(): void;
  /** This member is in no committed configuration any more. */
  removed?(): void;
  peerDamaged?(id: MemberId, trust: Trust): void;
  /** The same entries led to another state there, or here. */
  stateDiffers?(id: MemberId, index: number): void;
  /** This member takes its state anew from a leader, since it differs from that of most; or that has ended. */
  renewing?(isRenewing: boolean): void;
}

export interface FollowerStatus extends PeerStatus {
  readonly role: "voter" | "learner" | "leaving";
  /** Entries that it lacks. */
  readonly lag: number;
}

export interface RaftStatus extends LogStatus {
  readonly role: Role;
  readonly term: Term;
  readonly leader: MemberId | undefined;
  readonly configuration: Configuration;
  readonly commitIndex: number;
  readonly lastIndex: number;
  readonly firstIndex: number;
  /** Epoch milliseconds; undefined without a snapshot, or for one whose time the disk does not say. */
  readonly snapshotAt: number | undefined;
  /** Undefined without a snapshot. */
  readonly snapshotBytes: number | undefined;
  readonly trust: Trust;
  /** Why this member applies nothing more, as a sentence with the mend. It refuses writes as well. */
  readonly stopped: string | undefined;
  /** What a leader knows; nobody else knows anything. */
  readonly followers: readonly FollowerStatus[];
  /** Where the same entries led to another state than here, and the first index at which that was seen; a leader knows. */
  readonly differing: readonly { readonly id: MemberId; readonly index: number }[];
  /** Of the state at the ends of blocks of entries, oldest first: members that agree have the same at the same index. */
  readonly hashes: readonly (readonly [index: number, hash: number])[];
  /** Entries since the start that were no command, so that nothing came of them at any member; the last one with the reason. */
  readonly passedOver: PassedOver | undefined;
  readonly counts: RaftCounts;
}

/** Since the start. */
export interface RaftCounts {
  /** Times that this member asked for votes. */
  readonly elections: number;
  /** Leaders that this member came to know, itself among them. */
  readonly leaders: number;
  /** Of writes of this member's clients. `refused`: nobody was asked. */
  readonly proposals: Readonly<Record<"done" | "notDone" | "unknown" | "refused", number>>;
}

/** A snapshot in the data folder. Two are kept, so that one can be read for a while. */
export interface TakenSnapshot {
  readonly path: string;
  readonly index: number;
  readonly term: number;
  readonly bytes: number;
}

/** What an operator, or who forms the group, can order. A learner is made a voter by the leader when it has caught up. */
export type GroupOrder =
  | Pick<Order & { readonly type: "addLearner" | "demote" | "remove" }, "type" | "id">
  /** To the voter that has most of the log, when nobody is named. */
  | { readonly type: "transfer"; readonly id: MemberId | undefined };
