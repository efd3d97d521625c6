/** Whoever has bytes to work through. */
export interface Reader {
  /** Whether others are to be read before it. */
  isCostly(now: number): boolean;
  /** Its work is one step that cannot be cut, as long as a turn or longer. */
  readonly indivisible?: boolean;
  /** What it costs beside its work, at other times: milliseconds of the event loop. */
  readonly asideMs?: number;
  /** Works on until then, or a little longer. @returns whether it is to have another turn. */
  work(until: number): boolean;
}

/**
 * All that is read and written shares so much of one turn of the event loop, before Node looks at its sockets again. Each
 * that waits behind it for more does one piece all the same.
 */
const TURN_MS = 0.25;
/** The same while others do little at a time: on average they wait for half of it. Shorter, turns themselves would cost. */
const SHARED_TURN_MS = 0.1;
/** Those that cost much rest for a multiple of what they took: they leave four fifths of the time. */
const REST_TIMES = 4;
/** So long after the last bytes of others they are expected to go on. */
const OTHERS_MS = 100;

/**
 * Who is read when. Most bytes are worked through as they come. What takes longer is cut into turns, between which Node
 * looks at all other sockets; what cannot be cut, handshakes of TLS, has one turn each; and those that cost much more than
 * is usual share a lane of their own, which rests most of the time as long as others are served.
 */
export class Turns {
  readonly #usual = new Set<Reader>();
  readonly #costly = new Set<Reader>();
  readonly #indivisible = new Set<Reader>();
  /** When whoever reads as bytes come has to stop; undefined before the first one of this turn of the event loop. */
  #endsAt: number | undefined;
  #planned = false;
  #costlyPlanned = false;
  #indivisiblePlanned = false;
  #restsUntil = 0;
  /** What those have cost elsewhere that worked in the latest pass. */
  #asideMs = 0;
  #othersAt = Number.NEGATIVE_INFINITY;
  #littleAt = Number.NEGATIVE_INFINITY;

  /** Until when whoever reads as bytes come, or writes, may go on. */
  endsAt(now: number): number {
    if (this.#endsAt === undefined) {
      this.#endsAt = now + (now - this.#littleAt < OTHERS_MS ? SHARED_TURN_MS : TURN_MS);
      setImmediate(() => {
        this.#endsAt = undefined;
      });
    }
    return this.#endsAt;
  }

  /** One that does not cost much reads now. */
  served(now: number): void {
    this.#othersAt = now;
  }

  /** One reads now that does little. */
  servedLittle(now: number): void {
    this.#littleAt = now;
    this.served(now);
  }

  /** Lets it work when its turn comes. */
  wait(reader: Reader, now: number): void {
    if (reader.isCostly(now)) {
      this.#usual.delete(reader);
      this.#costly.add(reader);
      this.#planCostly(now);
    } else if (reader.indivisible === true) {
      this.#costly.delete(reader);
      this.#indivisible.add(reader);
      this.#planIndivisible();
    } else {
      this.#costly.delete(reader);
      this.#usual.add(reader);
      this.#plan();
    }
  }

  forget(reader: Reader): void {
    this.#usual.delete(reader);
    this.#costly.delete(reader);
    this.#indivisible.delete(reader);
  }

  #planIndivisible(): void {
    if (this.#indivisiblePlanned) return;
    this.#indivisiblePlanned = true;
    setImmediate(() => {
      this.#indivisiblePlanned = false;
      // One alone: the time is over before it begins.
      this.#pass(this.#indivisible, Number.NEGATIVE_INFINITY);
      if (this.#indivisible.size > 0) this.#planIndivisible();
    });
  }

  #plan(): void {
    if (this.#planned) return;
    this.#planned = true;
    setImmediate(() => {
      this.#planned = false;
      const now = performance.now();
      this.served(now);
      this.#pass(this.#usual, this.endsAt(now));
      if (this.#usual.size > 0) this.#plan();
    });
  }

  #planCostly(now: number): void {
    if (this.#costlyPlanned) return;
    this.#costlyPlanned = true;
    const pass = (): void => {
      this.#costlyPlanned = false;
      const startedAt = performance.now();
      const endedAt = this.#pass(this.#costly, this.endsAt(startedAt));
      const tookMs = endedAt - startedAt + this.#asideMs;
      this.#restsUntil = Math.max(this.#restsUntil, startedAt) + tookMs * (1 + REST_TIMES);
      if (this.#costly.size > 0) this.#planCostly(endedAt);
    };
    // Alone they need no rest, and owe none for it later.
    if (now - this.#othersAt >= OTHERS_MS) this.#restsUntil = now;
    const restMs = this.#restsUntil - now;
    // A timer would make a millisecond of the shortest rest; such rests add up to one.
    if (restMs >= 1) setTimeout(pass, restMs).unref();
    else setImmediate(pass);
  }

  /** Those that have waited longest go first, and go behind the others when they have more. @returns when it ended. */
  #pass(lane: Set<Reader>, until: number): number {
    let now = performance.now();
    this.#asideMs = 0;
    for (const reader of lane) {
      lane.delete(reader);
      const more = reader.work(until);
      this.#asideMs += reader.asideMs ?? 0;
      now = performance.now();
      if (more) this.wait(reader, now);
      if (now + this.#asideMs >= until) break;
    }
    return now;
  }
}
