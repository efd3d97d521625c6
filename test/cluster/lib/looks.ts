/** What members say when they are asked: connections, findings. */
import { getJson } from "./cluster.ts";
import type { MemberProcess } from "./member-process.ts";

/** Something that a member says is wrong. */
export interface Finding {
  readonly code: string;
  readonly sentence: string;
  readonly members: readonly { readonly id?: string; readonly address: string }[];
}

export async function findingsOf(member: MemberProcess): Promise<readonly Finding[]> {
  const { data } = await getJson<{ data: { findings: readonly Finding[] } }>(
    member,
    "/v3/admin/core/cluster/diagnosis",
  );
  return data.findings;
}

export async function findingOf(member: MemberProcess, code: string): Promise<Finding | undefined> {
  return (await findingsOf(member)).find((finding) => finding.code === code);
}

/** SDK connections of members, by id. */
export async function connectionsOf(members: readonly MemberProcess[]): Promise<Set<string>> {
  const all = await Promise.all(
    members.map(async (member) => {
      const { data } = await getJson<{ data: Record<string, unknown> }>(member, "/v3/admin/core/loader/current");
      return Object.keys(data).map((id) => `${member.name} ${id}`);
    }),
  );
  return new Set(all.flat());
}

/** `true`, or why a member says that it is not ready. */
export async function readinessOf(member: MemberProcess): Promise<true | string> {
  const answer = await fetch(`${member.url}/v3/admin/core/state/readiness`, { signal: AbortSignal.timeout(2000) });
  return answer.status === 200 ? true : `${answer.status} ${await answer.text()}`;
}

/** Resident memory of a member's process. */
export async function memoryBytes(member: MemberProcess): Promise<number> {
  const { readFile } = await import("node:fs/promises");
  const status = await readFile(`/proc/${member.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}
