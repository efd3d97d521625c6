import type { Finding, MemberReport } from "@nacre/core/diagnosis";
import { RegistryError } from "@nacre/protocol";

/**
 * Reads another member's report. Codes that only its release knows are shown as they are.
 *
 * @throws RegistryError `serverError` for anything that is no report.
 */
export function readMemberReport(answer: unknown): MemberReport {
  const report = answer as Partial<MemberReport> | null;
  const isReport =
    typeof report === "object" &&
    report !== null &&
    typeof report.member?.address === "string" &&
    typeof report.ready === "boolean" &&
    Array.isArray(report.findings) &&
    report.findings.every(isFinding);
  if (!isReport) throw new RegistryError("serverError", "the answer is no diagnosis");
  return report as MemberReport;
}

function isFinding(value: unknown): value is Finding {
  const { code, key, severity, since, sentence, members } = (value ?? {}) as Partial<Finding>;
  return (
    [code, key, sentence].every((text) => typeof text === "string") &&
    typeof since === "number" &&
    (severity === "error" || severity === "warning" || severity === "info") &&
    Array.isArray(members) &&
    members.every((member) => typeof member?.address === "string")
  );
}
