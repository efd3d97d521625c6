import type { Millis } from "../lib/units.ts";
import type { Address } from "./address.ts";

/** Random text, kept in the data folder: the one thing that a member is known by. */
export type MemberId = string;

/**
 * `STARTING`: known, not yet spoken with; or it says so itself. `UP`: probes are answered in both directions.
 * `SUSPICIOUS`: somebody hears it, but not both directions work from here. `DOWN`: nobody in reach has heard it for
 * 3 s, or its address refuses. `LEAVING`: it said that it stops.
 */
export type MemberState = "STARTING" | "UP" | "SUSPICIOUS" | "DOWN" | "LEAVING";

/** Two members speak to each other when each speaks at least the oldest version that the other one understands. */
export interface Protocol {
  readonly speaks: number;
  readonly oldest: number;
}

/** Who a member says it is; part of every probe and answer. */
export interface Card {
  readonly id: MemberId;
  readonly clusterId: string;
  /** Whether the cluster id stands for good; a new and empty member may still take another's. */
  readonly settled: boolean;
  /** 0 at first; grows when an operator recovers the cluster's group from one member. */
  readonly epoch: number;
  /** Grows with every start. */
  readonly incarnation: number;
  /**
   * Milliseconds since its start, or one more than last time. So it grows with everything that is sent within an
   * incarnation: a greater one is a sign of life, whoever passes it on.
   */
  readonly beat: number;
  /** The first is the one to show; empty while it does not know its own address. */
  readonly addresses: readonly Address[];
  readonly protocol: Protocol;
  /** Of its program, for people; blank from members that do not say it. */
  readonly version: string;
  /** Of the identity token that members show each other, never the token. */
  readonly fingerprint: string;
  readonly listHash: string;
  /** Its wall clock when this was sent, epoch milliseconds. */
  readonly clockAt: Millis;
  readonly state: "STARTING" | "UP" | "LEAVING";
  /** With `LEAVING`: it does not come back. */
  readonly forever: boolean;
  /** The length of its last pause, while that was less than a minute ago; else 0. */
  readonly pausedMs: Millis;
}

/** One cell of the who-sees-whom matrix, and how members hear of each other. */
export interface Sight {
  readonly id: MemberId;
  readonly incarnation: number;
  readonly beat: number;
  readonly state: MemberState;
  /** Its answers come. */
  readonly out: boolean;
  /** Its probes come. */
  readonly in: boolean;
  readonly addresses: readonly Address[];
}

/** An entry of a member's list, as told to a peer whose list has another hash. */
export interface Listed {
  readonly address: Address;
  /** What the host of the address resolves to there. */
  readonly resolved: readonly Address[];
  /** Who was found there; undefined while nobody was. */
  readonly id: MemberId | undefined;
}

export type RefusalCode = "foreignCluster" | "otherIdentity" | "protocol" | "twin";

export type Frame =
  | {
      readonly type: "probe";
      readonly seq: number;
      readonly card: Card;
      readonly row: readonly Sight[];
      readonly list: readonly Listed[] | undefined;
    }
  | {
      readonly type: "answer";
      /** Of the probe. */
      readonly seq: number;
      readonly card: Card;
      /** Empty for whoever is not a member. */
      readonly row: readonly Sight[];
      /** Whether the answering member's list or an operator names the one who asked. */
      readonly listed: boolean;
      readonly list: readonly Listed[] | undefined;
    }
  /** Followed by the end of the link. Both sides show the sentence. */
  | { readonly type: "refuse"; readonly code: RefusalCode; readonly sentence: string; readonly id: MemberId }
  /** "Probe that one for me": asked over the link that the asking member opened, and answered there. */
  | { readonly type: "probeFor"; readonly target: MemberId }
  | {
      readonly type: "probedFor";
      readonly target: MemberId;
      readonly incarnation: number;
      /** The newest sign of life that the helper has. */
      readonly beat: number;
      /** Undefined when the target answered. */
      readonly error: string | undefined;
    };
