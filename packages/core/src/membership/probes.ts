import { type Millis, seconds } from "../lib/units.ts";
import type { Frame, MemberId, Sight } from "./frames.ts";
import { cardOf, listOf } from "./self.ts";
import type { Favour, Link, Member, Membership, Out } from "./state.ts";

const HELPERS_MAX = 2;
const FAVOURS_MAX = 256;
/** A probe is remembered for this long: a late answer still shows that the direction works. */
const PENDING_MS: Millis = seconds(3);

export function worksSince(state: Membership, at: Millis | undefined, now: Millis): boolean {
  return at !== undefined && now - at < state.options.silentMs;
}

export function rowOf(state: Membership, now: Millis): Sight[] {
  return [...state.members.values()].map((member) => ({
    id: member.id,
    incarnation: member.incarnation,
    beat: member.beat,
    // A new start was not judged yet: told as it is, it would go on from one to the other that this one stops, too.
    state: member.state === "LEAVING" && member.leaving === "no" ? "SUSPICIOUS" : member.state,
    out: worksSince(state, member.answeredAt, now),
    in: worksSince(state, member.probedAt, now),
    addresses: member.addresses,
  }));
}

export function sendProbe(state: Membership, link: Link, now: Millis, out: Out): void {
  const member = link.memberId === undefined ? undefined : state.members.get(link.memberId);
  const seq = link.nextSeq++;
  link.pending.set(seq, { sentAt: now, missed: false });
  const differs = member !== undefined && member.listHash !== state.list.hash;
  link.nextProbeAt = now + (isCalm(member) ? state.options.probeMs : state.options.urgentProbeMs);
  out.push({
    type: "send",
    link: link.id,
    frame: {
      type: "probe",
      seq,
      card: cardOf(state, now),
      // Who has not shown a card yet is told nothing of the members.
      row: member === undefined ? [] : rowOf(state, now),
      list: differs ? listOf(state) : undefined,
    },
  });
}

function isCalm(member: Member | undefined): boolean {
  return member !== undefined && member.state === "UP" && member.answersInRow > 0;
}

export function probeTick(state: Membership, now: Millis, out: Out): void {
  for (const link of state.links.values()) {
    if (link.dial === undefined) continue;
    const member = link.memberId === undefined ? undefined : state.members.get(link.memberId);
    for (const [seq, probe] of link.pending) {
      if (now - probe.sentAt < state.options.probeTimeoutMs) break;
      if (!probe.missed && member !== undefined) {
        member.answersInRow = 0;
        member.lastError = `${link.dial.address}: no answer to a probe within ${state.options.probeTimeoutMs} ms`;
        askOthers(state, member, now, out);
      }
      probe.missed = true;
      if (now - probe.sentAt >= PENDING_MS) link.pending.delete(seq);
    }
    if (now >= link.nextProbeAt) sendProbe(state, link, now, out);
  }
  favourTick(state, now, out);
}

/** Ends favours whose time is over, and those that the end of a link has made hopeless: whoever asked waits for them. */
function favourTick(state: Membership, now: Millis, out: Out): void {
  const waiting: Favour[] = [];
  for (const favour of state.favours) {
    const member = state.members.get(favour.target);
    if (member?.out === undefined) tell(state, favour.link, favour.target, member?.lastError ?? "no link to it", out);
    else if (now >= favour.until) tell(state, favour.link, favour.target, "no answer to a probe", out);
    else waiting.push(favour);
  }
  state.favours.length = 0;
  state.favours.push(...waiting);
}

/** Asks two others for a member that does not answer here; at most once per probe timeout. */
export function askOthers(state: Membership, member: Member, now: Millis, out: Out): void {
  if (member.asked !== undefined && now - member.asked.at < state.options.probeTimeoutMs) return;
  const able = [...state.members.values()].filter(
    (each) => each !== member && each.state === "UP" && each.out !== undefined,
  );
  const from = able.length === 0 ? 0 : state.round++ % able.length;
  const helpers = [...able.slice(from), ...able.slice(0, from)].slice(0, HELPERS_MAX);
  member.asked = { at: now, waiting: new Set(helpers.map(({ id }) => id)), denials: new Map() };
  for (const { out: link } of helpers)
    if (link !== undefined) out.push({ type: "send", link, frame: { type: "probeFor", target: member.id } });
}

/** Another member asks for a probe. It is answered when the target next shows a sign of life, or with an error. */
export function probeFor(state: Membership, link: Link, target: MemberId, now: Millis, out: Out): void {
  const member = state.members.get(target);
  const over = member?.out === undefined ? undefined : state.links.get(member.out);
  if (member === undefined || over === undefined || state.favours.length >= FAVOURS_MAX) {
    tell(state, link.id, target, member?.lastError ?? "no link to it", out);
    return;
  }
  state.favours.push({ target, link: link.id, beat: member.beat, until: now + state.options.probeTimeoutMs });
  sendProbe(state, over, now, out);
}

/** A sign of life came straight from the member: whoever asked for it hears of it. */
export function settleFavours(state: Membership, member: Member, out: Out): void {
  const done = state.favours.filter(({ target, beat }) => target === member.id && beat < member.beat);
  if (done.length === 0) return;
  const rest = state.favours.filter((favour) => !done.includes(favour));
  state.favours.length = 0;
  state.favours.push(...rest);
  for (const { link } of done) tell(state, link, member.id, undefined, out);
}

function tell(state: Membership, link: number, target: MemberId, error: string | undefined, out: Out): void {
  if (!state.links.has(link)) return;
  const member = state.members.get(target);
  const { incarnation = 0, beat = -1 } = member ?? {};
  out.push({ type: "send", link, frame: { type: "probedFor", target, incarnation, beat, error } });
}

export function probedFor(
  state: Membership,
  from: MemberId,
  frame: Extract<Frame, { type: "probedFor" }>,
  now: Millis,
): void {
  const member = state.members.get(frame.target);
  if (member === undefined) return;
  if (frame.error === undefined && frame.incarnation === member.incarnation) hear(member, frame.beat, from, now);
  const { asked } = member;
  if (asked?.waiting.delete(from) === true && frame.error !== undefined) asked.denials.set(from, frame.error);
}

/** A greater beat is a sign of life, whoever passed it on; an equal or smaller one is old news (M4). */
export function hear(member: Member, beat: number, from: MemberId, now: Millis): void {
  if (beat <= member.beat) return;
  member.beat = beat;
  member.heardAt = now;
  member.heardFrom = from;
  member.beatsInRow++;
  member.refusedAt = undefined;
  member.replacedBy = undefined;
}
