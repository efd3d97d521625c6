import type { DurableLog, StateMachine } from "./port.ts";
import { type ProposalLimits, Proposals } from "./proposals.ts";

export interface MemoryLogOptions<C, R> {
  readonly machine: StateMachine<C, R>;
  readonly limits?: Partial<ProposalLimits>;
  /** Epoch milliseconds. */
  readonly wallClock?: () => number;
}

export const PROPOSAL_LIMITS: ProposalLimits = {
  pendingMax: 10_000,
  pendingBytesMax: 64 * 1024 * 1024,
  batchEntriesMax: 256,
  batchBytesMax: 1024 * 1024,
};

/** The log of an embedded server: the same order and answers as the durable one, and nothing outlives the process. */
export function openMemoryLog<C, R>(options: MemoryLogOptions<C, R>): DurableLog<C, R> {
  let lastIndex = 0;
  const proposals = new Proposals({
    machine: options.machine,
    medium: {
      async append(records) {
        const firstIndex = lastIndex + 1;
        lastIndex += records.length;
        return { firstIndex, checksums: [] };
      },
      save: () => {},
    },
    limits: { ...PROPOSAL_LIMITS, ...options.limits },
    wallClock: options.wallClock ?? Date.now,
    appliedIndex: 0,
  });
  return {
    propose: (command) => proposals.propose(command),
    get appliedIndex() {
      return proposals.appliedIndex;
    },
    status: () => ({
      appliedIndex: proposals.appliedIndex,
      snapshotIndex: 0,
      logBytes: 0,
      pending: proposals.pending,
      refusing: proposals.refusing,
    }),
    close: () => proposals.close(),
  };
}
