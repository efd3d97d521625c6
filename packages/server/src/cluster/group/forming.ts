import { outOfReach } from "../../raft/reasons.ts";
import type { WhyNot } from "./early-calls.ts";

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

/** An address of the list, without this member, at which no voter was found. */
export interface Missing {
  readonly address: string;
  /** Why nobody there can be a voter as things are; undefined when somebody may. `since` in epoch milliseconds. */
  readonly absence:
    | { readonly type: "unreachable"; readonly since: number }
    | { readonly type: "refused"; readonly sentence: string }
    | undefined;
}

export interface FoundationFacts {
  /** Addresses in the list of members, this one included; 1 for a member without a list. */
  readonly listed: number;
  readonly voters: number;
  readonly missing: readonly Missing[];
  /** Somebody in reach may have a group, with data, and take this member into it. */
  readonly mayBeTakenIn: boolean;
}

/**
 * Why nothing may be the first entry of features yet: two halves of a new cluster that do not see each other cannot both
 * begin. Undefined once more than half of the list are voters. It is certain that nothing can when too many of the list are
 * known not to be voters at present.
 */
export function whyNotFirst({ listed, voters, missing, mayBeTakenIn }: FoundationFacts): WhyNot | undefined {
  if (voters > 0 && voters * 2 > listed) return undefined;
  const needed = (listed >> 1) + 1;
  const absent = missing.flatMap(({ address, absence }) => (absence === undefined ? [] : { address, absence }));
  if (!mayBeTakenIn && listed - absent.length < needed)
    return {
      isCertain: true,
      sentence: `${needed} of ${listed} members are needed before this cluster takes durable data; ${absences(absent)}`,
    };
  const refusals = refusalsOf(missing);
  const besides = refusals.length === 0 ? "" : `; ${refusals.join("; ")}`;
  if (voters === 0)
    return {
      isCertain: false,
      sentence: `this member is in no group yet, so that it changes no durable data: it waits until its cluster is agreed on, or to be taken in by the others; nacre doctor says what is in the way${besides}`,
    };
  const startable = missing.flatMap(({ address, absence }) => (absence?.type === "refused" ? [] : address));
  const start = startable.length === 0 && refusals.length > 0 ? "" : `; start ${namesOf(startable)}`;
  return {
    isCertain: false,
    sentence:
      `this cluster is new, and its durable data begins when more than half of the member list are voters of its group: ` +
      `${voters} of ${listed} are${start}, or correct the list of members${besides}`,
  };
}

/**
 * Why a member that is alone in its group takes no writes: so many of its list refuse it, or are refused by it, that what
 * it took would be known to nobody of the cluster that the list describes. Undefined otherwise; who only waits for others that
 * are not there goes on.
 */
export function whyApart({
  listed,
  voters,
  missing,
}: Pick<FoundationFacts, "listed" | "voters" | "missing">): string | undefined {
  const refused = missing.filter(({ absence }) => absence?.type === "refused");
  const needed = (listed >> 1) + 1;
  if (voters !== 1 || refused.length === 0 || listed - refused.length >= needed) return undefined;
  return `this member's list names a cluster that it is no part of, so that it changes no durable data; ${refusalsOf(refused).join("; ")}`;
}

function absences(absent: readonly { readonly address: string; readonly absence: Absence }[]): string {
  const lost = absent.flatMap(({ address, absence }) =>
    absence.type === "unreachable" ? { address, since: absence.since } : [],
  );
  const clauses = refusalsOf(absent);
  if (lost.length > 0)
    clauses.unshift(`${outOfReach(lost)}: start ${lost.length === 1 ? "it" : "them"}, or correct the list of members`);
  return clauses.join("; ");
}

type Absence = NonNullable<Missing["absence"]>;

/** Several may be refused for one reason, which is said once. */
function refusalsOf(missing: readonly Missing[]): string[] {
  const bySentence = new Map<string, string[]>();
  for (const { address, absence } of missing)
    if (absence?.type === "refused")
      bySentence.set(absence.sentence, [...(bySentence.get(absence.sentence) ?? []), address]);
  return [...bySentence].map(
    ([sentence, addresses]) => `nobody at ${addresses.join(" and ")} is in one cluster with this member: ${sentence}`,
  );
}

function namesOf(addresses: readonly string[]): string {
  return addresses.length === 0 ? "the others" : addresses.join(", ");
}
