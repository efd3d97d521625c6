import { targets } from "./self.ts";
import type { Link, Member, Membership } from "./state.ts";

/**
 * How much stands behind a member, against one that was made up: nothing but another's word, calls that it makes, answers
 * where it says that it is, answers at an address that the list or an operator names. What it says of itself is nothing.
 */
export type Standing = 0 | 1 | 2 | 3;

export function standingOf(state: Membership, member: Member): Standing {
  if (member.answeredAt === undefined) return member.probedAt === undefined ? 0 : 1;
  const named = targets(state);
  for (const { memberId, address } of state.dials.values()) if (memberId === member.id && named.has(address)) return 3;
  return 2;
}

/** Of somebody who shows a card over this link. */
export function standingOver(state: Membership, link: Link): Standing {
  if (link.dial === undefined) return 1;
  return targets(state).has(link.dial.address) ? 3 : 2;
}

/** Who makes room for somebody of this standing: whoever has the least behind it, and less; of such, one that is DOWN. */
export function leastBelow(state: Membership, standing: Standing): Member | undefined {
  let least: Member | undefined;
  let leastRank = standing * 2;
  for (const member of state.members.values()) {
    const rank = standingOf(state, member) * 2 + (member.state === "DOWN" ? 0 : 1);
    if (rank >= leastRank) continue;
    least = member;
    leastRank = rank;
  }
  return least;
}
