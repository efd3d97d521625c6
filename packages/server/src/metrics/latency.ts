/** Upper bounds of the buckets in seconds: from what the event loop can resolve to what a client would give up on. */
export const LATENCY_BOUNDS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** A histogram that its owner fills and the metrics read. Costs one array slot per bucket, whatever is observed. */
export class Latency {
  readonly boundsSeconds: readonly number[];
  /** Observations per bucket, the last one for those above every bound. */
  readonly counts: number[];
  sumSeconds = 0;

  constructor(boundsSeconds: readonly number[] = LATENCY_BOUNDS_SECONDS) {
    this.boundsSeconds = boundsSeconds;
    this.counts = Array(boundsSeconds.length + 1).fill(0);
  }

  observe(seconds: number): void {
    let at = 0;
    while (at < this.boundsSeconds.length && seconds > (this.boundsSeconds[at] as number)) at++;
    this.counts[at] = (this.counts[at] ?? 0) + 1;
    this.sumSeconds += seconds;
  }
}
