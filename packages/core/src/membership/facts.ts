import { type Millis, minutes } from "../lib/units.ts";
import type { Address } from "./address.ts";
import type { LinkId } from "./events.ts";
import type { Listed, MemberId, MemberState, RefusalCode, Sight } from "./frames.ts";
import type { BadLine } from "./member-list.ts";
import { rowOf, worksSince } from "./probes.ts";
import { expectedCount, reachedCount } from "./quorum.ts";
import { chooseAddress, isAlone, listOf, ownAddresses, resolved, targets } from "./self.ts";
import type { Dial, Member, Membership } from "./state.ts";

/** Read-only queries for diagnosis and for lists that people see. None changes anything; all moments are `now`'s. */

export type Direction = "both" | "out" | "in" | "none";

/** Why no link to an address stands. */
export interface LinkErrorFact {
  readonly address: Address;
  readonly error: string;
  /** The machine answered that nobody listens. */
  readonly refused?: boolean;
}

export interface PeerFact {
  readonly id: MemberId;
  readonly addresses: readonly Address[];
  readonly incarnation: number;
  readonly state: MemberState;
  readonly since: Millis;
  readonly cause: string;
  readonly heardAt: Millis;
  /** Itself, or who passed on its newest sign of life. */
  readonly heardFrom: MemberId;
  /** `out`: it answers here; `in`: its probes come here. */
  readonly direction: Direction;
  readonly errors: readonly LinkErrorFact[];
  readonly inRing: boolean;
  /** What its clock is ahead of this one by, from the quickest of the last eight round trips; undefined before any. */
  readonly clockOffsetMs: Millis | undefined;
  readonly rttMs: Millis | undefined;
  /** How long it last stood still, while that was within a minute; else 0. */
  readonly pausedMs: Millis;
  readonly protocolVersion: number | undefined;
  /** Of its program; blank while it has not said so. */
  readonly version: string;
  /** Of its member list, to compare with others; blank while it has not said so. */
  readonly listHash: string;
  /** How many probes in a row could have been answered and were not. */
  readonly unanswered: number;
  /** `listed`: by the list here or an operator. `delisted`: it was, and is kept until it is down. `gossip`: never. */
  readonly origin: "listed" | "delisted" | "gossip";
  /** Since when it is not listed. */
  readonly unlistedAt: Millis | undefined;
  /** It said that it stops in its present incarnation; `forever`: it does not come back. */
  readonly leaving: "no" | "restart" | "forever";
  /** How often it stopped being UP within the last minute, planned stops aside. */
  readonly flips: number;
  /** Its machine answers that nobody listens. */
  readonly refused: boolean;
  /** Who answers at its only address now. */
  readonly replacedBy: MemberId | undefined;
  readonly replacedAt: Millis | undefined;
}

export function peers(state: Membership, now: Millis): PeerFact[] {
  return [...state.members.values()].map((member) => peerOf(state, member, now));
}

function peerOf(state: Membership, member: Member, now: Millis): PeerFact {
  const best = member.offsets.reduce<Member["offsets"][number] | undefined>(
    (least, sample) => (least === undefined || sample.rttMs < least.rttMs ? sample : least),
    undefined,
  );
  const { id, addresses, incarnation, since, cause, heardAt, heardFrom, inRing, pausedMs, unlistedAt } = member;
  return {
    id,
    addresses,
    incarnation,
    state: member.state,
    since,
    cause,
    heardAt,
    heardFrom: heardFrom === state.start.id ? id : heardFrom,
    direction: directionOf(worksSince(state, member.answeredAt, now), worksSince(state, member.probedAt, now)),
    errors: errorsOf(state, member),
    inRing,
    clockOffsetMs: best?.offsetMs,
    rttMs: best?.rttMs,
    pausedMs,
    protocolVersion: member.protocol?.speaks,
    version: member.version,
    listHash: member.listHash,
    unanswered: unansweredBy(state, member, now),
    origin: unlistedAt === undefined ? "listed" : member.wasListed ? "delisted" : "gossip",
    unlistedAt,
    leaving: member.leaving,
    flips: member.departures.filter((at) => now - at < minutes(1)).length,
    refused: member.refusedAt !== undefined,
    replacedBy: member.replacedBy,
    replacedAt: member.replacedBy === undefined ? undefined : member.replacedAt,
  };
}

/** In whole probes: as long as its answers come, none. */
function unansweredBy({ options }: Membership, { answeredAt, knownAt }: Member, now: Millis): number {
  const silentMs = now - (answeredAt ?? knownAt);
  return silentMs <= options.silentMs ? 0 : Math.floor(silentMs / options.probeMs);
}

function directionOf(answers: boolean, probes: boolean): Direction {
  if (answers) return probes ? "both" : "out";
  return probes ? "in" : "none";
}

function errorsOf(state: Membership, member: Member): LinkErrorFact[] {
  const dials = [...state.dials.values()].filter(
    (dial) => dial.memberId === member.id || member.addresses.includes(dial.address),
  );
  return dials.flatMap(errorsAt);
}

function errorsAt({ address, error, refused }: Dial): LinkErrorFact[] {
  return error === undefined ? [] : [{ address, error, refused }];
}

/**
 * Over which link to say something to a member: the one that this member opened. While that cannot be opened, one that
 * the other one opened, if it says that answers come through.
 */
export function linkTo({ start }: Membership, { out, ins, row }: Member): LinkId | undefined {
  if (out !== undefined || ins.size === 0) return out;
  const isHeard = row.some((sight) => sight.id === start.id && sight.out);
  return isHeard ? Math.max(...ins) : undefined;
}

/** Addresses that are called and behind which nobody was found yet. */
export function unfound(
  state: Membership,
): { address: Address; since: Millis; refused: boolean; errors: readonly LinkErrorFact[] }[] {
  const known = new Set([...state.members.values()].flatMap(({ addresses }) => addresses));
  return [...state.dials.values()]
    .filter((dial) => dial.memberId === undefined && !dial.isSelf && !known.has(dial.address))
    .map((dial) => ({ address: dial.address, since: dial.since, refused: dial.refused, errors: errorsAt(dial) }));
}

/** Who sees whom: this member's row, and the rows that members sent with their last probe or answer. */
export function matrix(state: Membership, now: Millis): { id: MemberId; at: Millis; row: readonly Sight[] }[] {
  const rows = [{ id: state.start.id, at: now, row: rowOf(state, now) as readonly Sight[] }];
  for (const { id, row, rowAt } of state.members.values()) if (rowAt !== undefined) rows.push({ id, at: rowAt, row });
  return rows;
}

export interface ListDifference {
  readonly id: MemberId;
  readonly since: Millis | undefined;
  /** Listed here and not there. */
  readonly missingThere: readonly Address[];
  readonly missingHere: readonly Address[];
}

/** Members whose list names others than the list here. Spelling, order, names for addresses make no difference. */
export function listDifferences(state: Membership): ListDifference[] {
  const mine = listOf(state);
  if (mine.length === 0) return [];
  const differences: ListDifference[] = [];
  for (const { id, list, listAt, state: peerState } of state.members.values()) {
    if (list === undefined || list.length === 0 || peerState === "DOWN") continue;
    const missingThere = mine.filter((one) => !list.some((other) => isSame(one, other))).map(({ address }) => address);
    const missingHere = list.filter((one) => !mine.some((other) => isSame(one, other))).map(({ address }) => address);
    if (missingThere.length + missingHere.length > 0)
      differences.push({ id, since: listAt, missingThere, missingHere });
  }
  return differences;
}

function isSame(one: Listed, other: Listed): boolean {
  if (one.address === other.address || (one.id !== undefined && one.id === other.id)) return true;
  const addresses = new Set([one.address, ...one.resolved]);
  return addresses.has(other.address) || other.resolved.some((address) => addresses.has(address));
}

export interface RefusedFact {
  readonly id: MemberId;
  readonly addresses: readonly Address[];
  readonly code: RefusalCode;
  readonly sentence: string;
  readonly since: Millis;
}

/** Those that this member refuses, or that refuse it; the sentence is the same there. */
export function refusals(state: Membership): RefusedFact[] {
  return [...state.refused.values()];
}

/**
 * Why most of those that the list names refuse this member, or are refused by it; undefined when most do not. One that
 * another start of this member's id was there before has to be enough: that one holds the place.
 */
export function refusedByMost(state: Membership): string | undefined {
  for (const { givesWay, sentence } of state.refused.values()) if (givesWay) return sentence;
  // By entries: several may have been refused at one address, as when a member is started again and again.
  const refusing = state.list.entries.flatMap((entry) => {
    const at = resolved(state, entry).filter((address) => !isMemberAt(state, address));
    return refusals(state).find(({ addresses }) => addresses.some((address) => at.includes(address))) ?? [];
  });
  return refusing.length * 2 > state.list.entries.length ? refusing[0]?.sentence : undefined;
}

/** Whoever else says that it has the address does not speak for the one that answers there. */
function isMemberAt({ dials }: Membership, address: Address): boolean {
  const dial = dials.get(address);
  return dial?.memberId !== undefined && dial.refusal === undefined;
}

export interface ReachFact {
  /** Itself and the members that answer. */
  readonly reached: number;
  /** All that there are, as far as this member knows. */
  readonly expected: number;
  /** Since when those in reach are no majority. */
  readonly minoritySince: Millis | undefined;
}

export function reach(state: Membership, now: Millis): ReachFact {
  return { reached: reachedCount(state, now), expected: expectedCount(state), minoritySince: state.isolatedAt };
}

/** No majority in reach for 10 s; undefined otherwise. */
export function isolation(
  state: Membership,
  now: Millis,
): { readonly since: Millis; readonly reached: number; readonly expected: number } | undefined {
  const since = state.isolatedAt;
  if (since === undefined || now - since < state.options.isolatedMs) return undefined;
  return { since, reached: reachedCount(state, now), expected: expectedCount(state) };
}

export interface UnresolvedFact {
  readonly host: string;
  readonly error: string;
  readonly since: Millis;
  /** Addresses that it resolved to before. */
  readonly ips: readonly string[];
}

export interface ListFact {
  readonly source: string;
  readonly entries: number;
  readonly badLines: readonly BadLine[];
  readonly badCount: number;
  /** Since when the list reads empty and the last one that did not is kept. */
  readonly emptiedAt: Millis | undefined;
  readonly unresolved: readonly UnresolvedFact[];
  /** Members that the list names more than once. */
  readonly doubles: readonly { readonly id: MemberId; readonly addresses: readonly Address[] }[];
  /** Since when there is no other member, known or listed. */
  readonly aloneSince: Millis | undefined;
}

export function list(state: Membership): ListFact {
  const unresolved = [...state.names].flatMap(([host, { error, since, ips }]) =>
    error === undefined ? [] : [{ host, error, since, ips }],
  );
  const { badLines, badCount } = state.lastRead;
  return {
    source: state.listSource,
    entries: state.list.entries.length,
    badLines,
    badCount,
    emptiedAt: state.listEmptiedAt,
    unresolved,
    doubles: doublesOf(state),
    aloneSince: state.aloneAt,
  };
}

function doublesOf(state: Membership): { id: MemberId; addresses: Address[] }[] {
  const byId = new Map<MemberId, Address[]>();
  for (const { id, address } of listOf(state)) if (id !== undefined) byId.set(id, [...(byId.get(id) ?? []), address]);
  return [...byId].flatMap(([id, addresses]) => (addresses.length > 1 ? [{ id, addresses }] : []));
}

export interface SelfFact {
  readonly id: MemberId;
  readonly clusterId: string;
  /** Whether the cluster id stands for good. */
  readonly settled: boolean;
  readonly state: "STARTING" | "UP" | "LEAVING";
  readonly address: Address | undefined;
  /** This machine's, the preferred one first. */
  readonly detected: readonly Address[];
  /** The list names others, and none of this machine's addresses: it does not become ready before it does. */
  readonly isUnlisted: boolean;
  /** Another address than the preferred one is used, because that one is listed. */
  readonly isSubstituted: boolean;
  readonly listed: readonly Address[];
  readonly pause: { readonly at: Millis; readonly lengthMs: Millis } | undefined;
  readonly inRing: boolean;
}

export function self(state: Membership): SelfFact {
  const detected = ownAddresses(state);
  const listed = state.list.entries.map(({ address }) => address);
  const address = state.selfAddress;
  const pending = state.list.entries.some((entry) => resolved(state, entry).length === 0);
  return {
    id: state.start.id,
    clusterId: state.clusterId,
    settled: state.settled || isAlone(state),
    state: state.selfState,
    address,
    detected,
    isUnlisted: chooseAddress(state) === undefined && listed.length > 0 && detected.length > 0 && !pending,
    isSubstituted: address !== undefined && detected.length > 0 && address !== detected[0],
    listed: [...new Set([...listed, ...targets(state)])],
    pause: state.pause,
    inRing: state.selfInRing,
  };
}
