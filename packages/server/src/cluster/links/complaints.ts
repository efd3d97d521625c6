import type { Clock } from "../../clock.ts";

const AGAIN_MS = 600_000;
/** Things that are remembered, and so the most that is said within `AGAIN_MS`. */
export const KNOWN_MAX = 256;

/**
 * Says each thing once in a while: a peer that does something wrong does it again every second. Once `KNOWN_MAX` things
 * were said nothing new is, until the oldest was said long enough ago: strangers by the thousand fill no disk with lines.
 * What is not said is counted all the same, where it happens.
 */
export class Complaints {
  readonly #clock: Clock;
  /** The oldest first. */
  readonly #said = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns whether it is to be said now. */
  isNew(what: string): boolean {
    const now = this.#clock.now();
    for (const [said, at] of this.#said) {
      if (now - at < AGAIN_MS) break;
      this.#said.delete(said);
    }
    if (this.#said.has(what) || this.#said.size >= KNOWN_MAX) return false;
    this.#said.set(what, now);
    return true;
  }
}
