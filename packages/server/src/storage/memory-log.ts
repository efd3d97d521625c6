import { Applier } from "./applier.ts";
import type { OpenedLog, StateMachine } from "./port.ts";
import { type ProposalLimits, Proposals } from "./proposals.ts";
import { lazyConfigs } from "./sql/lazy-configs.ts";
import { EMPTY, openMemoryStore, type Store } from "./store.ts";

export interface MemoryLogOptions<C, R> {
  readonly machine: StateMachine<C, R>;
  readonly limits?: Partial<ProposalLimits>;
  /** Epoch milliseconds. */
  readonly wallClock?: () => number;
}

export const PROPOSAL_LIMITS: ProposalLimits = {
  pendingMax: 10_000,
  pendingBytesMax: 64 * 1024 * 1024,
  batchEntriesMax: 1024,
  batchBytesMax: 1024 * 1024,
};

/** The log of an embedded server: the same order and answers as the durable one, and nothing outlives the process. */
export function openMemoryLog<C, R>(options: MemoryLogOptions<C, R>): OpenedLog<C, R> {
  let lastIndex = 0;
  // Opened when there is a configuration to write or to read: rows need no store here, because nothing loads them.
  let opened: Store | undefined;
  function store(): Store {
    opened ??= openMemoryStore();
    return opened;
  }
  const applier = new Applier({
    machine: options.machine,
    saver: {
      async save({ configs = [] }, mark) {
        if (configs.length > 0) await store().write({ rows: [], configs }, mark);
        return true;
      },
      failing: undefined,
    },
    mark: EMPTY,
  });
  const proposals = new Proposals({
    machine: options.machine,
    journal: {
      async append(records) {
        const firstIndex = lastIndex + 1;
        lastIndex += records.length;
        return { firstIndex, checksums: [] };
      },
    },
    applier,
    limits: { ...PROPOSAL_LIMITS, ...options.limits },
    wallClock: options.wallClock ?? Date.now,
  });
  return {
    propose: (command) => proposals.propose(command),
    // What is acknowledged is applied.
    readIndex: async () => applier.appliedIndex,
    get appliedIndex() {
      return applier.appliedIndex;
    },
    status: () => ({
      appliedIndex: applier.appliedIndex,
      snapshotIndex: 0,
      logBytes: 0,
      pending: proposals.pending,
      refusing: applier.refusing,
      full: undefined,
      storeFailing: undefined,
      syncMs: 0,
    }),
    configs: lazyConfigs(
      async () => store().configs,
      () => opened !== undefined,
      (thrown) => thrown,
    ),
    async close() {
      await proposals.close();
      opened?.close();
    },
  };
}
