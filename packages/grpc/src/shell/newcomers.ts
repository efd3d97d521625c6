/** Whoever is expected to say something. */
export interface Newcomer {
  /** Monotonic milliseconds. */
  readonly cameAt: number;
  /** Whether it has made a call. */
  readonly used: boolean;
  destroy(): void;
}

/** Those that are ended at a time hold the event loop no longer than this. */
const SLICE_MS = 0.25;

/**
 * Port scanners, half prefaces, abandoned handshakes: whoever makes no call in time is dropped. All have the same time, so
 * that one timer is enough for those that come by the thousand.
 */
export class Newcomers {
  readonly #withinMs: number;
  /** In the order in which they came. Who has called stays until its time is over, which is when it is looked at. */
  readonly #waiting = new Set<Newcomer>();
  #timer: NodeJS.Timeout | undefined;

  /** @param withinMs how long each of them has. */
  constructor(withinMs: number) {
    this.#withinMs = withinMs;
  }

  /** How many are still to be looked at. */
  get size(): number {
    return this.#waiting.size;
  }

  expect(newcomer: Newcomer): void {
    this.#waiting.add(newcomer);
    if (this.#timer === undefined) this.#arm(this.#withinMs);
  }

  /** It is gone. */
  forget(newcomer: Newcomer): void {
    this.#waiting.delete(newcomer);
  }

  #arm(waitMs: number): void {
    this.#timer = setTimeout(() => this.#look(), Math.max(1, Math.ceil(waitMs)));
    this.#timer.unref();
  }

  #look(): void {
    this.#timer = undefined;
    const startedAt = performance.now();
    for (const newcomer of this.#waiting) {
      const leftMs = newcomer.cameAt + this.#withinMs - startedAt;
      // The rest goes on after others have had their turn.
      if (leftMs > 0 || performance.now() > startedAt + SLICE_MS) return this.#arm(leftMs);
      this.#waiting.delete(newcomer);
      if (!newcomer.used) newcomer.destroy();
    }
  }
}
