import type { ServiceName } from "@nacre/protocol";
import type { Millis } from "../lib/units.ts";
import type { Message, Outgoing } from "./messages.ts";
import type { Base, ClientId, Contents, Head, MemberId, Version } from "./model.ts";

/**
 * What this member sees of another. `up`: both directions work. `suspicious`: somebody in reach has heard of it, this
 * member not. `unknown`: too early to say.
 */
export type PeerState = "unknown" | "up" | "suspicious" | "down";

/** What happens to Distro. The shell feeds one event at a time, changes of naming before anything that follows them. */
export type Event =
  /** First. `journal`: what this member published in its earlier life; naming holds its contents already. */
  | { type: "start"; journal: readonly Head[] }
  /**
   * A client that is owned here publishes something else, since the last such event for these services; undefined: for
   * any. Feeding it twice changes nothing.
   */
  | {
      type: "changed";
      clientId: ClientId;
      kind: "connection" | "address";
      counter: number;
      contentHash: number;
      services?: readonly ServiceName[] | undefined;
    }
  /**
   * `asked`: somebody deregistered it, of which peers hear; `expired`: it ended; `leaving`: this member stops, and
   * peers keep it for the grace.
   */
  | { type: "removed"; clientId: ClientId; cause: "asked" | "expired" | "leaving" }
  /** A newer client publishes every instance of this one. */
  | { type: "superseded"; clientId: ClientId }
  /** Naming holds something else than it was given: it could not take all of it, or it was a part that did not fit. */
  | { type: "applied"; clientId: ClientId; contentHash: number; part?: true }
  | { type: "peer"; id: MemberId; state: PeerState; incarnation: number }
  /** Not in the list of members any more. */
  | { type: "peerRemoved"; id: MemberId }
  /** The list of members was read, and peers were announced with `peer`: loading can begin. */
  | { type: "membersKnown" }
  /** Most of the listed members refuse this one, and why; undefined once they do not. */
  | { type: "refused"; reason: string | undefined }
  /** How many batches the link to this peer takes now; undefined when no link to it stands, as before the first. */
  | { type: "credit"; peer: MemberId; batches: number | undefined }
  | { type: "received"; from: MemberId; message: Message }
  /** Who owns an address client from now on; undefined while nobody does. */
  | { type: "ring"; ownerOf: (clientId: ClientId) => MemberId | undefined }
  /** Whether this member reaches fewer members than it needs to judge others. */
  | { type: "isolated"; isolated: boolean }
  /** Clients of which an instance answered a probe. */
  | { type: "probed"; answering: readonly ClientId[] }
  | { type: "tick" };

/** What the shell is to do, in this order. */
export type Effect =
  /** Fill in contents (`fill`), encode, and hand to the link. */
  | { type: "send"; to: MemberId; message: Outgoing }
  /**
   * Naming holds this as a copy of the client of `version.owner`, in place of what it held under the id; with a `base`,
   * in place of what it held for these services. Its contents have that hash then.
   */
  | {
      type: "apply";
      clientId: ClientId;
      kind: "connection" | "address";
      version: Version;
      contentHash: number;
      contents: Contents;
      base?: Base;
      from: MemberId;
    }
  /** Naming drops its copy. `deregistered`: removed because somebody asked its owner for it. */
  | {
      type: "forget";
      clientId: ClientId;
      cause: "removed" | "deregistered" | "lost" | "superseded";
      owner: MemberId;
    }
  /** Naming keeps the client and gives it this version: peers hold something that has to be overruled. */
  | { type: "renumber"; clientId: ClientId; version: Version }
  /**
   * Copies whose owner is not there. `unconfirmed`: as they were, for the grace. `unhealthy`: shown so from now on,
   * whatever they publish. `trusted`: as published again.
   */
  | { type: "mark"; clientIds: readonly ClientId[]; as: "unconfirmed" | "unhealthy" | "trusted" }
  /** Find out whether the instances of these clients answer, and feed `probed`; no answer is needed for silence. */
  | { type: "probe"; clientIds: readonly ClientId[]; withinMs: Millis }
  /** Nothing of this owner is taken out of lists before `until`, unless somebody asks for it. */
  | { type: "hold"; owner: MemberId; incarnation: number; clients: number; until: Millis }
  | { type: "release"; owner: MemberId; incarnation: number }
  /** Heartbeats of these address clients are expected here from now on; the first one makes naming their owner. */
  | { type: "takeOver"; clientIds: readonly ClientId[] }
  /** Heartbeats of these are expected at `to` from now on. */
  | { type: "handOver"; clientIds: readonly ClientId[]; to: MemberId }
  | { type: "ready"; how: "loaded" | "cold" | "alone" | "late"; reason: string }
  | { type: "notReady"; reason: string };
