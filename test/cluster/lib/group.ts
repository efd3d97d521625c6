/** What members say about the group that holds durable data, and orders to it. */
import { setTimeout as pause } from "node:timers/promises";
import { getJson } from "./cluster.ts";
import type { MemberProcess } from "./member-process.ts";

const LOOK_AGAIN_MS = 20;
const STATUS = "/v3/admin/core/raft/status?scope=self";

/** What one member knows of the group. */
export interface GroupStatus {
  readonly id: string;
  readonly role: string;
  readonly term: number;
  readonly leader?: string;
  readonly configuration: { readonly voters: readonly string[]; readonly learners: readonly string[] };
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly lastIndex: number;
  readonly snapshotIndex: number;
  readonly logBytes: number;
  readonly refusing?: string;
  readonly trust: string;
}

export async function groupStatus(member: MemberProcess): Promise<GroupStatus> {
  return (await getJson<{ data: GroupStatus }>(member, STATUS)).data;
}

/** Who leads, as those that answer say; undefined while nobody does, or not all agree. */
export async function leaderNow(members: readonly MemberProcess[]): Promise<MemberProcess | undefined> {
  const statuses = await Promise.all(members.map((member) => groupStatus(member).catch(() => undefined)));
  const newest = Math.max(0, ...statuses.map((status) => status?.term ?? 0));
  const at = statuses.findIndex((status) => status?.role === "leader" && status.term === newest);
  return members[at];
}

/** @throws Error when nobody leads in time. */
export async function leaderOf(members: readonly MemberProcess[], maxMs = 10_000): Promise<MemberProcess> {
  const until = performance.now() + maxMs;
  for (;;) {
    const leader = await leaderNow(members);
    if (leader !== undefined) return leader;
    if (performance.now() > until) throw new Error(`nobody leads within ${maxMs} ms: ${await saidBy(members)}`);
    await pause(LOOK_AGAIN_MS);
  }
}

/**
 * Resolves when these members, and nobody else, are voters of one group with a leader, and each has applied what was
 * committed when it was asked; with the milliseconds that took.
 */
export async function grouped(members: readonly MemberProcess[], maxMs = 30_000): Promise<number> {
  const from = performance.now();
  for (;;) {
    const statuses = await Promise.all(members.map((member) => groupStatus(member).catch(() => undefined)));
    const leader = statuses.find((status) => status?.role === "leader");
    const isWhole =
      leader !== undefined &&
      leader.configuration.voters.length === members.length &&
      leader.configuration.learners.length === 0 &&
      statuses.every(
        (status) =>
          status !== undefined &&
          leader.configuration.voters.includes(status.id) &&
          status.leader === leader.id &&
          status.appliedIndex >= leader.commitIndex,
      );
    const tookMs = performance.now() - from;
    if (isWhole) return tookMs;
    if (tookMs > maxMs)
      throw new Error(`${members.length} members are no group within ${maxMs} ms: ${await saidBy(members)}`);
    await pause(LOOK_AGAIN_MS);
  }
}

/** For a failure's sentence. */
async function saidBy(members: readonly MemberProcess[]): Promise<string> {
  const said = members.map(async (member) => {
    const status = await groupStatus(member).catch((thrown: unknown) => String(thrown));
    return `${member.name}: ${JSON.stringify(status)}`;
  });
  return (await Promise.all(said)).join("\n");
}

/** Orders that one member takes a snapshot, and waits until it has. */
export async function snapshotNow(member: MemberProcess): Promise<void> {
  await order(member, "snapshot", {});
}

/** Orders that this member leads. */
export async function leads(member: MemberProcess): Promise<void> {
  const { id } = await groupStatus(member);
  await order(member, "transfer", { to: id });
}

async function order(member: MemberProcess, name: string, params: Record<string, string>): Promise<void> {
  const answer = await fetch(`${member.url}/v3/admin/core/raft/${name}`, {
    method: "POST",
    body: new URLSearchParams(params),
    signal: AbortSignal.timeout(20_000),
  });
  if (answer.status !== 200) throw new Error(`${member.name}: ${name}: ${answer.status} ${await answer.text()}`);
}
