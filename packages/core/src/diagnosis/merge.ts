import type { Millis } from "../lib/units.ts";
import { byGravity } from "./diagnose.ts";
import type { Finding, Named } from "./finding.ts";
import { isHidden, isSame } from "./hides.ts";
import type { ReadinessReport } from "./readiness.ts";

/** What one member says of itself, as it goes over the wire: `GET …/cluster/diagnosis?scope=self`. */
export interface MemberReport extends ReadinessReport {
  readonly member: Named;
  /** When it said so, on its own clock, epoch milliseconds. */
  readonly at: Millis;
  readonly version: string;
  /** It has just started and tells of nothing yet; absent from members of an older version. */
  readonly settling?: boolean;
  readonly findings: readonly Finding[];
}

/** A member that was asked. */
export type MemberAnswer =
  | { readonly member: Named; readonly report: MemberReport }
  /** Why there is no answer, in words. */
  | { readonly member: Named; readonly error: string };

export interface MergedFinding extends Finding {
  /** Who says so. */
  readonly by: readonly Named[];
}

export interface MemberSummary {
  readonly member: Named;
  readonly answered: boolean;
  /** Undefined without an answer. */
  readonly ready: boolean | undefined;
  /** It has just started and tells of nothing yet: that it has no findings says nothing. */
  readonly settling: boolean;
  /** Why it is not ready, or why there is no answer. */
  readonly sentence: string | undefined;
  readonly version: string | undefined;
}

/** The whole cluster as one member was told of it: `GET …/cluster/diagnosis`. */
export interface ClusterReport {
  /** Who asked the others. */
  readonly by: Named;
  readonly at: Millis;
  readonly members: readonly MemberSummary[];
  readonly findings: readonly MergedFinding[];
  /** Of the member that asked. */
  readonly subsystems: ReadinessReport["subsystems"];
}

/**
 * One list of findings: what several members say is told once, with all who say it, since the first of them saw it and
 * in its words. What follows from what another member says is not told.
 */
export function mergeFindings(reports: readonly MemberReport[]): MergedFinding[] {
  const merged = new Map<string, MergedFinding>();
  for (const { member, findings } of reports)
    for (const finding of findings) {
      const key = `${finding.code} ${finding.key}`;
      const known = merged.get(key);
      merged.set(key, known === undefined ? { ...finding, by: [member] } : joined(known, finding, member));
    }
  const all = [...merged.values()];
  return all.filter((one) => !isHidden(one, all, undefined)).sort(byGravity);
}

function joined(known: MergedFinding, finding: Finding, by: Named): MergedFinding {
  const first = finding.since < known.since ? finding : known;
  const members = [...known.members];
  for (const each of finding.members) if (!members.some((other) => isSame(each, other))) members.push(each);
  return { ...first, members, by: [...known.by, by] };
}

/** The cluster view of the member that asked; its own answer is the first. */
export function clusterReport(own: MemberReport, others: readonly MemberAnswer[]): ClusterReport {
  const answers: readonly MemberAnswer[] = [{ member: own.member, report: own }, ...others];
  const reports = answers.flatMap((answer) => ("report" in answer ? [answer.report] : []));
  return {
    by: own.member,
    at: own.at,
    members: answers.map(summaryOf),
    findings: mergeFindings(reports),
    subsystems: own.subsystems,
  };
}

function summaryOf(answer: MemberAnswer): MemberSummary {
  const { member } = answer;
  if ("error" in answer)
    return { member, answered: false, ready: undefined, settling: false, sentence: answer.error, version: undefined };
  const { ready, settling = false, sentence, version } = answer.report;
  return { member, answered: true, ready, settling, sentence, version };
}
