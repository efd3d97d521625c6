import type { Clock } from "../../clock.ts";

/** Somebody with work that can be done a piece at a time. */
export interface Worker {
  /** Does one piece. @returns whether more is left. */
  work(): boolean;
}

/** Handles what came over all links, a piece of each in turn, and gives way to the rest of the process in between. */
export class Turns {
  readonly #clock: Clock;
  readonly #sliceMs: number;
  readonly #busy = new Set<Worker>();
  #planned = false;

  constructor(clock: Clock, sliceMs: number) {
    this.#clock = clock;
    this.#sliceMs = sliceMs;
  }

  add(worker: Worker): void {
    this.#busy.add(worker);
    if (this.#planned) return;
    this.#planned = true;
    setImmediate(() => this.#run());
  }

  #run(): void {
    this.#planned = false;
    const until = this.#clock.now() + this.#sliceMs;
    for (const worker of this.#busy) {
      this.#busy.delete(worker);
      // Behind the others; the walk meets it again.
      if (worker.work()) this.#busy.add(worker);
      if (this.#clock.now() < until || this.#busy.size === 0) continue;
      if (!this.#planned) {
        this.#planned = true;
        setImmediate(() => this.#run());
      }
      return;
    }
  }
}
