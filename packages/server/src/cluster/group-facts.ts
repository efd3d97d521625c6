import type { GroupFacts } from "@nacre/core/diagnosis";
import type { MemberId } from "@nacre/core/membership";
import type { RaftStatus } from "../raft/port.ts";
import type { LeftBehind } from "../storage/left-behind.ts";
import { STORAGE_LIMITS } from "../storage/storage.ts";

/** The durable log of a member of a group, as diagnosis reads it. */
export interface GroupSource {
  /** Undefined while the log is exchanged for another one. */
  readonly group: RaftStatus | undefined;
  /** Whether features have changed anything, as far as this member knows. */
  readonly holdsData: boolean;
  /** What of groups that go on without this member lies in its data folder. */
  readonly leftBehind: readonly LeftBehind[];
}

export interface GroupView {
  readonly self: MemberId;
  readonly source: GroupSource;
  /** Addresses in the list of members. */
  readonly listed: number;
  /** What this member waits for before it serves durable data. */
  readonly catchingUp: string | undefined;
  /** The monotonic moment of a wall clock's. */
  readonly momentOf: (wall: number) => number;
}

export function groupFacts({ self, source, listed, catchingUp, momentOf }: GroupView): GroupFacts | undefined {
  const { group, holdsData, leftBehind } = source;
  if (group === undefined) return undefined;
  const { configuration, leader, term, appliedIndex, snapshotIndex, logBytes } = group;
  return {
    self,
    leader,
    term,
    voters: configuration.voters,
    learners: configuration.learners,
    appliedIndex,
    snapshotIndex,
    logBytes,
    snapshotLogBytes: STORAGE_LIMITS.snapshotLogBytes,
    trust: group.trust,
    stopped: group.stopped,
    followers: group.followers.map(({ id, match, lag, trust, snapshot }) => ({ id, match, lag, trust, snapshot })),
    differing: group.differing,
    passedOver: group.passedOver,
    // Two halves of a new cluster that do not see each other cannot both begin.
    votersNeeded: holdsData ? undefined : (listed >> 1) + 1,
    catchingUp,
    leftBehind: leftBehind.map(({ folder, at, holds }) => ({
      folder,
      at: at === undefined ? undefined : momentOf(at),
      holds,
    })),
  };
}
