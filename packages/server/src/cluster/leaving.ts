import type { Clock } from "../clock.ts";
import type { Connections } from "../connections/connections.ts";
import type { Naming } from "../naming/naming.ts";
import type { Cluster } from "./cluster.ts";
import { handOver, type LeavingGroup } from "./group/leaving-group.ts";

/** How often it is looked at whether everything has been told. */
const LOOK_MS = 20;
/** The changes of clients that have moved are few by now; what is missing is repaired by digests of the others. */
const FLUSH_MS = 2_000;

export interface Leaving {
  readonly clock: Clock;
  readonly cluster: Cluster;
  readonly connections: Connections;
  readonly naming: Naming;
  /** Undefined for a member that is in no group. */
  readonly group?: LeavingGroup | undefined;
  /** It does not come back under this id. */
  readonly forever?: boolean;
}

/**
 * The first part of a planned stop: the others hear of it, another one leads, clients are sent to them a few at a time, and what changed
 * here is told. Nothing of it is waited for beyond `until` (monotonic), and a member without others is done at once.
 */
export async function leave(
  { clock, cluster, connections, naming, group, forever = false }: Leaving,
  until: number,
): Promise<void> {
  cluster.leave(forever);
  if (group !== undefined) await handOver(group, until);
  if (!cluster.hasOthersUp) return;
  naming.leave();
  await connections.drain(Math.max(0, until - clock.now()));
  const flushedBy = Math.min(until, clock.now() + FLUSH_MS);
  while (!cluster.isFlushed && clock.now() < flushedBy) {
    const { promise, resolve } = Promise.withResolvers<void>();
    clock.schedule(LOOK_MS, resolve);
    await promise;
  }
}
