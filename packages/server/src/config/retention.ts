import type { Clock } from "../clock.ts";
import type { ConfigStore } from "../storage/config-store.ts";
import type { ProposeConfig } from "./propose.ts";

const DAY_MS = 86_400_000;
/** Batches of one round; what is left goes in the next, so that a shortened retention does not fill the log at once. */
const BATCHES_MAX = 1000;

export interface RetentionSetup {
  readonly clock: Pick<Clock, "wall">;
  readonly store: Pick<ConfigStore, "oldestHistoryAt">;
  readonly propose: ProposeConfig;
  /** Days that history is kept. */
  readonly days: number;
}

/** Drops history that is older than it may get, in batches, each an entry of the log that says from before when. */
export async function dropOldHistory(
  { clock, store, propose, days }: RetentionSetup,
  goesOn: () => boolean,
): Promise<void> {
  const before = clock.wall() - days * DAY_MS;
  for (let batches = 0; batches < BATCHES_MAX; batches++) {
    const oldestAt = await store.oldestHistoryAt();
    if (!goesOn() || oldestAt === undefined || oldestAt >= before) return;
    await propose({ type: "pruneHistory", before }, "done");
  }
}
