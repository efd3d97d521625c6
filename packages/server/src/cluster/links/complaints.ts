import type { Clock } from "../../clock.ts";

const AGAIN_MS = 600_000;
const KNOWN_MAX = 256;

/** Says each thing once in a while: a peer that does something wrong does it again every second. */
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
    const saidAt = this.#said.get(what);
    if (saidAt !== undefined && now - saidAt < AGAIN_MS) return false;
    this.#said.delete(what);
    this.#said.set(what, now);
    if (this.#said.size > KNOWN_MAX) {
      const [oldest] = this.#said.keys();
      this.#said.delete(oldest as string);
    }
    return true;
  }
}
