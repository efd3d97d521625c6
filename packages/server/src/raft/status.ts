import { peerStatuses, type Raft } from "@nacre/core/raft";
import type { LogStatus } from "../storage/port.ts";
import type { Storage } from "../storage/storage.ts";
import { roleIn } from "./orders.ts";
import type { RaftStatus } from "./port.ts";

/** What core and storage know; `others` is what they do not. */
export function statusOf(
  core: Raft,
  storage: Pick<Storage<never, never>, "log" | "snapshots" | "storeFailing"> & {
    readonly applier: Pick<LogStatus, "appliedIndex">;
  },
  others: Pick<
    RaftStatus,
    "pending" | "refusing" | "stopped" | "snapshotAt" | "differing" | "hashes" | "passedOver" | "counts"
  >,
): RaftStatus {
  const { applier, snapshots, log, storeFailing } = storage;
  const { role, term, leader, configuration, commit, log: entries, trust } = core;
  return {
    ...others,
    // Who is removed takes everything anew before it comes back.
    differing: others.differing.filter(({ id }) => roleIn(configuration, id) !== "leaving"),
    appliedIndex: applier.appliedIndex,
    snapshotIndex: snapshots.index,
    snapshotBytes: snapshots.newest?.bytes,
    logBytes: log.bytes,
    full: log.full,
    storeFailing,
    syncMs: log.syncMs,
    role,
    term,
    leader,
    configuration,
    commitIndex: commit,
    lastIndex: entries.last,
    firstIndex: log.firstIndex,
    trust,
    followers: peerStatuses(core).map((peer) => ({
      ...peer,
      role: roleIn(configuration, peer.id),
      lag: Math.max(0, entries.last - peer.match),
    })),
  };
}
