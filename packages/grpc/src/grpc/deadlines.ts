/** A call that ends at a point in time, if nothing ends it before. */
interface Timed {
  /** Monotonic milliseconds; infinity for never. */
  readonly deadlineAt: number;
  readonly ended: boolean;
  expire(): void;
}

/**
 * A walk over a connection's calls takes less than a tenth of this for each. With this much between two walks they take
 * no more than a tenth of the time, whatever the peer does: ten thousand calls that end one by one end ten
 * milliseconds late at the most.
 */
const WALK_MS_PER_CALL = 0.001;

/** The earliest that calls may be walked over again. */
export function nextWalkAt(now: number, calls: number): number {
  return now + calls * WALK_MS_PER_CALL;
}

/** The deadlines of a connection's calls. */
export class Deadlines<Call extends Timed> {
  /** When `expire` wants to be called. */
  at = Number.POSITIVE_INFINITY;
  readonly #calls = new Set<Call>();
  #notBefore = 0;

  watch(call: Call): void {
    if (call.deadlineAt === Number.POSITIVE_INFINITY || call.ended) return;
    this.#calls.add(call);
    this.at = Math.min(this.at, Math.max(call.deadlineAt, this.#notBefore));
  }

  /** The call has ended. */
  forget(call: Call): void {
    this.#calls.delete(call);
  }

  /** Ends the calls whose time has come. */
  expire(now: number): void {
    if (now < this.at) return;
    this.#notBefore = nextWalkAt(now, this.#calls.size);
    let next = Number.POSITIVE_INFINITY;
    for (const call of this.#calls) {
      if (call.deadlineAt > now) next = Math.min(next, call.deadlineAt);
      else {
        this.#calls.delete(call);
        call.expire();
      }
    }
    this.at = Math.max(next, this.#notBefore);
  }
}
