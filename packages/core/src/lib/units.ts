/** Monotonic milliseconds, anchored at the epoch when the process started. A duration or a point in time, by its name. */
export type Millis = number;

export function seconds(count: number): Millis {
  return count * 1000;
}

export function minutes(count: number): Millis {
  return count * 60_000;
}
