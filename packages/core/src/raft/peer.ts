import type { Millis } from "../lib/units.ts";
import type { Configuration, Index, MemberId, Term, Trust } from "./model.ts";

/** A snapshot on its way to a peer. */
export interface Transfer {
  readonly index: Index;
  readonly term: Term;
  readonly configuration: Configuration;
  readonly total: number;
  /** Bytes that the peer has, and that were sent. */
  acked: number;
  sent: number;
}

/** How far a leader has come with a peer. */
export interface Peer {
  readonly id: MemberId;
  /** Looking for where the logs agree; sending as it comes; sending a snapshot. */
  mode: "probe" | "pipeline" | "snapshot";
  /** On its disk, as it is here. */
  match: Index;
  /** What is sent next. */
  next: Index;
  /** A probe that is not answered. */
  isWaiting: boolean;
  /** When something was last sent, or answered, that an answer is still owed to. */
  sentAt: Millis;
  /** Messages under way: their ends and bytes, oldest first. */
  readonly flight: { last: Index; bytes: number }[];
  flightBytes: number;
  heardAt: Millis;
  /** Newest heartbeat that it answered: its number, and when it was sent. */
  round: number;
  roundAt: Millis;
  toldCommit: Index;
  /** A round of 4.2.1: when it began, if one is under way, where it ends, and how long the last one took. */
  readonly catchUp: { startedAt: Millis | undefined; target: Index; lastMs: Millis };
  transfer: Transfer | undefined;
  trust: Trust;
  /** Where a peer that has lost something is whole again. */
  sure: Index | undefined;
  /** A peer whose state differs is sent a snapshot from here on: its log goes no further. */
  renewAt: Index | undefined;
  /** It was removed by the entry `index`: until when it is told, and the heartbeat that told it. */
  leaving: { readonly index: Index; readonly until: Millis; round: number | undefined } | undefined;
}

export function newPeer(id: MemberId, next: Index, now: Millis): Peer {
  return {
    id,
    mode: "probe",
    match: 0,
    next,
    isWaiting: false,
    sentAt: now,
    flight: [],
    flightBytes: 0,
    heardAt: now,
    round: 0,
    roundAt: -Infinity,
    toldCommit: 0,
    catchUp: { startedAt: now, target: next - 1, lastMs: Infinity },
    transfer: undefined,
    trust: "whole",
    sure: undefined,
    renewAt: undefined,
    leaving: undefined,
  };
}

export function probe(peer: Peer, next: Index): void {
  peer.mode = "probe";
  peer.next = next;
  peer.isWaiting = false;
  peer.transfer = undefined;
  peer.flight.length = 0;
  peer.flightBytes = 0;
}
