import type { Millis } from "../lib/units.ts";
import type { LinkErrorFact, PeerFact } from "../membership/facts.ts";
import type { MemberId } from "../membership/frames.ts";
import type { DiagnosisFacts } from "./facts.ts";
import type { Area, Named, Severity } from "./finding.ts";
import type { Memory } from "./memory.ts";
import { portOf, withPortAbove } from "./words.ts";

/** What a row of the catalogue looks at. */
export interface View {
  readonly facts: DiagnosisFacts;
  readonly now: Millis;
  /** What earlier facts amount to, where one moment does not tell. */
  readonly memory: Memory;
  /** This member; the id is empty when it runs alone. */
  readonly self: Named & { readonly id: string };
}

/** Something that is so at this moment. Whether it is told is decided by `diagnose`. */
export interface Observed {
  readonly key: string;
  /** Undefined: since it was first observed. */
  readonly since?: Millis | undefined;
  readonly members: readonly Named[];
  readonly sentence: string;
}

/** One kind of finding: what documents and people are told of it, and when it is so. */
export interface Row {
  readonly severity: Severity;
  readonly area: Area;
  readonly title: string;
  /** What it means to clients and operators. */
  readonly means: string;
  /** Why it happens. */
  readonly why: string;
  readonly fix: string;
  /** How long it must be so without a break before it is told. */
  readonly afterMs: Millis;
  /** How long it must not be so before it is no longer told. */
  readonly goneMs?: Millis;
  readonly find: (view: View) => readonly Observed[];
}

export function viewOf(facts: DiagnosisFacts, memory: Memory, now: Millis): View {
  return { facts, now, memory, self: selfOf(facts) };
}

export function selfOf({ members, process: own }: DiagnosisFacts): Named & { readonly id: string } {
  if (members === undefined) return { id: "", address: own.address };
  const { id, address, detected } = members.self;
  return { id, address: address ?? detected[0] ?? id };
}

export function peersOf({ facts }: View): readonly PeerFact[] {
  return facts.members?.peers ?? [];
}

export function named({ id, addresses }: Pick<PeerFact, "id" | "addresses">): Named {
  return { id, address: addresses[0] ?? id };
}

export function peerBy(view: View, id: MemberId): PeerFact | undefined {
  return peersOf(view).find((peer) => peer.id === id);
}

export function namedBy(view: View, id: MemberId): Named {
  if (id === view.self.id) return view.self;
  const peer = peerBy(view, id);
  return peer === undefined ? { id, address: id } : named(peer);
}

/** This member, for what is about itself; nobody when it runs alone. */
export function aboutSelf({ self }: View): readonly Named[] {
  return self.id === "" ? [] : [self];
}

/** The same whichever of the two says it. */
export function pairKey(one: string, other: string): string {
  return [one, other].sort().join("|");
}

/** `10.0.0.2:9849: connect ECONNREFUSED`, of a member's link. */
export function linkError(view: View, errors: readonly LinkErrorFact[]): string {
  const [of] = errors;
  return of === undefined ? "no answer" : `${memberPortAt(view, of.address)}: ${of.error}`;
}

/** Where the member with this main address listens for members. */
export function memberPortAt({ facts }: View, address: string): string {
  return withPortAbove(address, facts.members?.portOffset ?? 0);
}

export function memberPortOf({ facts }: View, address: string): number {
  return portOf(address) + (facts.members?.portOffset ?? 0);
}

/** It runs, as far as anybody knows. */
export function isPresent({ state }: PeerFact): boolean {
  return state === "UP" || state === "SUSPICIOUS";
}
