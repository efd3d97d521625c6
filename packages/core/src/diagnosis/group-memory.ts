import { type Millis, minutes } from "../lib/units.ts";
import type { MemberId } from "../membership/frames.ts";
import type { DiagnosisFacts, FollowerFact, GroupFacts } from "./facts.ts";

const CHANGES_MAX = 16;
const CHANGES_MS = minutes(1);

/** What of a group one moment does not tell. */
export interface GroupMemory {
  leaderlessSince: Millis | undefined;
  /** Who led last, and in which term. */
  led: { readonly leader: MemberId; readonly term: number } | undefined;
  /** Within the last minute: when a leader lost its place although it was in reach and had not said that it stops. */
  changes: { readonly at: Millis; readonly from: MemberId }[];
  snapshot: { readonly index: number; readonly logBytes: number } | undefined;
  readonly followers: Map<MemberId, Progress>;
}

/** How a follower gets on. */
export interface Progress {
  /** When it had more of the log, or of a snapshot, than before, or lacked nothing. */
  readonly movedAt: Millis;
  /** When it lacked less than before, or nothing. */
  readonly shrankAt: Millis;
  readonly done: string;
  readonly lag: number;
}

export function newGroupMemory(): GroupMemory {
  return {
    leaderlessSince: undefined,
    led: undefined,
    changes: [],
    snapshot: undefined,
    followers: new Map(),
  };
}

/** @param isPlanned  whether a life of a member ended, or is ending, by plan. */
export function rememberGroup(
  memory: GroupMemory,
  facts: DiagnosisFacts,
  isPlanned: (id: MemberId, incarnation: number) => boolean,
  now: Millis,
): void {
  const { group } = facts;
  if (group === undefined) return void Object.assign(memory, newGroupMemory());
  rememberLeader(memory, facts, group, isPlanned, now);
  const { snapshotIndex, logBytes, followers } = group;
  // What is cut off its beginning is no sign that it is short.
  if (memory.snapshot?.index !== snapshotIndex || logBytes < memory.snapshot.logBytes)
    memory.snapshot = { index: snapshotIndex, logBytes };
  const ids = new Set(followers.map(({ id }) => id));
  for (const id of memory.followers.keys()) if (!ids.has(id)) memory.followers.delete(id);
  for (const follower of followers)
    memory.followers.set(follower.id, progressOf(follower, memory.followers.get(follower.id), now));
}

function rememberLeader(
  memory: GroupMemory,
  { members, process: own }: DiagnosisFacts,
  { leader, term, self }: GroupFacts,
  isPlanned: (id: MemberId, incarnation: number) => boolean,
  now: Millis,
): void {
  memory.changes = memory.changes.filter(({ at }) => now - at < CHANGES_MS).slice(-CHANGES_MAX);
  if (leader === undefined) {
    memory.leaderlessSince ??= now;
    return;
  }
  memory.leaderlessSince = undefined;
  const { led } = memory;
  memory.led = { leader, term };
  if (led === undefined || term <= led.term) return;
  const before = members?.peers.find(({ id }) => id === led.leader);
  // A leader that stops, or is lost, has a successor: that is what a group is for.
  const isExplained =
    led.leader === self
      ? own.stage === "stopping"
      : before === undefined || before.direction === "none" || isPlanned(before.id, before.incarnation);
  if (!isExplained) memory.changes.push({ at: now, from: led.leader });
}

function progressOf({ match, lag, snapshot }: FollowerFact, before: Progress | undefined, now: Millis): Progress {
  const done = `${match} ${snapshot?.sent}`;
  if (before === undefined || lag === 0) return { done, lag, movedAt: now, shrankAt: now };
  return {
    done,
    lag,
    movedAt: before.done === done ? before.movedAt : now,
    shrankAt: lag < before.lag || (snapshot !== undefined && before.done !== done) ? now : before.shrankAt,
  };
}
