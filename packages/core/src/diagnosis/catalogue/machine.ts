import { seconds } from "../../lib/units.ts";
import type { FindingCode, Named } from "../finding.ts";
import { aboutSelf, named, type Observed, pairKey, peersOf, type Row, type View } from "../view.ts";
import { bytesText, clockText, durationText, listText, percentText } from "../words.ts";

/** What lasts a moment is told for this long. */
const TOLD_MS = seconds(6);
const NEARLY = 0.9;
const FREE_SHARE_MIN = 0.05;
const FREE_BYTES_MIN = 10 * 2 ** 30;
const SYNC_SLOW_MS = seconds(1);
const CLOCK_OFF_MS = seconds(2);
const SAME_OFF_MS = seconds(1);

/** Findings about the process, its disk, and its clock. */
export const MACHINE_ROWS = {
  // F54, S14
  PROCESS_PAUSED: {
    severity: "warning",
    area: "process",
    title: "A member stood still",
    means: "It answered nobody meanwhile. It judges no client and no member by what it could not hear.",
    why: "Its machine was suspended or had no CPU for it, memory was swapped out, or something took very long.",
    fix: "Give the machine or the container enough CPU and memory, and look at what else runs there.",
    afterMs: 0,
    goneMs: seconds(1),
    find: (view) => {
      const { process: own, members } = view.facts;
      const pause = [own.pause, members?.self.pause]
        .filter((each) => each !== undefined)
        .sort((a, b) => b.at - a.at || b.lengthMs - a.lengthMs)[0];
      if (pause === undefined || view.now - pause.at >= TOLD_MS) return [];
      const sentence = `${view.self.address} stood still for ${durationText(pause.lengthMs)} until ${clockText(pause.at)}; see that its machine has CPU and memory for it.`;
      return [{ key: view.self.id, since: pause.at - pause.lengthMs, members: aboutSelf(view), sentence }];
    },
  },

  // F45
  MEMORY_NEARLY_FULL: {
    severity: "error",
    area: "process",
    title: "Memory is nearly full",
    means: "It slows down, and ends when nothing is left.",
    why: "It holds more than its limit allows, or a queue grows; its bounds are options of the group limits.",
    fix: "Give it more memory (`NODE_OPTIONS=--max-old-space-size=<MiB>`, and the container's limit), or spread clients over more members.",
    afterMs: seconds(5),
    find: (view) => {
      const { memory } = view.facts.process;
      if (memory === undefined || memory.usedBytes < memory.limitBytes * NEARLY) return [];
      const sentence = `${view.self.address} uses ${percentText(memory.usedBytes / memory.limitBytes)} of the ${bytesText(memory.limitBytes)} of memory that it may use; raise the limit, or add a member.`;
      return [{ key: view.self.id, members: aboutSelf(view), sentence }];
    },
  },

  // F45
  QUEUE_NEARLY_FULL: {
    severity: "warning",
    area: "process",
    title: "A queue is nearly full",
    means: "At its bound something is dropped or refused, as the finding says; nothing grows beyond it.",
    why: "Clients or members are slower than changes come.",
    fix: "Find who is slow: `PEER_BEHIND` names members, the metrics name pushes that wait. The bounds are options of the group limits.",
    afterMs: seconds(2),
    find: (view) => {
      const { queues } = view.facts.process;
      return queues
        .filter(({ held, max }) => max > 0 && held >= max * NEARLY)
        .map(({ what, held, max, atMax }) => ({
          key: `${view.self.id}/${what}`,
          members: aboutSelf(view),
          sentence: `At ${view.self.address} ${held} of at most ${max} ${what}; at the bound ${atMax}: find who is slow.`,
        }));
    },
  },

  // F42
  STATUS_SET: {
    severity: "info",
    area: "process",
    title: "An operator set the status",
    means: "The member says of itself what it was told to say, whatever it could do.",
    why: "The switch `overriddenServerStatus` is set.",
    fix: "Clear the switch: `PUT /nacos/v3/admin/ns/ops/switches?entry=overriddenServerStatus&value=`.",
    afterMs: 0,
    goneMs: 0,
    find: (view) => {
      const { statusSet } = view.facts.process;
      if (statusSet === undefined) return [];
      const sentence = `An operator set the status of ${view.self.address} to ${statusSet.status} at ${clockText(statusSet.since)}; clear the switch overriddenServerStatus to end that.`;
      return [{ key: view.self.id, since: statusSet.since, members: aboutSelf(view), sentence }];
    },
  },

  // F37, S25
  DISK_WRITES_FAIL: {
    severity: "error",
    area: "disk",
    title: "Durable changes are refused",
    means:
      "Ephemeral registrations, reads and pushes go on. Changes of configurations, persistent instances and settings are refused with this reason.",
    why: "The disk of the data folder is full, read-only or broken. A leader hands over to another voter first.",
    fix: "Do what the sentence says. The next change is taken as soon as the disk takes it; nothing has to be restarted.",
    afterMs: 0,
    goneMs: seconds(1),
    find: (view) => {
      const refusing = view.facts.log?.refusing;
      // What stopped is told as such.
      if (refusing === undefined || view.facts.group?.stopped !== undefined) return [];
      const sentence = `${view.self.address} refuses durable changes: ${withoutDot(refusing)}.`;
      return [{ key: view.self.id, members: aboutSelf(view), sentence }];
    },
  },

  // F37
  DISK_NEARLY_FULL: {
    severity: "warning",
    area: "disk",
    title: "The disk is nearly full",
    means: "Nothing yet. When it is full, durable changes are refused, and everything else goes on.",
    why: "Something fills the disk of the data folder; the server itself trims its log.",
    fix: "Free space on the disk of the data folder, or make it larger.",
    afterMs: seconds(2),
    find: (view) => {
      const { disk } = view.facts;
      if (disk === undefined || disk.totalBytes === 0) return [];
      if (disk.freeBytes >= disk.totalBytes * FREE_SHARE_MIN || disk.freeBytes >= FREE_BYTES_MIN) return [];
      const sentence = `The disk of ${disk.path} of ${view.self.address} has ${bytesText(disk.freeBytes)} free, ${percentText(disk.freeBytes / disk.totalBytes)} of it; free some space.`;
      return [{ key: view.self.id, members: aboutSelf(view), sentence }];
    },
  },

  DISK_SLOW: {
    severity: "warning",
    area: "disk",
    title: "The disk is slow",
    means: "Durable changes are answered late: each waits for its sync.",
    why: "The disk is shared with something busy, is limited by its provider, or begins to fail.",
    fix: "Move the data folder to a faster disk, or find what else uses it.",
    afterMs: seconds(2),
    find: (view) => {
      const { disk } = view.facts;
      if (disk === undefined || disk.syncMs < SYNC_SLOW_MS) return [];
      const sentence = `A sync of ${disk.path} of ${view.self.address} took ${durationText(disk.syncMs)}; find what else uses its disk.`;
      return [{ key: view.self.id, members: aboutSelf(view), sentence }];
    },
  },

  // F36
  STORE_FAILS: {
    severity: "error",
    area: "store",
    title: "The store of configurations fails",
    means:
      "Contents that are in memory are still served, others are answered with a failure. Changes are kept in the log.",
    why: "`store.db` in the data folder cannot be read or written, or is damaged.",
    fix: "Do what the sentence says. A restart rebuilds the store from snapshot and log.",
    afterMs: 0,
    goneMs: seconds(1),
    find: (view) => {
      const error = view.facts.store?.error;
      if (error === undefined) return [];
      const sentence = `The store of configurations of ${view.self.address} fails: ${withoutDot(error)}.`;
      return [{ key: view.self.id, members: aboutSelf(view), sentence }];
    },
  },

  // F33, S26
  CLOCK_DIFFERS: {
    severity: "warning",
    area: "clock",
    title: "The clock of a member is wrong",
    means:
      "Nothing is decided by clocks of two members, so no data suffers. Times in histories, logs and lists mislead.",
    why: "The machine's clock is not synchronised, or was set by hand.",
    fix: "Run NTP (chrony, systemd-timesyncd) on the machine that is named.",
    // The quickest of the last eight round trips tells the offset, which takes up to 8 s to forget an earlier one.
    afterMs: seconds(1),
    goneMs: seconds(1),
    find: (view) => wrongClocks(view),
  },

  // S26
  CLOCK_JUMPED: {
    severity: "warning",
    area: "clock",
    title: "The clock of a machine jumped",
    means:
      "Leases, heartbeats and timeouts do not follow the wall clock, so none ends early. Times in histories, logs and lists mislead.",
    why: "The clock was set, by hand or by NTP after a long time without it.",
    fix: "Run NTP (chrony, systemd-timesyncd), which moves the clock slowly.",
    afterMs: 0,
    goneMs: seconds(1),
    find: (view) => {
      const { jump } = view.facts.clock;
      if (jump === undefined || view.now - jump.at >= TOLD_MS) return [];
      const way = jump.byMs > 0 ? "ahead" : "back";
      const sentence = `The clock of ${view.self.address} jumped ${way} by ${durationText(Math.abs(jump.byMs))} at ${clockText(jump.at)} of its earlier time; run NTP there.`;
      return [{ key: view.self.id, since: jump.at, members: aboutSelf(view), sentence }];
    },
  },
} as const satisfies Partial<Record<FindingCode, Row>>;

/** Who is off: this member when most others agree on it, else those that are; of two nobody can say. */
function wrongClocks(view: View): Observed[] {
  const measured = peersOf(view).flatMap(({ clockOffsetMs, rttMs = 0, state, id, addresses }) =>
    clockOffsetMs === undefined || state === "DOWN" ? [] : [{ id, addresses, offsetMs: clockOffsetMs, rttMs }],
  );
  const off = measured.filter(({ offsetMs, rttMs }) => Math.abs(offsetMs) - rttMs / 2 >= CLOCK_OFF_MS);
  const [first] = off;
  if (first === undefined) return [];
  const { self } = view;
  if (measured.length === 1) {
    const sentence = `The clock of ${named(first).address} is ${durationText(Math.abs(first.offsetMs))} ${first.offsetMs > 0 ? "ahead of" : "behind"} that of ${self.address}; run NTP on both.`;
    return [{ key: pairKey(self.id, first.id), members: [self, named(first)], sentence }];
  }
  const agreeing = off.filter(({ offsetMs }) => Math.abs(offsetMs - first.offsetMs) < SAME_OFF_MS);
  if (agreeing.length * 2 > measured.length) return [clockOf(self.id, self, -first.offsetMs, agreeing.map(named))];
  const right = measured.filter((each) => !off.includes(each)).map(named);
  return off.map((each) => clockOf(each.id, named(each), each.offsetMs, [self, ...right]));
}

function clockOf(key: string, member: Named, offsetMs: number, others: readonly Named[]): Observed {
  const way = offsetMs > 0 ? "ahead of" : "behind";
  const than = listText(others.map(({ address }) => address));
  const sentence = `The clock of ${member.address} is ${durationText(Math.abs(offsetMs))} ${way} those of ${than}; run NTP there.`;
  return { key, members: [member], sentence };
}

function withoutDot(sentence: string): string {
  return sentence.replace(/\.\s*$/, "");
}
