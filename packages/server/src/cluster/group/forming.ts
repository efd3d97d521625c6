/** What a member knows of the group that it belongs to, or is to belong to. */
export interface FormingFacts {
  /** Its cluster id stands. */
  readonly stands: boolean;
  /** The cluster id is the one that it drew, and no group was begun under it. */
  readonly isFounder: boolean;
  /** Its log names voters. */
  readonly knowsGroup: boolean;
  /** It is one of them, or a learner. */
  readonly isIn: boolean;
  readonly hasLeader: boolean;
  /** It was taken out of the group since it was started. */
  readonly wasRemoved: boolean;
  /** It has been without a leader for longer than an election takes. */
  readonly isLost: boolean;
  /** There is somebody to ask. */
  readonly hasOthers: boolean;
}

export type FormingStep = "found" | "ask" | "wait";

/**
 * How a member comes to be in its group. One founds it, the member whose cluster id became that of all; everybody else asks
 * to be taken in. Who was taken out while it ran asks no more: somebody wanted that.
 */
export function formingStep(facts: FormingFacts): FormingStep {
  const { stands, isFounder, knowsGroup, isIn, hasLeader, wasRemoved, isLost, hasOthers } = facts;
  if (!stands || wasRemoved) return "wait";
  if (!knowsGroup && isFounder) return "found";
  // Who is in it no more and hears its leader is about to be told that it was taken out.
  const belongs = knowsGroup && (hasLeader || (isIn && !isLost));
  return belongs || !hasOthers ? "wait" : "ask";
}

export interface FoundationFacts {
  /** Addresses in the list of members, this one included; 1 for a member without a list. */
  readonly listed: number;
  readonly voters: number;
  /** Addresses of the list, without this member, at which no voter was found. */
  readonly missing: readonly string[];
}

/**
 * Why nothing may be the first entry of features yet: two halves of a new cluster that do not see each other cannot both
 * begin. Undefined once more than half of the list are voters.
 */
export function whyNotFirst({ listed, voters, missing }: FoundationFacts): string | undefined {
  if (voters > 0 && voters * 2 > listed) return undefined;
  if (voters === 0)
    return "this member is in no group yet, so that it changes no durable data: it waits until its cluster is agreed on, or to be taken in by the others; nacre doctor says what is in the way";
  const names = missing.length === 0 ? "the others" : missing.join(", ");
  return (
    `this cluster is new, and its durable data begins when more than half of the member list are voters of its group: ` +
    `${voters} of ${listed} are; start ${names}, or correct the list of members`
  );
}
