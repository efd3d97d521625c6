import { join } from "node:path";
import { RegistryError } from "@nacre/protocol";
import { DamageError, QUARANTINE_MARKER } from "../storage/damage.ts";
import type { Files } from "../storage/files.ts";
import { LogFile } from "../storage/log-file.ts";
import { type LogScan, scanLog } from "../storage/log-scan.ts";
import { bootId, readRunMark } from "../storage/run-mark.ts";
import {
  inspectSnapshot,
  listSnapshots,
  type SnapshotInfo,
  snapshotPath,
  unfinishedInstall,
} from "../storage/snapshot.ts";
import { STORAGE_LIMITS } from "../storage/storage.ts";
import { refuseLaterVersions } from "../storage/versions.ts";

/** The log of a member that is stopped, read and not changed. */
export interface FoundLog {
  readonly scan: LogScan;
  readonly lastIndex: number;
  /** Of the last entry. */
  readonly term: number;
  readonly snapshot: SnapshotInfo | undefined;
  /** As the log or the snapshot names it last; blank for none. */
  readonly configuration: string;
  /** Whether the machine may have lost power in a write. */
  readonly powerLoss: boolean;
  readonly isClean: boolean;
  readonly boot: string | null;
  /** What is known to have been applied, and so acknowledged. */
  readonly appliedIndex: number;
}

export const foldersOf = (directory: string) => ({
  log: join(directory, "log"),
  snapshots: join(directory, "snapshots"),
  vote: join(directory, "vote"),
});

/**
 * @param boot  of this machine; only tests name one.
 * @throws DamageError for what a start would refuse as well; RegistryError `dataAccess` when only a start can go on.
 */
export async function readLog(files: Files, directory: string, boot?: string | null): Promise<FoundLog> {
  const folders = foldersOf(directory);
  const present = await files.list(directory);
  const isSettingAside = present.includes(QUARANTINE_MARKER);
  // A first start that was killed may have come to one of them, or to none.
  for (const name of ["log", "snapshots"] as const)
    if (!present.includes(name)) await files.makeDirectory(folders[name]);
  if (isSettingAside || (await unfinishedInstall(files, folders.snapshots)) !== undefined)
    throw new RegistryError(
      "dataAccess",
      `the last run in ${directory} was interrupted while it put another member's state in place: start this member once ` +
        "and stop it, which finishes that",
    );
  await refuseLaterVersions(files, folders);
  const lastRun = await readRunMark(files, directory);
  const own = boot === undefined ? await bootId() : boot;
  const isClean = lastRun !== undefined && lastRun.cleanAt !== null;
  const powerLoss = !isClean && (lastRun === undefined || lastRun.boot === null || lastRun.boot !== own);
  const snapshotIndex = (await listSnapshots(files, folders.snapshots))[0];
  const snapshot =
    snapshotIndex === undefined
      ? undefined
      : await inspectSnapshot(files, snapshotPath(folders.snapshots, snapshotIndex));
  const scan = await scanLog(files, folders.log, { powerLoss, countAfter: snapshot?.index ?? 0 });
  const lastIndex = scan.segments.at(-1)?.lastIndex ?? snapshot?.index ?? 0;
  const appliedIndex = Math.max(snapshot?.index ?? 0, lastRun?.cleanAt ?? 0);
  if (appliedIndex > lastIndex)
    throw new DamageError(
      { part: "log", path: folders.log, fromIndex: lastIndex + 1 },
      `the log in ${folders.log} ends at record ${lastIndex}, but records up to ${appliedIndex} had been acknowledged: use another member, or restore a backup`,
    );
  return {
    scan,
    lastIndex,
    term: scan.terms.at(-1)?.term ?? snapshot?.term ?? 0,
    snapshot,
    configuration: scan.configurations.at(-1)?.text ?? snapshot?.configuration ?? "",
    powerLoss,
    isClean,
    boot: own,
    appliedIndex,
  };
}

/** Opens the log to append to it: a torn end is cut. */
export function openLog(files: Files, directory: string, { scan, snapshot, isClean }: FoundLog): Promise<LogFile> {
  return LogFile.open(files, foldersOf(directory).log, scan, {
    segmentBytes: STORAGE_LIMITS.segmentBytes,
    startAfter: snapshot?.index ?? 0,
    isSynced: isClean && scan.torn === undefined,
  });
}
