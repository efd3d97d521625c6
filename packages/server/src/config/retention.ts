import type { Clock, Timer } from "../clock.ts";
import type { Log } from "../connections/connections.ts";
import type { ConfigStore } from "../storage/config-store.ts";
import type { ProposeConfig } from "./propose.ts";

const INTERVAL_MS = 600_000;
const DAY_MS = 86_400_000;
/** Batches of one round; what is left goes in the next, so that a shortened retention does not fill the log at once. */
const BATCHES_MAX = 1000;

export interface RetentionSetup {
  readonly clock: Clock;
  readonly log: Log;
  readonly store: ConfigStore;
  readonly propose: ProposeConfig;
  readonly days: number;
}

/** Drops history that is older than it may get: every ten minutes, in batches, each an entry of the log. */
export class HistoryRetention {
  readonly #setup: RetentionSetup;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(setup: RetentionSetup) {
    this.#setup = setup;
    this.#plan();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** One round. @returns how many batches went. */
  async clean(): Promise<number> {
    const { clock, store, propose, days } = this.#setup;
    const before = clock.wall() - days * DAY_MS;
    for (let batches = 0; ; batches++) {
      const oldestAt = await store.oldestHistoryAt();
      if (this.#stopped || oldestAt === undefined || oldestAt >= before || batches === BATCHES_MAX) return batches;
      await propose({ type: "pruneHistory", before }, "done");
    }
  }

  #plan(): void {
    this.#timer = this.#setup.clock.schedule(INTERVAL_MS, () => {
      this.clean()
        .catch((err: unknown) => this.#setup.log.warn({ err }, "old history of configurations could not be dropped"))
        .finally(() => this.#stopped || this.#plan());
    });
  }
}
