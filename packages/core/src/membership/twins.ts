import { type Millis, seconds } from "../lib/units.ts";
import type { Card } from "./frames.ts";
import { worksSince } from "./probes.ts";
import type { Member, Membership } from "./state.ts";
import { outdated, twin, type Verdict } from "./verdict.ts";

/** Whoever meets a process of its own id in this time after its start gives way: the other one was there before. */
const YOUNG_MS: Millis = seconds(10);
/** Another start that was not heard of for this long is none any more. */
const RIVAL_FORGET_MS: Millis = seconds(10);

/**
 * What a card of a known member is: of the start that is known (`same`), of one that follows it (`next`), of one that is to
 * take its place although it counts less (`instead`), of a copy, which is refused; or that is not clear yet.
 *
 * A member that moves or restarts is dead where it was. So another start does not count while the known one lives, and
 * when both have been heard for a second, one data folder is a copy of the other: the one that was here stays (M17).
 */
export function weighStart(
  state: Membership,
  member: Member,
  card: Card,
  now: Millis,
): "same" | "next" | "instead" | "unclear" | Verdict {
  if (member.beat < 0 || card.incarnation === member.incarnation) return "same";
  const lives = runsOn(state, member, now);
  if (!lives && card.incarnation > member.incarnation) return "next";
  if (member.rival === undefined || now - member.rival.heardAt > RIVAL_FORGET_MS)
    member.rival = { since: now, heardAt: now };
  member.rival.heardAt = now;
  const bothMs = (lives ? member.heardAt : now) - member.rival.since;
  if (bothMs < state.options.probeTimeoutMs) return "unclear";
  // One that was refused elsewhere as a copy says that it is starting, for as long as it is refused.
  if (lives && member.starting && card.state === "UP") return "instead";
  return lives ? twin(member, card) : outdated(card);
}

/** Whether the start of a member that is known still speaks, so that no other start of it can be the one that follows. */
export function runsOn(state: Membership, member: Member, now: Millis): boolean {
  if (member.beat < 0) return false;
  if (member.state === "DOWN" || member.leaving !== "no") return false;
  if (member.out !== undefined || member.ins.size > 0)
    return worksSince(state, member.heardAt, now) || now < state.holdUntil;
  // The end of its links is the end of its process; of one that had none here, only others can know.
  const wasLinked = worksSince(state, member.answeredAt, now) || worksSince(state, member.probedAt, now);
  return !wasLinked && worksSince(state, member.heardAt, now);
}

/** Another process shows this member's own id: which of the two came later, and whether this one has to give way. */
export function weighTwin(
  state: Membership,
  own: Card,
  card: Card,
  now: Millis,
): { readonly verdict: Verdict; readonly givesWay: boolean } {
  // Beats are about as many as milliseconds since the start.
  const wasHere = own.beat > card.beat || (own.beat === card.beat && own.incarnation < card.incarnation);
  return { verdict: wasHere ? twin(own, card) : twin(card, own), givesWay: !wasHere && isYoung(state, now) };
}

/** Whoever refuses this process for its own id was there before, unless both have run for long. */
export function isYoung(state: Membership, now: Millis): boolean {
  return now - state.startedAt < YOUNG_MS || givesWay(state);
}

/** Whether this process is refused because its data folder is a copy: it is no member for as long as it is. */
export function givesWay(state: Membership): boolean {
  for (const refused of state.refused.values()) if (refused.givesWay) return true;
  return false;
}
