import type { Millis } from "../lib/units.ts";
import { noteBeat } from "./clocks.ts";
import type { Card, Frame, MemberId, Sight } from "./frames.ts";
import { joinMade, joinRefused, persist } from "./joining.ts";
import { callBack, closeLink, foundAt, foundSelf } from "./links.ts";
import { isListed } from "./list.ts";
import { hear, probedFor, probeFor, rowOf, settleFavours } from "./probes.ts";
import { leastBelow, type Standing, standingOver } from "./room.ts";
import { cardOf, listOf, targets } from "./self.ts";
import { type Link, type Member, type Membership, newMember, type Out } from "./state.ts";
import { isYoung, runsOn, weighStart, weighTwin } from "./twins.ts";
import { foreign, name, type Verdict, verdict } from "./verdict.ts";

const OFFSET_SAMPLES_MAX = 8;
const REFUSED_MAX = 64;

type Probe = Extract<Frame, { type: "probe" }>;
type Answer = Extract<Frame, { type: "answer" }>;

/** A frame came over a link that is known. */
export function receive(state: Membership, link: Link, frame: Frame, now: Millis, out: Out): void {
  if (link.dial === undefined) link.answeredAt = now;
  switch (frame.type) {
    case "probe":
      return probed(state, link, frame, now, out);
    case "answer":
      return answered(state, link, frame, now, out);
    case "refuse":
      if (link.dial !== undefined) takeRefusal(state, link, frame, now, out);
      return;
    case "probeFor":
      if (link.memberId !== undefined) probeFor(state, link, frame.target, now, out);
      return;
    case "probedFor":
      if (link.memberId !== undefined) probedFor(state, link.memberId, frame, now);
      return;
  }
}

function probed(state: Membership, link: Link, frame: Probe, now: Millis, out: Out): void {
  if (link.dial !== undefined) return;
  const { card } = frame;
  const met = isSelf(state, card) ? "self" : meet(state, link, card, undefined, now, out);
  if (met === "refused" || met === "unclear") return;
  const member = typeof met === "object" ? met : undefined;
  if (member !== undefined) {
    link.memberId = member.id;
    if (!member.ins.has(link.id)) callBack(state, member, now);
    member.ins.add(link.id);
    member.probedAt = now;
    takeRow(state, member, frame.row, now, out);
    if (frame.list !== undefined) member.list = frame.list;
  }
  out.push({
    type: "send",
    link: link.id,
    frame: {
      type: "answer",
      seq: frame.seq,
      card: cardOf(state, now),
      row: member === undefined ? [] : rowOf(state, now),
      listed: names(state, card),
      list: member !== undefined && card.listHash !== state.list.hash ? listOf(state) : undefined,
    },
  });
}

function answered(state: Membership, link: Link, frame: Answer, now: Millis, out: Out): void {
  const probe = link.pending.get(frame.seq);
  if (link.dial === undefined || probe === undefined) return;
  link.pending.delete(frame.seq);
  link.answeredAt = now;
  const { card } = frame;
  if (isSelf(state, card)) {
    foundSelf(state, link, now, out);
    return;
  }
  const met = meet(state, link, card, frame, now, out);
  if (met !== "refused") link.dial.refusal = undefined;
  if (typeof met === "string" || !foundAt(state, link, met, now, out)) return;
  met.answeredAt = now;
  met.answersInRow = probe.missed ? 0 : met.answersInRow + 1;
  met.lastError = undefined;
  const rttMs = now - probe.sentAt;
  met.offsets.push({ rttMs, offsetMs: card.clockAt - (now - rttMs / 2 + state.clockOffsetMs) });
  if (met.offsets.length > OFFSET_SAMPLES_MAX) met.offsets.shift();
  takeRow(state, met, frame.row, now, out);
  if (frame.list !== undefined) met.list = frame.list;
  joinMade(state, link, met, out);
}

/** Ids and incarnations can be read by whoever asks: this process shows its fingerprint too. */
function isSelf({ start }: Membership, { id, incarnation, fingerprint }: Card): boolean {
  return id === start.id && incarnation === start.incarnation && fingerprint === start.fingerprint;
}

function names(state: Membership, card: Card): boolean {
  const named = targets(state);
  const member = state.members.get(card.id);
  return card.addresses.some((each) => named.has(each)) || (member !== undefined && isListed(state, member, named));
}

/**
 * Weighs a card: a member, or why not. `pending`: one of the two will take the other's cluster id first (M3), or is about
 * to be refused. `unclear`: whether it is a new start of a member or a copy of it (M17).
 */
function meet(
  state: Membership,
  link: Link,
  card: Card,
  answer: Answer | undefined,
  now: Millis,
  out: Out,
): Member | "pending" | "refused" | "unclear" {
  const own = cardOf(state, now);
  // Before anything else: who has not the token takes nobody's place, and is not answered.
  const stranger = verdict(own, card);
  if (stranger !== undefined) return refuse(state, link, card, stranger, now, out);
  if (card.id === own.id) {
    const { verdict: why, givesWay } = weighTwin(state, own, card, now);
    if (!givesWay) return refuse(state, link, card, why, now, out);
    note(state, startKey(card), card.id, card.addresses, why, now, true);
    return "pending";
  }
  const apart = weighCluster(state, own, card, answer, out);
  if (typeof apart === "object") return refuse(state, link, card, apart, now, out);
  if (apart === "pending") return "pending";
  // Who refuses this process for another one of its id calls it all the same, to see who is there.
  if (answer === undefined && state.refused.get(card.id)?.givesWay === true) return "pending";
  const known = state.members.get(card.id);
  const start = known === undefined ? "same" : weighStart(state, known, card, now);
  if (typeof start === "object") return refuse(state, link, card, start, now, out);
  if (start === "unclear") return "unclear";
  state.refused.delete(card.id);
  if (known !== undefined && start === "instead") forget(state, known, "it was taken for another start of it", out);
  const member =
    state.members.get(card.id) ?? welcome(state, card.id, "it showed itself", standingOver(state, link), now, out);
  if (member === undefined) {
    closeLink(state, link, `the limit of ${state.options.membersMax} members is reached`, out, now + 60_000);
    return "refused";
  }
  takeCard(state, member, card, link, now, out);
  return member;
}

function weighCluster(
  state: Membership,
  own: Card,
  card: Card,
  answer: Answer | undefined,
  out: Out,
): Verdict | "pending" | "same" {
  if (card.clusterId === own.clusterId) {
    if (card.settled && !state.settled) settle(state, out);
    return "same";
  }
  if (own.settled) return card.settled ? foreign(own, card) : "pending";
  // Whoever calls this member does not choose its cluster for it: its own list or its operator does.
  const chosen = answer !== undefined || names(state, card);
  if (!chosen) return card.settled ? foreign(own, card) : "pending";
  // Of two new ids the smaller stands, unless the other side was not told to join this one and so will not take it.
  if (!card.settled && card.clusterId > own.clusterId && answer?.listed !== false) return "pending";
  adopt(state, card, out);
  return "same";
}

export function settle(state: Membership, out: Out): void {
  state.settled = true;
  persist(state, out);
}

/** This member is new and empty: the cluster that it was told of is its cluster. */
function adopt(state: Membership, card: Card, out: Out): void {
  // Links stay: those behind them show their cards again, with the cluster id that they have by then.
  for (const link of state.links.values()) link.memberId = undefined;
  for (const member of [...state.members.values()]) forget(state, member, `this member joins ${name(card)}`, out);
  state.clusterId = card.clusterId;
  state.epoch = card.epoch;
  state.settled = card.settled;
  persist(state, out);
}

function refuse(state: Membership, link: Link, card: Card, why: Verdict, now: Millis, out: Out): "refused" {
  out.push({ type: "send", link: link.id, frame: { type: "refuse", ...why, id: state.start.id } });
  const key = why.code === "twin" ? startKey(card) : card.id;
  note(state, key, card.id, card.addresses.length > 0 ? card.addresses : addressOfLink(link), why, now, false);
  endRefused(state, link, why.sentence, now, out);
  return "refused";
}

function takeRefusal(
  state: Membership,
  link: Link,
  frame: Extract<Frame, { type: "refuse" }>,
  now: Millis,
  out: Out,
): void {
  const givesWay = frame.code === "twin" && (frame.id !== state.start.id || isYoung(state, now));
  note(state, frame.id, frame.id, addressOfLink(link), frame, now, givesWay);
  endRefused(state, link, frame.sentence, now, out);
}

function endRefused(state: Membership, link: Link, sentence: string, now: Millis, out: Out): void {
  joinRefused(state, link.dial?.address, sentence, out);
  closeLink(state, link, sentence, out, now + state.options.refusedRedialMs);
  if (link.dial === undefined) return;
  link.dial.error = sentence;
  link.dial.refusal = sentence;
}

function addressOfLink(link: Link): string[] {
  return link.dial === undefined ? [] : [link.dial.address];
}

function startKey({ id, incarnation }: Card): string {
  return `${id}/${incarnation}`;
}

function note(
  state: Membership,
  key: string,
  id: MemberId,
  addresses: readonly string[],
  why: Verdict,
  now: Millis,
  givesWay: boolean,
): void {
  const known = state.refused.get(key);
  if (known === undefined && state.refused.size >= REFUSED_MAX) return;
  const since = known?.code === why.code ? known.since : now;
  state.refused.set(key, { id, addresses, code: why.code, sentence: why.sentence, since, at: now, givesWay });
}

function welcome(
  state: Membership,
  id: MemberId,
  cause: string,
  standing: Standing,
  now: Millis,
  out: Out,
): Member | undefined {
  if (state.members.size >= state.options.membersMax) {
    const least = leastBelow(state, standing);
    if (least === undefined) return undefined;
    forget(state, least, "there is no room for all, and less is known of it than of others", out);
  }
  const member = newMember(id, now);
  member.cause = cause;
  state.members.set(id, member);
  state.forgotten.delete(id);
  out.push({ type: "memberChanged", id, from: undefined, to: "STARTING", cause });
  return member;
}

export function forget(state: Membership, member: Member, cause: string, out: Out): void {
  for (const link of [...state.links.values()]) if (link.memberId === member.id) closeLink(state, link, cause, out);
  for (const dial of state.dials.values())
    if (dial.memberId === member.id) {
      dial.memberId = undefined;
      dial.since = Math.max(dial.since, member.answeredAt ?? dial.since);
    }
  state.members.delete(member.id);
  if (member.state === "DOWN") remember(state, member);
  out.push({ type: "memberChanged", id: member.id, from: member.state, to: undefined, cause });
}

/** News from before its end may still be on the way, for as long as a link stands still. */
function remember({ forgotten, options }: Membership, { id, incarnation }: Member): void {
  const [oldest] = forgotten.keys();
  if (oldest !== undefined && forgotten.size >= options.membersMax) forgotten.delete(oldest);
  forgotten.set(id, incarnation);
}

/** Takes over what a member says of itself. */
function takeCard(state: Membership, member: Member, card: Card, link: Link, now: Millis, out: Out): void {
  renew(state, member, card.incarnation, link, out);
  hear(member, card.beat, state.start.id, now);
  noteBeat(member, card.beat, now);
  settleFavours(state, member, out);
  if (card.addresses.length > 0) member.addresses = card.addresses;
  if (member.listHash !== card.listHash) member.listAt = now;
  member.listHash = card.listHash;
  if (card.listHash === state.list.hash) member.list = undefined;
  member.protocol = card.protocol;
  member.epoch = card.epoch;
  // The group was recovered without this member: what it holds of it counts no more, and it says so to nobody.
  if (card.epoch > state.epoch) {
    state.epoch = card.epoch;
    persist(state, out);
  }
  member.version = card.version;
  member.pausedMs = card.pausedMs;
  member.starting = card.state === "STARTING";
  if (card.state === "LEAVING") member.leaving = card.forever ? "forever" : "restart";
}

/** A new start of a member begins with nothing of what its last one did, and without its links. */
function renew(state: Membership, member: Member, incarnation: number, over: Link | undefined, out: Out): void {
  if (incarnation <= member.incarnation) return;
  const isRestart = member.beat >= 0;
  if (isRestart)
    for (const link of [...state.links.values()])
      if (link.memberId === member.id && link !== over) closeLink(state, link, "the member was started anew", out);
  member.incarnation = incarnation;
  member.rival = undefined;
  member.beat = -1;
  member.leaving = "no";
  member.departures = [];
  member.asked = undefined;
  member.probedAt = undefined;
  member.answeredAt = undefined;
  member.answersInRow = 0;
  member.offsets.length = 0;
  member.lead = undefined;
  if (isRestart) out.push({ type: "restarted", id: member.id, incarnation });
}

/** What a member hears of others: their signs of life, new starts, and members that nobody told of here. */
function takeRow(state: Membership, from: Member, row: readonly Sight[], now: Millis, out: Out): void {
  from.row = row.slice(0, state.options.membersMax);
  from.rowAt = now;
  for (const sight of from.row) {
    if (sight.id === state.start.id || sight.id === from.id) continue;
    const known = state.members.get(sight.id);
    const member =
      known ?? (isNews(state, sight) ? welcome(state, sight.id, `${from.id} told of it`, 0, now, out) : undefined);
    if (member === undefined || sight.incarnation < member.incarnation) continue;
    if (sight.incarnation > member.incarnation) {
      if (runsOn(state, member, now)) continue;
      renew(state, member, sight.incarnation, undefined, out);
      member.addresses = sight.addresses;
    }
    hear(member, sight.beat, from.id, now);
    if (sight.state === "LEAVING" && member.leaving === "no") member.leaving = "restart";
  }
}

/** The dead are not spread: they would come back from whoever has not forgotten them yet, or did not when it told. */
function isNews({ forgotten }: Membership, { id, incarnation, state }: Sight): boolean {
  return (state === "UP" || state === "SUSPICIOUS") && incarnation > (forgotten.get(id) ?? -1);
}
