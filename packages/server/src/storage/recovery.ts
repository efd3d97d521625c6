import { join } from "node:path";
import { DamageError } from "./damage.ts";
import { diskFailure } from "./disk-failure.ts";
import type { Files } from "./files.ts";
import { LogFile } from "./log-file.ts";
import { type LogScan, scanLog } from "./log-scan.ts";
import type { StorageLogger } from "./logger.ts";
import type { StateMachine } from "./port.ts";
import { scanSegment } from "./records.ts";
import { load, rebuild, replay } from "./restore.ts";
import type { RunMark } from "./run-mark.ts";
import { removeLog } from "./segments.ts";
import {
  checkSnapshot,
  inspectSnapshot,
  listSnapshots,
  noSnapshot,
  type SnapshotInfo,
  setAsideSnapshot,
  snapshotPath,
  unfinishedInstall,
  writeSnapshot,
} from "./snapshot.ts";
import { EMPTY, inspectStore, type Mark, openStore, removeStore, type Store } from "./store.ts";
import { refuseLaterVersions } from "./versions.ts";
import { VoteFile } from "./vote-file.ts";

export interface Folders {
  readonly log: string;
  readonly snapshots: string;
  readonly store: string;
  readonly vote: string;
}

export interface Recovered {
  readonly log: LogFile;
  readonly store: Store;
  readonly vote: VoteFile;
  /** The log as it was found. */
  readonly scan: LogScan;
  /** The newest one. */
  readonly snapshot: SnapshotInfo | undefined;
}

export interface RecoveryOptions<C, R> {
  readonly files: Files;
  readonly folders: Folders;
  readonly machine: StateMachine<C, R>;
  readonly lastRun: RunMark | undefined;
  readonly boot: string | null;
  readonly segmentBytes: number;
  /** Whether all of the log counts, or only what a group will say is committed. */
  readonly replays: boolean;
  readonly logger: StorageLogger;
  readonly onDamage: () => void;
}

/**
 * Opens log, store and vote, and brings the machine to the state of the store: what that is if it can be trusted, else
 * from a snapshot, and then, where the whole log counts, from the records behind it. Nothing on the disk changes before
 * everything that speaks against it has been checked.
 *
 * @throws DamageError when acknowledged records are missing or damaged; RegistryError `dataAccess` otherwise.
 */
export async function recover<C, R>(options: RecoveryOptions<C, R>): Promise<Recovered> {
  const { files, folders, machine, lastRun, boot, logger } = options;
  const sameBoot = lastRun !== undefined && lastRun.boot !== null && lastRun.boot === boot;
  const clean = lastRun !== undefined && lastRun.cleanAt !== null;
  const powerLoss = !sameBoot && !clean;
  await refuseLaterVersions(files, folders);
  await finishInstall(files, folders, clean, logger);
  const snapshots = await listSnapshots(files, folders.snapshots);
  const snapshotIndex = snapshots[0] ?? 0;
  const scan = await scanLog(files, folders.log, { powerLoss, countAfter: snapshotIndex });
  const segmentsEnd = scan.segments.at(-1)?.lastIndex;
  const lastIndex = segmentsEnd ?? snapshotIndex;
  const found = inspectStore(folders.store);
  refuseLoss(folders, { lastIndex, snapshotIndex, storeIndex: found?.mark.index ?? 0, cleanAt: lastRun?.cleanAt ?? 0 });
  const vote = await openVote(files, folders, scan, powerLoss);
  let log: LogFile | undefined;
  let store: Store | undefined;
  try {
    const trusted =
      found !== undefined &&
      (sameBoot || lastRun?.cleanAt === found.mark.index) &&
      found.intact &&
      (await belongsTo(files, folders, scan, found.mark));
    const from = trusted ? undefined : await chooseSnapshot(files, folders, snapshots, scan, logger);
    log = await LogFile.open(files, folders.log, scan, {
      segmentBytes: options.segmentBytes,
      startAfter: snapshotIndex,
      isSynced: clean && scan.torn === undefined,
    });
    if (scan.torn !== undefined) {
      const { offset, reason } = scan.torn;
      logger.warn({ offset, reason }, "cut the end of the log, which was being written when the last run stopped");
    }
    if (!trusted) removeStore(folders.store);
    store = openStore(folders.store, options.onDamage);
    if (from !== undefined) {
      for (const index of snapshots) if (index > from.index) await setAsideSnapshot(files, folders.snapshots, index);
      if (from.index > 0) await rebuild(files, snapshotPath(folders.snapshots, from.index), store, from);
    }
    await load(machine, store);
    const replayed = options.replays ? await replay(log, machine, store) : 0;
    logger.info({ appliedIndex: store.mark.index, replayed, trusted }, "opened the log");
    const newest = await newestSnapshot(files, folders, logger);
    // The state of a store that is trusted needs none, but what stands before the log does (L8).
    const isEnough = (newest?.index ?? 0) >= log.firstIndex - 1;
    const snapshot = isEnough ? newest : await takeSnapshot(files, folders, store);
    return { log, store, vote, scan, snapshot };
  } catch (thrown) {
    store?.close();
    await log?.close();
    await vote.close();
    throw diskFailure(`the store ${folders.store} cannot be opened`, thrown);
  }
}

/**
 * A snapshot that was received whole takes the place of log and store: what a process could not finish is begun again,
 * since nothing was appended before the end (L13).
 */
export async function finishInstall(
  files: Files,
  folders: Folders,
  isSynced: boolean,
  logger: StorageLogger,
): Promise<void> {
  // A killed process may have renamed a snapshot and not made sure of it (L15).
  if (!isSynced) await files.syncDirectory(folders.snapshots);
  const install = await unfinishedInstall(files, folders.snapshots);
  if (install === undefined) return;
  logger.info({ index: install.index }, "finishing to put a snapshot that was received in the place of log and store");
  await removeLog(files, folders.log);
  removeStore(folders.store);
  await install.finish();
}

/** A term that the log knows and the vote does not was begun here: then the vote that was given in it is forgotten. */
async function openVote(files: Files, folders: Folders, { terms }: LogScan, powerLoss: boolean): Promise<VoteFile> {
  const vote = await VoteFile.open(files, folders.vote, { powerLoss });
  const { term } = vote.state;
  const logTerm = terms.at(-1)?.term ?? 0;
  if (logTerm <= term) return vote;
  await vote.close();
  throw new DamageError(
    { part: "vote", path: folders.vote, fromIndex: 1 },
    `the vote in ${folders.vote} is of term ${term}, but the log has come to term ${logTerm}: restore the data folder from ` +
      "a backup, or let this member join its group anew",
  );
}

async function newestSnapshot(
  files: Files,
  folders: Folders,
  logger: StorageLogger,
): Promise<SnapshotInfo | undefined> {
  for (const index of await listSnapshots(files, folders.snapshots)) {
    const snapshot = await inspectSnapshot(files, snapshotPath(folders.snapshots, index));
    if (snapshot !== undefined) return snapshot;
    logger.warn({ index }, "a snapshot is damaged, and set aside");
    await setAsideSnapshot(files, folders.snapshots, index);
  }
  return undefined;
}

async function takeSnapshot(files: Files, folders: Folders, store: Store): Promise<SnapshotInfo> {
  const view = store.view();
  try {
    const bytes = (await writeSnapshot(files, folders.snapshots, view, () => false)) ?? 0;
    return { ...view.mark, bytes };
  } catch (thrown) {
    throw diskFailure(`a snapshot cannot be written to ${folders.snapshots}`, thrown);
  } finally {
    view.close();
  }
}

/** The store, a clean stop and a snapshot each witness how far the log had come: an earlier end means lost records. */
function refuseLoss(
  folders: Folders,
  seen: { lastIndex: number; snapshotIndex: number; storeIndex: number; cleanAt: number },
): void {
  const { lastIndex, snapshotIndex, storeIndex, cleanAt } = seen;
  const reached = Math.max(snapshotIndex, storeIndex, cleanAt);
  if (reached <= lastIndex) return;
  throw new DamageError(
    { part: "log", path: folders.log, fromIndex: lastIndex + 1 },
    `the log in ${folders.log} ends at record ${lastIndex}, but records up to ${reached} had been acknowledged: restore ` +
      "the data folder from a backup",
  );
}

/** Whether the store was written from this log: its mark is a record of it, or the place right before its start. */
async function belongsTo(files: Files, folders: Folders, scan: LogScan, mark: Mark): Promise<boolean> {
  const first = scan.segments[0]?.firstIndex;
  if (first === undefined) return false;
  if (mark.index < first) return mark.index === first - 1;
  const segment = scan.segments.find(
    ({ firstIndex, lastIndex }) => firstIndex <= mark.index && mark.index <= lastIndex,
  );
  if (segment === undefined) return false;
  let checksum: number | undefined;
  scanSegment(await files.read(join(folders.log, segment.name)), segment.firstIndex, (record) => {
    if (record.index === mark.index) checksum = record.checksum;
  });
  return checksum === mark.checksum;
}

/** The newest good snapshot that the log continues; index 0 stands for the empty state before record 1. */
async function chooseSnapshot(
  files: Files,
  folders: Folders,
  snapshots: readonly number[],
  scan: LogScan,
  logger: StorageLogger,
): Promise<Mark> {
  const firstIndex = scan.segments[0]?.firstIndex;
  const reasons: string[] = [];
  for (const index of snapshots) {
    if (firstIndex !== undefined && index < firstIndex - 1) break;
    const head = await checkSnapshot(files, snapshotPath(folders.snapshots, index));
    if (typeof head !== "string" && head.index === index) return head;
    const reason = typeof head === "string" ? head : "its first line is that of another";
    reasons.push(`snapshot ${index}: ${reason}`);
    logger.warn({ index, reason }, "a snapshot is damaged; an older one and the log stand in for it");
    // Without a log behind it, an older snapshot would silently be an older state.
    if (firstIndex === undefined) break;
  }
  if (firstIndex === 1 || (firstIndex === undefined && snapshots.length === 0)) return EMPTY;
  throw noSnapshot(folders.snapshots, firstIndex ?? (snapshots[0] ?? 0) + 1, reasons);
}
