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

  constructor(perform: (effect: E) => void, failed: (effect: E, thrown: unknown) => void) {
    this.#perform = perform;
    this.#failed = failed;
  }

  /** @returns whether everything is done by now; false inside the performing of another effect. */
  add(effects: readonly E[]): boolean {
    for (const effect of effects) this.#waiting.push(effect);
    if (this.#performing) return false;
    this.#performing = true;
    try {
      for (let at = 0; at < this.#waiting.length; at++) this.#attempt(this.#waiting[at] as E);
    } finally {
      this.#waiting.length = 0;
      this.#performing = false;
    }
    return true;
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
