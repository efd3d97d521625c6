import type { Millis } from "../lib/units.ts";
import type { MemberId } from "../membership/frames.ts";
import type { GroupFacts } from "./facts.ts";
import type { Named } from "./finding.ts";
import { isPresent, linkError, namedBy, type Observed, peerBy, peersOf, type View } from "./view.ts";
import { clockText, listText } from "./words.ts";

/** A voter that this member cannot talk with. */
export interface LostVoter {
  readonly named: Named;
  /** Undefined for one that membership does not know. */
  readonly since: Millis | undefined;
  /** `10.0.0.2:8848 is down since 12:00:03 UTC, as its machine refuses`. */
  readonly text: string;
}

export interface VoterReach {
  readonly voters: number;
  readonly needed: number;
  readonly reached: readonly MemberId[];
  readonly lost: readonly LostVoter[];
}

/** As `namedBy`, also for a member that runs alone, whose id membership does not know. */
export function groupNamed(view: View, id: MemberId): Named {
  return id === view.facts.group?.self ? view.self : namedBy(view, id);
}

export function majorityOf(voters: number): number {
  return (voters >> 1) + 1;
}

/**
 * A new group has not begun yet, because too few are there. Who was not taken into one does not know whether there is one:
 * it does when enough others are there.
 */
export function isForming(view: View, { voters, votersNeeded }: GroupFacts): boolean {
  if (votersNeeded === undefined || voters.length >= votersNeeded) return false;
  return voters.length > 0 || peersOf(view).filter(isPresent).length + 1 < votersNeeded;
}

/** As a voter or a learner: nobody else is told who leads. */
export function isIn({ voters, learners }: GroupFacts, id: MemberId): boolean {
  return voters.includes(id) || learners.includes(id);
}

/** Whom of the voters this member reaches, itself included. */
export function voterReach(view: View, { voters, self }: GroupFacts): VoterReach {
  const lost = voters.flatMap((id): (LostVoter & { readonly id: MemberId })[] => {
    const why = id === self ? undefined : whyLost(view, id);
    if (why === undefined) return [];
    const named = groupNamed(view, id);
    return [{ id, named, since: why.since, text: `${named.address} ${why.text}` }];
  });
  const reached = voters.filter((id) => !lost.some((one) => one.id === id));
  return { voters: voters.length, needed: majorityOf(voters.length), reached, lost };
}

function whyLost(view: View, id: MemberId): { readonly since: Millis | undefined; readonly text: string } | undefined {
  const peer = peerBy(view, id);
  if (peer === undefined) return { since: undefined, text: "was not found" };
  const { state, direction, since, cause, leaving, replacedBy, replacedAt = since } = peer;
  if (replacedBy !== undefined)
    return { since: replacedAt, text: `has another data folder since ${clockText(replacedAt)}` };
  if (state === "DOWN" && leaving !== "no") return { since, text: `was stopped at ${clockText(since)}` };
  if (state === "DOWN") return { since, text: `is down since ${clockText(since)}, as ${cause}` };
  return direction === "both" || direction === "out"
    ? undefined
    : { since, text: `is not in reach since ${clockText(since)} (${linkError(view, peer.errors)})` };
}

export function reachText({ voters, reached }: VoterReach): string {
  return `${reached.length} of ${voters} voters`;
}

/** One about the whole group: the same whoever says it. */
export function ofGroup(sentence: string, members: readonly Named[], since: Millis | undefined): Observed {
  return { key: "", since, members, sentence };
}

export function namesText(some: readonly Named[]): string {
  return listText(some.map(({ address }) => address));
}
