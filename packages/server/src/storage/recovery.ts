import { join } from "node:path";
import { RegistryError } from "@nacre/protocol";
import { applyRecord, Gathered, markOf } from "./applier.ts";
import { DamageError } from "./damage.ts";
import { diskFailure } from "./disk-failure.ts";
import type { Files } from "./files.ts";
import { LogFile } from "./log-file.ts";
import { type LogScan, scanLog } from "./log-scan.ts";
import type { StorageLogger } from "./logger.ts";
import type { StateMachine } from "./port.ts";
import { scanSegment } from "./records.ts";
import type { RunMark } from "./run-mark.ts";
import { bytesOfSnapshot, checkSnapshot, listSnapshots, noSnapshot, snapshotRows } from "./snapshot.ts";
import type { SnapshotRow } from "./sql/snapshot-rows.ts";
import { EMPTY, inspectStore, type Mark, openStore, removeStore, type Store } from "./store.ts";
import { turn } from "./turn.ts";

export interface Folders {
  readonly log: string;
  readonly snapshots: string;
  readonly store: string;
}

export interface Recovered {
  readonly log: LogFile;
  readonly store: Store;
  /** Index of the newest snapshot, 0 without one. */
  readonly snapshotIndex: number;
  readonly snapshotBytes: number;
  readonly bytesSinceSnapshot: number;
}

export interface RecoveryOptions<C, R> {
  readonly files: Files;
  readonly folders: Folders;
  readonly machine: StateMachine<C, R>;
  readonly lastRun: RunMark | undefined;
  readonly boot: string | null;
  readonly segmentBytes: number;
  readonly logger: StorageLogger;
  readonly onDamage: () => void;
}

/** Rows and bytes of one transaction of a rebuild or a replay. */
const SAVE_ROWS = 1000;
const SAVE_BYTES = 8 * 1024 * 1024;

/** The mark of a store that does not yet hold all rows of a snapshot. No log fits it: an interrupted rebuild starts over. */
const REBUILDING: Mark = { ...EMPTY, index: -1 };

/**
 * Brings the machine to the state of the whole log: from the store if it can be trusted, else from a snapshot, and then
 * from the records behind it. Nothing on the disk changes before everything that speaks against it has been checked.
 *
 * @throws RegistryError `dataAccess` when acknowledged records are missing or damaged.
 */
export async function recover<C, R>(options: RecoveryOptions<C, R>): Promise<Recovered> {
  const { files, folders, machine, lastRun, boot, logger } = options;
  const snapshots = await listSnapshots(files, folders.snapshots);
  const snapshotIndex = snapshots[0] ?? 0;
  const sameBoot = lastRun !== undefined && lastRun.boot !== null && lastRun.boot === boot;
  const clean = lastRun !== undefined && lastRun.cleanAt !== null;
  const scan = await scanLog(files, folders.log, { powerLoss: !sameBoot && !clean, countAfter: snapshotIndex });
  const segmentsEnd = scan.segments.at(-1)?.lastIndex;
  const lastIndex = segmentsEnd ?? snapshotIndex;
  const found = inspectStore(folders.store);
  refuseLoss(folders, { lastIndex, snapshotIndex, storeIndex: found?.mark.index ?? 0, cleanAt: lastRun?.cleanAt ?? 0 });

  const trusted =
    found !== undefined &&
    (sameBoot || lastRun?.cleanAt === found.mark.index) &&
    found.intact &&
    (await belongsTo(files, folders, scan, found.mark));
  const from = trusted ? undefined : await chooseSnapshot(files, folders, snapshots, scan, logger);

  const log = await LogFile.open(files, folders.log, scan, {
    segmentBytes: options.segmentBytes,
    startAfter: snapshotIndex,
  });
  if (scan.torn !== undefined) {
    const { offset, reason } = scan.torn;
    logger.warn({ offset, reason }, "cut the end of the log, which was being written when the last run stopped");
  }
  let store: Store | undefined;
  try {
    if (!trusted) removeStore(folders.store);
    store = openStore(folders.store, options.onDamage);
    if (from !== undefined) await rebuild(files, folders, store, from);
    await load(machine, store);
    const replayed = await replay(log, machine, store);
    logger.info({ appliedIndex: store.mark.index, replayed, trusted }, "opened the log");
    const snapshotBytes = await bytesOfSnapshot(files, folders.snapshots, snapshotIndex);
    return { log, store, snapshotIndex, snapshotBytes, bytesSinceSnapshot: scan.bytesAfter };
  } catch (thrown) {
    store?.close();
    await log.close();
    throw diskFailure(`the store ${folders.store} cannot be opened`, thrown);
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
    const head = await checkSnapshot(files, folders.snapshots, index);
    if (typeof head !== "string") return head;
    reasons.push(`snapshot ${index}: ${head}`);
    logger.warn({ index, reason: head }, "a snapshot is damaged; an older one and the log stand in for it");
    // Without a log behind it, an older snapshot would silently be an older state.
    if (firstIndex === undefined) break;
  }
  if (firstIndex === 1 || (firstIndex === undefined && snapshots.length === 0)) return EMPTY;
  throw noSnapshot(folders.snapshots, firstIndex ?? (snapshots[0] ?? 0) + 1, reasons);
}

async function rebuild(files: Files, folders: Folders, store: Store, mark: Mark): Promise<void> {
  const { index } = mark;
  if (index === 0) return;
  let rows: SnapshotRow[] = [];
  let bytes = 0;
  for await (const row of snapshotRows(files, folders.snapshots, index)) {
    rows.push(row);
    bytes += bytesOf(row);
    if (rows.length < SAVE_ROWS && bytes < SAVE_BYTES) continue;
    store.restore(rows, REBUILDING);
    rows = [];
    bytes = 0;
    await turn();
  }
  store.restore(rows, mark);
}

function bytesOf({ value }: SnapshotRow): number {
  if (typeof value === "string") return value.length;
  return value.reduce<number>((sum, column) => sum + (typeof column === "string" ? column.length : 8), 0);
}

/** Gives the machine what the store holds: rows, then configurations, then what waits for the commit of an import. */
async function load<C, R>(machine: StateMachine<C, R>, store: Store): Promise<void> {
  for (const row of store.rows()) machine.load(row);
  if (machine.loadConfig !== undefined) for await (const head of store.heads()) machine.loadConfig(head);
  if (machine.loadStaged !== undefined) for await (const staged of store.staged()) machine.loadStaged(staged);
}

async function replay<C, R>(log: LogFile, machine: StateMachine<C, R>, store: Store): Promise<number> {
  let writes = new Gathered();
  let bytes = 0;
  let mark = store.mark;
  let count = 0;
  for await (const record of log.recordsAfter(store.mark.index)) {
    try {
      const applied = applyRecord(machine, record);
      if (applied !== undefined) writes.add(applied);
    } catch (thrown) {
      const sentence = `record ${record.index} of the log cannot be applied: report this as a bug`;
      throw new RegistryError("dataAccess", sentence, { cause: thrown });
    }
    mark = markOf(record, mark);
    count += 1;
    bytes += record.payload.length;
    if (writes.count < SAVE_ROWS && bytes < SAVE_BYTES) continue;
    await store.write(writes, mark);
    writes = new Gathered();
    bytes = 0;
    await turn();
  }
  if (mark !== store.mark) await store.write(writes, mark);
  if (count > 0) machine.saved?.(mark.index);
  return count;
}
