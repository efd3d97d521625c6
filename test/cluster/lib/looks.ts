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
    "/v3/admin/core/cluster/diagnosis?scope=self",
  );
  return data.findings;
}

/** What a member finds, as sentences; that it was started too short a time ago to have found all is one of them. */
export async function findingsOnceSettled(member: MemberProcess): Promise<readonly string[]> {
  const { data } = await getJson<{ data: { settling: boolean; findings: readonly Finding[] } }>(
    member,
    "/v3/admin/core/cluster/diagnosis?scope=self",
  );
  const sentences = data.findings.map(({ sentence }) => sentence);
  return data.settling ? [...sentences, `${member.name} has found nothing yet`] : sentences;
}

export async function findingOf(member: MemberProcess, code: string): Promise<Finding | undefined> {
  return (await findingsOf(member)).find((finding) => finding.code === code);
}

/** How observers name their application, so that their connections are not taken for those of clients. */
export const OBSERVER = "observer";

/** How many connections clients of each version have to these members. */
export async function connectionsOf(members: readonly MemberProcess[]): Promise<ReadonlyMap<string, number>> {
  type Detail = { readonly metaInfo: { readonly version: string; readonly appName: string } };
  const counts = new Map<string, number>();
  const all = members.map((member) =>
    getJson<{ data: Record<string, Detail> }>(member, "/v3/admin/core/loader/current"),
  );
  for (const { data } of await Promise.all(all))
    for (const { metaInfo } of Object.values(data))
      if (metaInfo.appName !== OBSERVER) counts.set(metaInfo.version, (counts.get(metaInfo.version) ?? 0) + 1);
  return counts;
}

/** `true`, or why a member says that it is not ready. */
export async function readinessOf(member: MemberProcess): Promise<true | string> {
  const answer = await fetch(`${member.url}/v3/admin/core/state/readiness`, { signal: AbortSignal.timeout(2000) });
  return answer.status === 200 ? true : `${answer.status} ${await answer.text()}`;
}

/** Why instances came and went, as a member wrote it down, newest first. */
export async function journalOf(member: MemberProcess, entriesMax: number): Promise<string[]> {
  const path = `/v3/admin/ns/journal?pageNo=1&pageSize=${entriesMax}`;
  const { data } = await getJson<{ data: { pageItems: readonly object[] } }>(member, path);
  return data.pageItems.map((entry) => JSON.stringify(entry));
}

/** Resident memory of a member's process. */
export async function memoryBytes(member: MemberProcess): Promise<number> {
  const { readFile } = await import("node:fs/promises");
  const status = await readFile(`/proc/${member.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}
