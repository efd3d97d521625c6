/** A pending call of `Clock.schedule`. Cancelling twice, or after it ran, does nothing. */
export interface Timer {
  cancel(): void;
}

/** The only source of time of the server: everything that waits or measures takes one, so that tests bring their own. */
export interface Clock {
  /** Monotonic milliseconds with fractions, anchored at the epoch when the process started; never goes back. */
  now(): number;
  /** The wall clock in epoch milliseconds, as people and clients see it; may jump. */
  wall(): number;
  /** Runs `run` once after `delayMs`. A waiting timer does not keep the process alive. */
  schedule(delayMs: number, run: () => void): Timer;
}

export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  wall: () => Date.now(),
  schedule(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
