/** What members say about the group that holds durable data, and orders to it. */
import { setTimeout as pause } from "node:timers/promises";
import { getJson } from "./cluster.ts";
import type { MemberProcess } from "./member-process.ts";

const LOOK_AGAIN_MS = 20;
/** The member asks all others. */
const ALL_MAX_MS = 5000;
const STATUS = "/v3/admin/core/raft/status";

/** What one member knows of the group. */
export interface GroupStatus {
  readonly id: string;
  readonly role: string;
  readonly term: number;
  readonly leader?: string;
  readonly voters: readonly string[];
  readonly learners: readonly string[];
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly lastIndex: number;
  readonly snapshotIndex: number;
  readonly logBytes: number;
  readonly refusing?: string;
  readonly trust: string;
}

interface Shown {
  readonly by: { readonly id: string };
  readonly members: readonly { readonly id: string; readonly status?: Omit<GroupStatus, "id"> }[];
  readonly state: { readonly index: number; readonly isEqual: boolean } | null;
}

export async function groupStatus(member: MemberProcess): Promise<GroupStatus> {
  const { by, members } = (await getJson<{ data: Shown }>(member, `${STATUS}?all=false`)).data;
  const status = members.find(({ id }) => id === by.id)?.status;
  if (status === undefined) throw new Error(`${member.name} says nothing of its log`);
  return { ...status, id: by.id };
}

/** What differs in what the same entries led to, by the hashes that members keep; empty if nothing does. */
export async function stateDifference(member: MemberProcess): Promise<string[]> {
  const { state } = (await getJson<{ data: Shown }>(member, STATUS, ALL_MAX_MS)).data;
  return state === null || state.isEqual ? [] : [`the state differs at index ${state.index}: ${JSON.stringify(state)}`];
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
      leader.voters.length === members.length &&
      leader.learners.length === 0 &&
      statuses.every(
        (status) =>
          status !== undefined &&
          leader.voters.includes(status.id) &&
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
  await order(member, "snapshot", { member: (await groupStatus(member)).id });
}

/** Orders that this member leads. */
export async function leads(member: MemberProcess): Promise<void> {
  const { id } = await groupStatus(member);
  await order(member, "transfer", { member: id });
}

async function order(member: MemberProcess, name: string, params: Record<string, string>): Promise<void> {
  const answer = await fetch(`${member.url}/v3/admin/core/raft/${name}`, {
    method: "POST",
    body: new URLSearchParams(params),
    signal: AbortSignal.timeout(20_000),
  });
  if (answer.status !== 200) throw new Error(`${member.name}: ${name}: ${answer.status} ${await answer.text()}`);
}
