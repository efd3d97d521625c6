/** Whoever holds memory for a peer, and can let go of all of it. */
export interface Holder {
  /** What it said last. */
  readonly heldBytes: number;
  /** Ends the connection with this reason. */
  evict(why: string): void;
}

/** So much is freed at a time that the next byte does not need the same again. */
const FREED_SHARE = 0.1;

/**
 * What the peers of one server make it hold, all together. No peer comes near its own limit in this: it is many that do
 * a little each. When it becomes too much those go that hold the most, so that others are served.
 */
export class HeldBytes {
  total = 0;
  readonly #max: number;
  readonly #holders: () => Iterable<Holder>;
  /** The end of a connection is told to it, and what is told counts too. */
  #freeing = false;

  constructor(max: number, holders: () => Iterable<Holder>) {
    this.#max = max;
    this.#holders = holders;
  }

  /** One holder has taken more, or less. */
  change(bytes: number): void {
    this.total += bytes;
    if (bytes > 0 && this.total > this.#max && !this.#freeing) this.#free();
  }

  #free(): void {
    const greedy = [...this.#holders()].sort((a, b) => b.heldBytes - a.heldBytes);
    const why = `all connections together made this side hold more than ${this.#max} bytes, and this one the most`;
    this.#freeing = true;
    for (const holder of greedy) {
      if (this.total <= this.#max * (1 - FREED_SHARE)) break;
      holder.evict(why);
    }
    this.#freeing = false;
  }
}
