import { basename, join } from "node:path";
import { Applier } from "./applier.ts";
import { Checkpoints } from "./checkpoints.ts";
import { diskFailure } from "./disk-failure.ts";
import { type Files, nodeFiles } from "./files.ts";
import { type FolderLock, lockFolder } from "./lock.ts";
import { type StorageLogger, silent } from "./logger.ts";
import { PROPOSAL_LIMITS } from "./memory-log.ts";
import type { OpenedLog, StateMachine } from "./port.ts";
import { type ProposalLimits, Proposals } from "./proposals.ts";
import { type Folders, recover } from "./recovery.ts";
import { bootId, readRunMark, writeRunMark } from "./run-mark.ts";
import { Snapshots } from "./snapshots.ts";
import type { Mark } from "./store.ts";
import { StoreSaver } from "./store-saver.ts";

export interface LogLimits extends ProposalLimits {
  /** Bytes after which a segment is closed and the next one started. */
  readonly segmentBytes: number;
  /** Bytes of log after which a snapshot is taken. The folder holds about three times this, and two snapshots. */
  readonly snapshotLogBytes: number;
}

export interface DurableLogOptions<C, R> {
  /** The data folder; made when missing. */
  readonly directory: string;
  readonly machine: StateMachine<C, R>;
  readonly limits?: Partial<LogLimits>;
  /** Epoch milliseconds. */
  readonly wallClock?: () => number;
  readonly logger?: StorageLogger;
  readonly files?: Files;
  /** Of the folder, when something else in it is used before the log; released with the log. By default it is taken here. */
  readonly lock?: FolderLock;
  /** This boot of the machine, null if unknown. Only tests name one. */
  readonly boot?: string | null;
}

export const LOG_LIMITS: LogLimits = {
  ...PROPOSAL_LIMITS,
  segmentBytes: 16 * 1024 * 1024,
  snapshotLogBytes: 64 * 1024 * 1024,
};

/**
 * Opens the log of this member and brings the machine up to date.
 *
 * @throws RegistryError `dataAccess`, in one sentence with the folder or file and the mend: the folder cannot be used or
 * is in use, or acknowledged records are damaged or missing.
 */
export async function openDurableLog<C, R>(options: DurableLogOptions<C, R>): Promise<OpenedLog<C, R>> {
  const { directory, machine, files = nodeFiles, logger = silent } = options;
  const limits = { ...LOG_LIMITS, ...options.limits };
  const folders: Folders = {
    log: join(directory, "log"),
    snapshots: join(directory, "snapshots"),
    store: join(directory, "store.db"),
  };
  await makeFolders(files, directory, folders);
  // First of all: two processes that repair the same files would break them.
  const lock = options.lock ?? lockFolder(directory);
  try {
    const boot = options.boot === undefined ? await bootId() : options.boot;
    const lastRun = await readRunMark(files, directory);
    let distrusted: Promise<void> | undefined;
    const onDamage = () => {
      if (distrusted !== undefined) return;
      logger.warn({ store: folders.store }, "the store is damaged: the next start rebuilds it from snapshot and log");
      // At once, because the process may be killed: a mark of no boot lets no start trust the store.
      distrusted = writeRunMark(files, directory, { boot: null, cleanAt: null }).catch(() => {});
    };
    const recovered = await recover({
      files,
      folders,
      machine,
      lastRun,
      boot,
      segmentBytes: limits.segmentBytes,
      logger,
      onDamage,
    });
    const { log, store } = recovered;
    // Only now is the store what this boot left in the page cache; a crash before this line rebuilds it again.
    await writeRunMark(files, directory, { boot, cleanAt: null }).catch(async (thrown: unknown) => {
      store.close();
      await log.close();
      throw thrown;
    });
    const snapshots = new Snapshots({ ...recovered, files, folders, limits, logger });
    store.leaveCheckpoints();
    const checkpoints = new Checkpoints(folders.store, () => store.pagesWaiting(), logger);
    const saver = new StoreSaver({ store, path: folders.store, snapshots, checkpoints, logger });
    const applier = new Applier({ machine, saver, mark: store.mark });
    const wallClock = options.wallClock ?? Date.now;
    const proposals = new Proposals({ machine, journal: log, applier, limits, wallClock });
    snapshots.consider();
    return {
      propose: (command) => proposals.propose(command),
      configs: store.configs,
      get appliedIndex() {
        return applier.appliedIndex;
      },
      status: () => ({
        appliedIndex: applier.appliedIndex,
        snapshotIndex: snapshots.index,
        logBytes: log.bytes,
        pending: proposals.pending,
        refusing: applier.refusing ?? log.refusing,
        storeFailing:
          distrusted === undefined
            ? saver.failing?.message
            : `${folders.store} is damaged; restart this member, which rebuilds it`,
        syncMs: log.syncMs,
      }),
      close: once(async () => {
        await proposals.close();
        await snapshots.stop();
        await checkpoints.stop();
        try {
          const saved = (await saver.saveLeft()) && applier.refusing === undefined && distrusted === undefined;
          // The next start reads it; a stop that was quicker would have that start trust what is damaged.
          await distrusted;
          store.close();
          await log.close();
          if (saved) await markClean(files, directory, folders, boot, store.mark, logger);
        } finally {
          lock.release();
        }
      }),
    };
  } catch (thrown) {
    lock.release();
    throw diskFailure(`the data folder ${directory} cannot be opened`, thrown);
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

function once(close: () => Promise<void>): () => Promise<void> {
  let closed: Promise<void> | undefined;
  return () => {
    closed ??= close();
    return closed;
  };
}
