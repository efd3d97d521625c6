import type { Files } from "./files.ts";
import type { FolderLock } from "./lock.ts";
import type { StorageLogger } from "./logger.ts";
import { PROPOSAL_LIMITS } from "./memory-log.ts";
import type { OpenedLog, StateMachine } from "./port.ts";
import { type ProposalLimits, Proposals } from "./proposals.ts";
import { openStorage, STORAGE_LIMITS, type StorageLimits } from "./storage.ts";

export interface LogLimits extends ProposalLimits, StorageLimits {}

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

export const LOG_LIMITS: LogLimits = { ...PROPOSAL_LIMITS, ...STORAGE_LIMITS };

/**
 * Opens the log of a member by itself and brings the machine up to date: what is on its disk counts.
 *
 * @throws RegistryError `dataAccess`, in one sentence with the folder or file and the mend: the folder cannot be used or
 * is in use, or acknowledged records are damaged or missing.
 */
export async function openDurableLog<C, R>(options: DurableLogOptions<C, R>): Promise<OpenedLog<C, R>> {
  const { machine } = options;
  const limits = { ...LOG_LIMITS, ...options.limits };
  const storage = await openStorage({ ...options, limits, replays: true });
  const { log, applier, snapshots } = storage;
  const wallClock = options.wallClock ?? Date.now;
  const proposals = new Proposals({ machine, journal: log, applier, limits, wallClock });
  return {
    propose: (command) => proposals.propose(command),
    // What is acknowledged is applied.
    readIndex: async () => applier.appliedIndex,
    configs: storage.configs,
    get appliedIndex() {
      return applier.appliedIndex;
    },
    status: () => ({
      appliedIndex: applier.appliedIndex,
      snapshotIndex: snapshots.index,
      logBytes: log.bytes,
      pending: proposals.pending,
      refusing: applier.refusing ?? log.refusing,
      full: log.full,
      storeFailing: storage.storeFailing,
      syncMs: log.syncMs,
    }),
    close: once(async () => {
      await proposals.close();
      await storage.close();
    }),
  };
}

function once(close: () => Promise<void>): () => Promise<void> {
  let closed: Promise<void> | undefined;
  return () => {
    closed ??= close();
    return closed;
  };
}
