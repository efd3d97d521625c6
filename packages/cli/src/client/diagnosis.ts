import { givenIn, listIn, numberIn, textIn, timeIn } from "./bodies.ts";
import { fieldOf } from "./http.ts";

/** What `GET /v3/admin/core/cluster/diagnosis` answers, as far as it is shown. */
export interface DiagnosisView {
  /** The member that was asked, and asked the others. */
  readonly by: string;
  readonly members: readonly MemberView[];
  /** The gravest first. */
  readonly findings: readonly FindingView[];
}

export interface MemberView {
  readonly address: string;
  readonly answered: boolean;
  readonly ready: boolean;
  /** It has just started and tells of nothing yet. */
  readonly settling: boolean;
  readonly version: string;
  /** Why it is not ready, or why there is no answer. */
  readonly sentence: string | undefined;
}

export interface FindingView {
  readonly code: string;
  readonly severity: string;
  readonly title: string;
  readonly since: number | undefined;
  readonly sentence: string;
  readonly fix: string;
  /** Addresses of the members that say so. */
  readonly by: readonly string[];
}

/** Undefined for an answer that is something else. Codes and severities of newer servers are taken as they are. */
export function diagnosisIn(data: unknown): DiagnosisView | undefined {
  if (!Array.isArray(fieldOf(data, "findings")) || !Array.isArray(fieldOf(data, "members"))) return undefined;
  return {
    by: textIn(fieldOf(data, "by"), "address"),
    members: listIn(data, "members").map((member) => ({
      address: textIn(fieldOf(member, "member"), "address"),
      answered: fieldOf(member, "answered") === true,
      ready: fieldOf(member, "ready") === true,
      settling: fieldOf(member, "settling") === true,
      version: textIn(member, "version"),
      sentence: givenIn(member, "sentence"),
    })),
    findings: listIn(data, "findings").map((finding) => ({
      code: textIn(finding, "code"),
      severity: textIn(finding, "severity"),
      title: textIn(finding, "title"),
      since:
        numberIn(finding, "since") === 0
          ? undefined
          : timeIn({ since: Math.round(numberIn(finding, "since")) }, "since"),
      sentence: textIn(finding, "sentence"),
      fix: textIn(finding, "fix"),
      by: listIn(finding, "by").map((one) => textIn(one, "address")),
    })),
  };
}
