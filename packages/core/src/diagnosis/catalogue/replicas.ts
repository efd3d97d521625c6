import { seconds } from "../../lib/units.ts";
import { remembers } from "../../raft/model.ts";
import type { GroupFacts } from "../facts.ts";
import type { FindingCode, Named } from "../finding.ts";
import { groupNamed, namesText, voterReach } from "../group-view.ts";
import { aboutSelf, type Observed, type Row, type View } from "../view.ts";
import { bytesText, clockText, count } from "../words.ts";

const STILL_MS = seconds(4);
/** So far behind, a follower is told of unless it catches up. */
const FAR_ENTRIES = 10_000;
/** A snapshot that is due for so many times its log is late. */
const LATE_TIMES = 3;

/** Findings about what each voter holds of the log, and what it led to. */
export const REPLICA_ROWS = {
  // F17, F47
  VOTER_BEHIND: {
    severity: "warning",
    area: "cp",
    title: "A voter does not keep up",
    means:
      "Clients that read durable data at it see changes late. While it lacks entries, the group bears one loss fewer.",
    why: "Its disk or its machine is too slow, its disk is full, or the link to it stands still although it is open.",
    fix: "Look at its own findings and its disk. A restart does no harm: it is sent what it lacks, or a snapshot.",
    afterMs: seconds(1),
    goneMs: seconds(1),
    find: (view) => {
      const { group } = view.facts;
      if (group === undefined) return [];
      const { reached } = voterReach(view, group);
      return group.followers.flatMap(({ id, lag, trust }): Observed[] => {
        const progress = view.memory.group.followers.get(id);
        // It waits for a snapshot in the place of all that it has.
        if (trust === "stateLost") return [];
        if (!reached.includes(id) || lag === 0 || progress === undefined) return [];
        const isStill = view.now - progress.movedAt >= STILL_MS;
        const isFar = lag >= FAR_ENTRIES && view.now - progress.shrankAt >= STILL_MS;
        if (!isStill && !isFar) return [];
        const since = isStill ? progress.movedAt : progress.shrankAt;
        const { address } = groupNamed(view, id);
        const how = isStill ? "has taken nothing" : "has fallen back further";
        const sentence = `${address} lacks ${count(lag, "entry", "entries")} of the log of ${view.self.address} and ${how} since ${clockText(since)}; look at its disk and its load, or restart it.`;
        return [{ key: id, since, members: [groupNamed(view, id)], sentence }];
      });
    },
  },

  // F16
  APPLY_STOPPED: {
    severity: "error",
    area: "cp",
    title: "A member applies no more of the log",
    means:
      "Its durable data stays as it was and grows old; it refuses durable changes of its clients. As a voter it still counts, and ephemeral data goes on.",
    why: "An entry of the log is of a kind that a later version has and this one does not: members of both are in the group. Or an entry could not be applied, or a rule of the agreement was found broken: that is a fault of this program.",
    fix: "Where the sentence says so, upgrade this member: it goes on from that entry. Else report it with the log. A restart tries again; if it stops at the same entry, remove the member with `nacre raft remove` and start it with an empty data folder.",
    afterMs: seconds(1),
    goneMs: seconds(1),
    find: (view) => {
      const { group } = view.facts;
      if (group?.stopped === undefined) return [];
      const sentence = `${view.self.address} applies nothing behind entry ${group.appliedIndex} of the log: ${group.stopped}.`;
      return [{ key: view.self.id, members: aboutSelf(view), sentence }];
    },
  },

  ENTRY_PASSED_OVER: {
    severity: "warning",
    area: "cp",
    title: "An entry of the log was no command",
    means:
      "Nothing came of that entry, at any member of this version. Everything behind it is applied as ever, and who proposed it was told that it is not done.",
    why: "What proposed it is no member of this program, or has a fault: a member looks at what it proposes, and a leader at what others do.",
    fix: "Report it with the log, and see which member of the cluster is not what it seems. The finding goes with the next start.",
    afterMs: 0,
    find: (view) => {
      const passed = view.facts.group?.passedOver;
      if (passed === undefined) return [];
      const { count: passedOver, index, why } = passed;
      const sentence = `${view.self.address} passed over ${count(passedOver, "entry", "entries")} of the log, the last at index ${index}, because ${why}: report this with its log.`;
      return [{ key: view.self.id, members: aboutSelf(view), sentence }];
    },
  },

  // F18, S22, S24
  LOG_DAMAGED: {
    severity: "warning",
    area: "cp",
    title: "A voter has lost files of durable data",
    means:
      "The damaged files are set aside, in `damaged` in its data folder. Until it has everything again that it may have acknowledged, it gives no vote; then it is what it was.",
    why: "Checksums of the log, the snapshot or the vote did not fit, or files were missing: a disk that fails, a power loss on a disk that does not keep what it synced, or files that were changed.",
    fix: "Nothing while there is a leader: it fetches what it lacks by itself. Look at its disk. If nobody can lead because of it, use `nacre raft recover` at the voter that has everything.",
    afterMs: 0,
    goneMs: seconds(1),
    find: (view) => {
      const { group } = view.facts;
      if (group === undefined) return [];
      const { self, trust, followers } = group;
      const all = [{ id: self, trust }, ...followers].filter((one) => !remembers(one.trust));
      return all.map(({ id, trust: left }): Observed => {
        const one = groupNamed(view, id);
        const what = left === "logLost" ? "entries" : "entries, and for whom it voted";
        const from = group.leader === undefined ? "a leader" : groupNamed(view, group.leader).address;
        const sentence = `${one.address} found files of its log damaged and lost ${what}; it has no vote until it has fetched them from ${from}: look at its disk.`;
        return { key: id, members: view.facts.members === undefined ? [] : [one], sentence };
      });
    },
  },

  // F32, F40, F50
  STATE_DIFFERS: {
    severity: "error",
    area: "cp",
    title: "The same entries led to different data",
    means:
      "Two members answer differently for durable data. One that differs from more than half of all voters, which agree, is not ready until it has taken a snapshot of the leader, once in an hour at most; a leader that differs hands over first. Its votes and its log count all the while.",
    why: "Members compare what every thousand entries led to. A difference is a fault of this program, of memory or of a disk.",
    fix: "Report it with the log, and with the state that differed: it is in `damaged` in the data folder. A member that does not take the snapshot by itself, because no majority agrees or because it differs again, is removed with `nacre raft remove`, stopped, and started with an empty data folder: it takes everything from the others.",
    afterMs: 0,
    find: (view) => {
      const { group } = view.facts;
      if (group === undefined) return [];
      const { self, trust, leader } = group;
      const all = [{ id: self, trust }, ...group.followers];
      const renewed = all.filter((one) => one.trust === "stateLost").map(({ id }) => id);
      const from = leader === undefined ? "a leader" : groupNamed(view, leader).address;
      return [...differences(view, group, renewed), ...renewed.map((id) => takes(groupNamed(view, id), from))];
    },
  },

  // F38
  SNAPSHOT_LATE: {
    severity: "warning",
    area: "cp",
    title: "The log grows and no snapshot is taken",
    means: "The log takes more and more of the disk, and a start takes longer. Nothing is refused yet.",
    why: "A snapshot stands in for the log in front of it, and is taken by itself when enough has been written. Taking one fails, or takes very long: mostly because the disk has no room for it.",
    fix: "Free space on the disk, look into the log for why, and take one with `nacre raft snapshot`.",
    afterMs: seconds(1),
    find: (view) => {
      const { group } = view.facts;
      const then = view.memory.group.snapshot;
      if (group === undefined || then === undefined) return [];
      const { snapshotLogBytes, logBytes, snapshotIndex } = group;
      if (logBytes - then.logBytes < LATE_TIMES * snapshotLogBytes) return [];
      const of = snapshotIndex === 0 ? "" : ` since that of entry ${snapshotIndex}`;
      const sentence = `The log of ${view.self.address} has grown to ${bytesText(logBytes)} and no snapshot was taken${of}; see that its disk has room, and run nacre raft snapshot.`;
      return [{ key: view.self.id, members: aboutSelf(view), sentence }];
    },
  },
} as const satisfies Partial<Record<FindingCode, Row>>;

/** Those that do not mend themselves just now. Of a group of one nobody says so: there is nobody to compare with. */
function differences(view: View, { differing, followers }: GroupFacts, renewed: readonly string[]): Observed[] {
  const rest = differing.filter(({ id }) => !renewed.includes(id));
  const [first] = rest;
  if (first === undefined) return [];
  // When it differs from most, the leader is the odd one.
  if (rest.length > 1 && rest.length * 2 > followers.length)
    return [differs(view.self, namesText(rest.map(({ id }) => groupNamed(view, id))), first.index)];
  return rest.map(({ id, index }) => differs(groupNamed(view, id), view.self.address, index));
}

function differs(one: Named, others: string, index: number): Observed {
  const sentence = `${one.address} holds other durable data than ${others}, although both have applied the same log up to entry ${index}; if it does not take a snapshot by itself, remove it with nacre raft remove, and start it with an empty data folder.`;
  return { key: one.id ?? "", members: [one], sentence };
}

function takes(one: Named, from: string): Observed {
  const sentence = `${one.address} held other durable data than most voters, although all have applied the same log; it is not ready until it has taken a snapshot of ${from}, which it does by itself: report this with its log.`;
  return { key: one.id ?? "", members: [one], sentence };
}
