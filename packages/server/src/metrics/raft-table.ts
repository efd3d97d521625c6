import type { RaftMetrics } from "./sources.ts";
import type { MetricRow } from "./table.ts";

const PEER = "address of the other member";

/** What a member knows of the group of voters. What a leader alone knows is absent at the others. */
export const RAFT_METRICS: readonly MetricRow[] = [
  {
    name: "nacre_raft_role",
    type: "gauge",
    help: "1 for the role of this member in the group",
    labels: { role: "`leader`, `follower`, `candidate`, `preCandidate`" },
    samples: ({ raft }) => (raft === undefined ? [] : [{ labels: { role: raft.role }, value: 1 }]),
  },
  gauge("nacre_raft_leader_known", "1 while this member knows who leads", (raft) => Number(raft.hasLeader)),
  gauge("nacre_raft_term", "Term of the group as this member knows it", (raft) => raft.term),
  gauge("nacre_raft_epoch", "Grows with each recovery by an operator in the life of the group", (raft) => raft.epoch),
  {
    name: "nacre_raft_members",
    type: "gauge",
    help: "Members of the group as this one knows it",
    labels: { role: "`voter` or `learner`" },
    samples: ({ raft }) =>
      raft === undefined
        ? []
        : [
            { labels: { role: "voter" }, value: raft.voters },
            { labels: { role: "learner" }, value: raft.learners },
          ],
  },
  gauge("nacre_raft_commit_index", "Last entry that a majority has, as this member knows", (raft) => raft.commitIndex),
  gauge("nacre_raft_applied_index", "Last entry that is applied here", (raft) => raft.appliedIndex),
  gauge("nacre_raft_last_index", "Last entry of this member's log", (raft) => raft.lastIndex),
  gauge("nacre_raft_first_index", "First entry that the log still holds", (raft) => raft.firstIndex),
  perPeer(
    "nacre_raft_follower_lag_entries",
    "Entries that the other member lacks, as the leader knows",
    (one) => one.lag,
  ),
  perPeer(
    "nacre_raft_follower_heard_seconds",
    "How long ago the leader heard the other member",
    (one) => one.heardSeconds,
  ),
  perPeer(
    "nacre_raft_follower_snapshot_ratio",
    "How much of a snapshot the other member has, while it is sent one",
    (one) => one.snapshotRatio,
  ),
  {
    name: "nacre_raft_proposals_total",
    type: "counter",
    help: "Writes of this member's clients by what came of them since the start",
    labels: { outcome: "`done`, `notDone`, `unknown`, or `refused` because nobody could take them" },
    samples: ({ raft }) =>
      Object.entries(raft?.proposals ?? {}).map(([outcome, value]) => ({ labels: { outcome }, value })),
  },
  counter(
    "nacre_raft_entries_passed_over_total",
    "Entries of the log that were no command, so that nothing came of them",
    (raft) => raft.passedOver,
  ),
  counter("nacre_raft_elections_total", "Times that this member asked for votes", (raft) => raft.elections),
  counter("nacre_raft_leader_changes_total", "Leaders that this member came to know", (raft) => raft.leaders),
  gauge("nacre_raft_sync_seconds", "Longest sync of the log in the last few seconds", (raft) => raft.syncSeconds),
  gauge("nacre_raft_snapshot_index", "Last entry that the newest snapshot holds", (raft) => raft.snapshotIndex),
  gauge(
    "nacre_raft_snapshot_age_seconds",
    "Age of the newest snapshot; absent without one",
    (raft) => raft.snapshotAgeSeconds,
  ),
  gauge("nacre_raft_snapshot_bytes", "Size of the newest snapshot; absent without one", (raft) => raft.snapshotBytes),
  gauge("nacre_raft_log_bytes", "Size of the log on disk", (raft) => raft.logBytes),
  gauge("nacre_raft_whole", "1 unless this member has lost what it had acknowledged", (raft) => Number(raft.isWhole)),
];

function gauge(name: string, help: string, read: (raft: RaftMetrics) => number | undefined): MetricRow {
  return row(name, "gauge", help, read);
}

function counter(name: string, help: string, read: (raft: RaftMetrics) => number): MetricRow {
  return row(name, "counter", `${help} since the start`, read);
}

function row(
  name: string,
  type: "gauge" | "counter",
  help: string,
  read: (raft: RaftMetrics) => number | undefined,
): MetricRow {
  const samples: MetricRow["samples"] = ({ raft }) => {
    const value = raft && read(raft);
    return value === undefined ? [] : [{ value }];
  };
  return { name, type, help, labels: {}, samples };
}

function perPeer(
  name: string,
  help: string,
  read: (follower: RaftMetrics["followers"][number]) => number | undefined,
): MetricRow {
  const samples: MetricRow["samples"] = ({ raft }) =>
    (raft?.followers ?? []).flatMap((follower) => {
      const value = read(follower);
      return value === undefined ? [] : [{ labels: { peer: follower.peer }, value }];
    });
  return { name, type: "gauge", help, labels: { peer: PEER }, samples };
}
