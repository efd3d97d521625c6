import { basename, join } from "node:path";
import { Applier } from "./applier.ts";
import type { ConfigStore } from "./config-store.ts";
import { DamageError, QUARANTINE_MARKER } from "./damage.ts";
import { diskFailure } from "./disk-failure.ts";
import { type Files, nodeFiles } from "./files.ts";
import { type FolderLock, lockFolder } from "./lock.ts";
import type { LogFile } from "./log-file.ts";
import type { ConfigurationRecord, TermRun } from "./log-scan.ts";
import { type StorageLogger, silent } from "./logger.ts";
import type { StateMachine } from "./port.ts";
import type { Quarantine } from "./quarantine.ts";
import { type Folders, type Recovered, type RecoveryOptions, recover } from "./recovery.ts";
import { bootId, readRunMark, writeRunMark } from "./run-mark.ts";
import type { IncomingHead, IncomingSnapshot } from "./snapshot-transfer.ts";
import { Snapshots } from "./snapshots.ts";
import type { Mark } from "./store.ts";
import { StoreSaver } from "./store-saver.ts";
import { StoreThread } from "./store-thread.ts";
import type { VoteFile } from "./vote-file.ts";

export interface StorageLimits {
  /** Bytes after which a segment is closed and the next one started. */
  readonly segmentBytes: number;
  /** Bytes of log after which a snapshot is taken. The folder holds about three times this, and two snapshots. */
  readonly snapshotLogBytes: number;
}

export const STORAGE_LIMITS: StorageLimits = {
  segmentBytes: 16 * 1024 * 1024,
  snapshotLogBytes: 64 * 1024 * 1024,
};

export interface StorageOptions<C, R> {
  /** The data folder; made when missing. */
  readonly directory: string;
  readonly machine: StateMachine<C, R>;
  readonly limits?: Partial<StorageLimits>;
  /** Whether a start applies the whole log, as a member by itself does, or leaves that to who knows what is committed. */
  readonly replays: boolean;
  /** Sets damaged files aside and starts with nothing, instead of refusing: for a member of a group that has it all. */
  readonly quarantines?: boolean;
  readonly logger?: StorageLogger;
  readonly files?: Files;
  /** Of the folder, when something else in it is used before; released with this. By default it is taken here. */
  readonly lock?: FolderLock;
  /** This boot of the machine, null if unknown. Only tests name one. */
  readonly boot?: string | null;
}

/** What a data folder holds, open: everything that a log of entries is made durable and applied with. */
export interface Storage<C, R> {
  readonly log: LogFile;
  readonly vote: VoteFile;
  readonly applier: Applier<C, R>;
  readonly snapshots: Snapshots;
  /** Can be read until the storage is closed. */
  readonly configs: ConfigStore;
  /** The terms of the log as it was opened. */
  readonly terms: readonly TermRun[];
  /** The `configuration` records in the log as it was opened. */
  readonly configurations: readonly ConfigurationRecord[];
  /** What was set aside by this start. */
  readonly quarantine: Quarantine | undefined;
  /** Set while the store cannot be read, or does not take what the log holds: the reason and the mend. */
  readonly storeFailing: string | undefined;
  /** Begins, or goes on, to receive a snapshot of another member. */
  receive(head: IncomingHead): Promise<IncomingSnapshot>;
  /**
   * Puts a snapshot that came whole in the place of log, store and machine. Nothing else is written or applied meanwhile.
   *
   * @throws RegistryError `dataAccess`: everything is as it was and the snapshot has to come again, or the log takes no
   * writes until a restart, which finishes it.
   */
  install(incoming: IncomingSnapshot): Promise<void>;
  /** Whoever appends and applies has ended before. */
  close(): Promise<void>;
}

/**
 * Takes a data folder, repairs what may be repaired, and brings the machine to the state of the store, or of the log.
 *
 * @throws DamageError when acknowledged records are damaged or missing; RegistryError `dataAccess` when the folder cannot
 * be used or is in use. In one sentence with the folder or file and the mend.
 */
export async function openStorage<C, R>(options: StorageOptions<C, R>): Promise<Storage<C, R>> {
  const { directory, machine, files = nodeFiles, logger = silent } = options;
  const limits = { ...STORAGE_LIMITS, ...options.limits };
  const folders: Folders = {
    log: join(directory, "log"),
    snapshots: join(directory, "snapshots"),
    store: join(directory, "store.db"),
    vote: join(directory, "vote"),
  };
  await makeFolders(files, directory, folders);
  // First of all: two processes that repair the same files would break them.
  const lock = options.lock ?? lockFolder(directory);
  try {
    const boot = options.boot === undefined ? await bootId() : options.boot;
    let distrusted: Promise<void> | undefined;
    const onDamage = () => {
      if (distrusted !== undefined) return;
      logger.warn({ store: folders.store }, "the store is damaged: the next start rebuilds it from snapshot and log");
      // At once, because the process may be killed: a mark of no boot lets no start trust the store.
      distrusted = writeRunMark(files, directory, { boot: null, cleanAt: null }).catch(() => {});
    };
    const { segmentBytes } = limits;
    const { replays } = options;
    const recovery = { files, folders, machine, boot, segmentBytes, replays, logger, onDamage };
    const { recovered, quarantine } = await recoverOrSetAside(directory, recovery, options.quarantines ?? false);
    const { log, store, vote, scan } = recovered;
    // Only now is the store what this boot left in the page cache; a crash before this line rebuilds it again.
    await writeRunMark(files, directory, { boot, cleanAt: null }).catch(async (thrown: unknown) => {
      store.close();
      await log.close();
      await vote.close();
      throw thrown;
    });
    const snapshots = new Snapshots({ ...recovered, files, folders, limits, logger });
    store.leaveCheckpoints();
    const thread = new StoreThread(folders.store, () => store.pagesWaiting(), logger);
    const saver = new StoreSaver({ store, path: folders.store, snapshots, thread, logger });
    const applier = new Applier({ machine, saver, mark: store.mark });
    snapshots.consider();
    return {
      log,
      vote,
      applier,
      snapshots,
      configs: store.configs,
      terms: scan.terms,
      configurations: scan.configurations,
      quarantine,
      get storeFailing() {
        if (distrusted === undefined) return saver.failing?.message;
        return `${folders.store} is damaged; restart this member, which rebuilds it`;
      },
      async receive(head) {
        const { IncomingSnapshot } = await import("./snapshot-transfer.ts");
        return IncomingSnapshot.open(files, folders.snapshots, head);
      },
      async install(incoming) {
        const { installSnapshot } = await import("./install.ts");
        const { store: storePath } = folders;
        await installSnapshot(incoming, { files, machine, log, store, storePath, saver, applier, snapshots });
      },
      async close() {
        await applier.close();
        await snapshots.stop();
        await thread.stop();
        try {
          const saved = (await saver.saveLeft()) && distrusted === undefined;
          // After a failed sync nobody knows what of the log is on the disk: the next start syncs it (L15).
          const inOrder = saved && applier.refusing === undefined && log.refusing === undefined;
          // The next start reads it; a stop that was quicker would have that start trust what is damaged.
          await distrusted;
          store.close();
          await log.close();
          await vote.close();
          if (inOrder) await markClean(files, directory, folders, boot, store.mark, logger);
        } finally {
          lock.release();
        }
      },
    };
  } catch (thrown) {
    lock.release();
    throw diskFailure(`the data folder ${directory} cannot be opened`, thrown);
  }
}

async function recoverOrSetAside<C, R>(
  directory: string,
  options: Omit<RecoveryOptions<C, R>, "lastRun">,
  quarantines: boolean,
): Promise<{ readonly recovered: Recovered; readonly quarantine: Quarantine | undefined }> {
  const { files, folders, logger } = options;
  const isUnfinished = (await files.list(directory)).includes(QUARANTINE_MARKER);
  const unfinished = isUnfinished
    ? await (await import("./quarantine.ts")).finishQuarantine(files, directory)
    : undefined;
  if (isUnfinished) await makeFolders(files, directory, folders);
  try {
    const recovered = await recover({ ...options, lastRun: await readRunMark(files, directory) });
    return { recovered, quarantine: unfinished };
  } catch (thrown) {
    if (!quarantines || !(thrown instanceof DamageError)) throw thrown;
    const { setAside } = await import("./quarantine.ts");
    const quarantine = await setAside(files, directory, thrown);
    logger.warn({ ...quarantine }, "set damaged files aside; this member starts with nothing");
    await makeFolders(files, directory, folders);
    return { recovered: await recover({ ...options, lastRun: undefined }), quarantine };
  }
}

/** Syncs the store once, after its last write, and leaves the mark that lets the next start trust it. */
async function markClean(
  files: Files,
  directory: string,
  folders: Folders,
  boot: string | null,
  mark: Mark,
  logger: StorageLogger,
): Promise<void> {
  try {
    if ((await files.list(directory)).includes(`${basename(folders.store)}-wal`))
      throw new Error("another process reads the store, so that its write-ahead log could not be copied into it");
    const file = await files.open(folders.store);
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await files.syncDirectory(directory);
    await writeRunMark(files, directory, { boot, cleanAt: mark.index });
  } catch (thrown) {
    logger.warn({ err: thrown }, "the store could not be synced, so that the next start may rebuild it");
  }
}

async function makeFolders(files: Files, directory: string, folders: Folders): Promise<void> {
  try {
    await files.makeDirectory(folders.log);
    await files.makeDirectory(folders.snapshots);
    await files.syncDirectory(directory);
  } catch (thrown) {
    throw diskFailure(`the data folder ${directory} cannot be made or written`, thrown);
  }
}
