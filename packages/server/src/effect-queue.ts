import { escalate } from "./faults.ts";

/**
 * Performs effects in the order of their events, one at a time, also when performing one leads to the next event. What
 * cannot be performed does not keep what follows from happening.
 */
export class EffectQueue<E> {
  readonly #perform: (effect: E) => void;
  readonly #failed: (effect: E, thrown: unknown) => void;
  readonly #waiting: E[] = [];
  #performing = false;
  #held = false;

  constructor(perform: (effect: E) => void, failed: (effect: E, thrown: unknown) => void) {
    this.#perform = perform;
    this.#failed = failed;
  }

  /** @returns whether everything is done by now; false inside the performing of another effect, and while held. */
  add(effects: readonly E[]): boolean {
    for (const effect of effects) this.#waiting.push(effect);
    return this.#run();
  }

  /** Called while an effect is performed that takes longer: what follows waits for `resume`. */
  hold(): void {
    this.#held = true;
  }

  get isHeld(): boolean {
    return this.#held;
  }

  /** @returns whether everything is done by now. */
  resume(): boolean {
    this.#held = false;
    return this.#run();
  }

  #run(): boolean {
    if (this.#performing || this.#held) return false;
    this.#performing = true;
    let at = 0;
    try {
      while (at < this.#waiting.length && !this.#held) this.#attempt(this.#waiting[at++] as E);
    } finally {
      this.#waiting.splice(0, at);
      this.#performing = false;
    }
    return !this.#held;
  }

  #attempt(effect: E): void {
    try {
      this.#perform(effect);
    } catch (thrown) {
      escalate(thrown);
      this.#failed(effect, thrown);
    }
  }
}
