import type { Clock, Timer } from "@nacre/server/clock";

/** A clock that stands still until `advance`. Its wall clock starts together with `now` and can be set apart. */
export class FakeClock implements Clock {
  #now: number;
  #wallAhead = 0;
  #waiting: { at: number; order: number; run: () => void }[] = [];
  #order = 0;

  constructor(now = 1_767_225_600_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#now + this.#wallAhead;
  }

  setWall(at: number): void {
    this.#wallAhead = at - this.#now;
  }

  schedule(delayMs: number, run: () => void): Timer {
    const timer = { at: this.#now + delayMs, order: this.#order++, run };
    this.#waiting.push(timer);
    return {
      cancel: () => {
        this.#waiting = this.#waiting.filter((other) => other !== timer);
      },
    };
  }

  /** Timers that have not run. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Lets time pass and runs what falls due, in order, each at its own moment. */
  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const next = this.#waiting.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (next === undefined) break;
      this.#waiting = this.#waiting.filter((other) => other !== next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    this.#now = until;
  }
}
