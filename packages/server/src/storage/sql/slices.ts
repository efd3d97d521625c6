import { RegistryError } from "@nacre/protocol";
import { SLICE_MS, turn } from "../turn.ts";

/** Searches under way; one more is refused. */
export const SEARCHES_MAX = 32;

interface Work {
  next(): boolean;
}

/**
 * Runs searches side by side without a thread: each is a generator that yields every fraction of a millisecond, all
 * share one slice per turn of the event loop, and those that came later are not kept waiting by long ones.
 */
export class Slices {
  readonly #waiting: Work[] = [];
  #running = false;

  /** @throws RegistryError `overThreshold` when too many are under way. */
  run<T>(work: Generator<undefined, T>): Promise<T> {
    if (this.#waiting.length >= SEARCHES_MAX) {
      const sentence = `server limit match.: ${SEARCHES_MAX} searches are under way, which is the limit: try again later`;
      return Promise.reject(new RegistryError("overThreshold", sentence));
    }
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({
        next() {
          try {
            const step = work.next();
            if (step.done === true) resolve(step.value);
            return step.done === true;
          } catch (thrown) {
            reject(thrown);
            return true;
          }
        },
      });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#waiting.length > 0) {
      // Before the first slice too: many callers in one turn do not get a slice each.
      await turn();
      const sliceEndsAt = performance.now() + SLICE_MS;
      do {
        const work = this.#waiting.shift();
        if (work?.next() === false) this.#waiting.push(work);
      } while (this.#waiting.length > 0 && performance.now() < sliceEndsAt);
    }
    this.#running = false;
  }
}
