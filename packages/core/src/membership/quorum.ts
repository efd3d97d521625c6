import type { Millis } from "../lib/units.ts";
import { settle } from "./meeting.ts";
import { worksSince } from "./probes.ts";
import { ownAddresses, resolved } from "./self.ts";
import type { Member, Membership, Out } from "./state.ts";

/** How many members there are, as far as this one knows: itself, those it knows, and listed ones nobody was found at. */
export function expectedCount(state: Membership): number {
  return 1 + [...state.members.values()].filter(mayBeBack).length + unfoundCount(state);
}

/** One whose place another has taken came back with an empty data folder: the two of them are one. */
function mayBeBack({ leaving, replacedBy }: Member): boolean {
  return leaving !== "forever" && replacedBy === undefined;
}

/** Listed entries behind which no member was found yet. */
export function unfoundCount(state: Membership): number {
  const own = ownAddresses(state);
  const known = new Set<string>();
  for (const { addresses } of state.members.values()) for (const address of addresses) known.add(address);
  return state.list.entries.filter((entry) => {
    const addresses = resolved(state, entry);
    return !addresses.some((address) => {
      const dial = state.dials.get(address);
      return own.includes(address) || known.has(address) || dial?.isSelf === true || dial?.memberId !== undefined;
    });
  }).length;
}

/** Itself and the members that answer. */
export function reachedCount(state: Membership, now: Millis): number {
  const answering = [...state.members.values()].filter(
    (member) => member.state !== "DOWN" && worksSince(state, member.answeredAt, now),
  );
  return 1 + answering.length;
}

export function quorumTick(state: Membership, now: Millis, out: Out): void {
  const expected = expectedCount(state);
  const isMajority = reachedCount(state, now) * 2 > expected;
  if (isMajority) state.isolatedAt = undefined;
  else state.isolatedAt ??= now;
  if (expected > 1) state.aloneAt = undefined;
  else state.aloneAt ??= now;
  if (state.settled || state.members.size === 0) return;
  // All agree: nobody is left who could know a smaller id. A majority that has agreed for long stands as well, as no
  // other majority can have done so meanwhile.
  const up = 1 + [...state.members.values()].filter((member) => member.state === "UP").length;
  state.majorityAt = up * 2 > expected ? (state.majorityAt ?? now) : undefined;
  const agreedMs = state.majorityAt === undefined ? 0 : now - state.majorityAt;
  if (up === expected || agreedMs >= state.options.settleMs) settle(state, out);
}
