/** For so long a sync counts as one of the last. */
const RECENT_MS = 5_000;

/** How long the disk takes to make something durable: the longest of the last few seconds, with the one under way. */
export class SyncTimes {
  readonly #now: () => number;
  #beganAt: number | undefined;
  #longestMs = 0;
  #longestAt = Number.NEGATIVE_INFINITY;

  /** @param now  monotonic milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  async time(sync: () => Promise<void>): Promise<void> {
    this.#beganAt = this.#now();
    try {
      await sync();
    } finally {
      const now = this.#now();
      const tookMs = now - this.#beganAt;
      this.#beganAt = undefined;
      if (tookMs >= this.longestMs) {
        this.#longestMs = tookMs;
        this.#longestAt = now;
      }
    }
  }

  get longestMs(): number {
    const now = this.#now();
    const recent = now - this.#longestAt <= RECENT_MS ? this.#longestMs : 0;
    return Math.max(recent, this.#beganAt === undefined ? 0 : now - this.#beganAt);
  }
}
