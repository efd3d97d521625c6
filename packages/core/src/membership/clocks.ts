import type { Millis } from "../lib/units.ts";
import type { Member, Membership } from "./state.ts";

/** By this share the clocks of two processes differ in speed at most: twice what is used to set them right. */
const DRIFT = 1 / 1000;

/** How far the beats of this member have come: milliseconds since its start. */
export function ownBeat({ startedAt }: Membership, now: Millis): Millis {
  return now - startedAt;
}

/** A card of the member came. It may have been under way for long, so it tells how far its clock has come at least. */
export function noteBeat(member: Member, beat: number, now: Millis): void {
  const leadMs = beat - now;
  if (member.lead === undefined || leadMs > leadAt(member.lead, now)) member.lead = { ms: leadMs, at: now };
}

/**
 * How far the beats of a member have come by now at least, which is as much less than how far they have come as its
 * quickest card was under way. So what counts until a beat does not count later than whoever said so meant.
 *
 * @returns undefined when it has shown no card since its start.
 */
export function beatBy({ lead }: Member, now: Millis): Millis | undefined {
  return lead && now + leadAt(lead, now);
}

function leadAt({ ms, at }: NonNullable<Member["lead"]>, now: Millis): Millis {
  return ms - (now - at) * DRIFT;
}
