import type { RaftMetrics } from "../metrics/index.ts";
import type { RaftStatus } from "./port.ts";

/** The figures of the group for one scrape. Labels are bounded by the bound on members. */
export function raftMetrics(
  status: RaftStatus,
  more: {
    readonly epoch: number;
    /** Monotonic, and epoch milliseconds. */
    readonly now: number;
    readonly wall: number;
    readonly shown: (id: string) => string;
  },
): RaftMetrics {
  const { role, term, leader, configuration, commitIndex, appliedIndex, lastIndex, firstIndex } = status;
  const { followers, counts, syncMs, snapshotIndex, snapshotAt, snapshotBytes, logBytes, trust } = status;
  const { epoch, now, wall, shown } = more;
  return {
    ...{ role, term, epoch, commitIndex, appliedIndex, lastIndex, firstIndex, snapshotIndex, snapshotBytes, logBytes },
    hasLeader: leader !== undefined,
    voters: configuration.voters.length,
    learners: configuration.learners.length,
    followers: followers.map(({ id, lag, heardAt, snapshot }) => ({
      peer: shown(id),
      lag,
      heardSeconds: Math.max(0, now - heardAt) / 1000,
      snapshotRatio: snapshot && snapshot.sent / Math.max(1, snapshot.total),
    })),
    ...counts,
    passedOver: status.passedOver?.count ?? 0,
    syncSeconds: syncMs / 1000,
    snapshotAgeSeconds: snapshotAt === undefined ? undefined : Math.max(0, wall - snapshotAt) / 1000,
    isWhole: trust === "whole",
  };
}
