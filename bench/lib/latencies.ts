import type { Arrivals } from "../load/subscribers.ts";

export interface Measured {
  /** When each change was sent; change `first + n` was of service `n % services`. */
  readonly sentAt: Float64Array;
  readonly arrivals: Arrivals;
  /** Number of the first change that counts. */
  readonly first: number;
  readonly services: number;
  /** Subscriber `n` is one of service `n % services`. */
  readonly subscribers: number;
  /** Which subscribers count; absent: all. */
  readonly counts?: (subscriber: number) => boolean;
}

/** Sorted milliseconds. A push with change `n` delivers all changes of its service that its subscriber has not seen before. */
export function latenciesOf({ sentAt, arrivals, first, services, subscribers, counts }: Measured): Float64Array {
  const { subscriber, change, at } = arrivals;
  const next = new Int32Array(subscribers).map((_, n) => n % services);
  const latencies: number[] = [];
  for (let n = 0; n < change.length; n++) {
    const who = subscriber[n] as number;
    if (counts?.(who) === false) continue;
    const newest = (change[n] as number) - first;
    // Of the warm-up.
    if (newest < 0) continue;
    for (let seen = next[who] as number; seen <= newest && seen < sentAt.length; seen += services)
      latencies.push((at[n] as number) - (sentAt[seen] as number));
    next[who] = Math.max(next[who] as number, newest + services);
  }
  return Float64Array.from(latencies).sort();
}
