import { Turns } from "./turns.ts";

/** Something with a point in time at which it wants to be woken. */
export interface Sleeper {
  /** Monotonic milliseconds; infinity for never. */
  readonly tickAt: number;
  /** The loop's: where it waits for that. */
  planned: Planned | undefined;
  tick(now: number): void;
  /** Writes what has been gathered. */
  flush(): void;
}

/** A pass over connections that are to be woken holds the event loop no longer than this. */
const SLICE_MS = 0.25;
/** Below this a timer is not worth being exact. */
const TIMER_MS_MIN = 1;
/** Longer ones overflow in Node and fire at once. A deadline may be years away. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Where a sleeper stands in the heap, and for when. */
export interface Planned {
  at: number;
  place: number;
  readonly sleeper: Sleeper;
}

/** Timers and writes of all connections of one server or client: one timer, and one pass a turn. */
export class Loop {
  /** A heap, the earliest first: one entry for each sleeper at most, none for one that is gone. A deadline may be years away. */
  readonly #heap: Planned[] = [];
  readonly turns = new Turns();
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #dirty = new Set<Sleeper>();
  #flushing = false;

  now(): number {
    return performance.now();
  }

  /** How many wait for their time. */
  get sleepers(): number {
    return this.#heap.length;
  }

  /** To be called whenever `tickAt` may have become earlier. Whoever is woken too early is planned anew. */
  plan(sleeper: Sleeper): void {
    const at = sleeper.tickAt;
    if (at === Number.POSITIVE_INFINITY) return;
    let entry = sleeper.planned;
    if (entry === undefined) {
      entry = { at, place: this.#heap.length, sleeper };
      sleeper.planned = entry;
      this.#heap.push(entry);
    } else if (entry.at <= at) return;
    entry.at = at;
    rise(this.#heap, entry);
    this.#arm();
  }

  /** Its connection is gone. */
  forget(sleeper: Sleeper): void {
    this.#dirty.delete(sleeper);
    if (sleeper.planned !== undefined) this.#remove(sleeper.planned);
  }

  /** Has it written at the end of this turn. */
  flushSoon(sleeper: Sleeper): void {
    this.#dirty.add(sleeper);
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    const until = this.turns.endsAt(performance.now());
    for (const sleeper of this.#dirty) {
      this.#dirty.delete(sleeper);
      sleeper.flush();
      if (performance.now() < until || this.#dirty.size === 0) continue;
      this.#flushing = true;
      setImmediate(() => this.#flush());
      return;
    }
  }

  #arm(): void {
    const first = this.#heap[0];
    if (first === undefined || first.at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = first.at;
    const waitMs = Math.ceil(first.at - performance.now());
    this.#timer = setTimeout(() => this.#tick(), Math.min(Math.max(TIMER_MS_MIN, waitMs), TIMER_MS_MAX));
    this.#timer.unref();
  }

  #tick(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = performance.now();
    for (let first = this.#heap[0]; first !== undefined && first.at <= now; first = this.#heap[0]) {
      // The rest is due already: it goes on after others have had their turn.
      if (performance.now() > now + SLICE_MS) break;
      const { sleeper } = first;
      this.#remove(first);
      if (sleeper.tickAt <= now) sleeper.tick(now);
      this.plan(sleeper);
    }
    this.#arm();
  }

  #remove(entry: Planned): void {
    entry.sleeper.planned = undefined;
    const last = this.#heap.pop() as Planned;
    if (last === entry) return;
    last.place = entry.place;
    rise(this.#heap, last);
    sink(this.#heap, last);
  }
}

/** Gives an entry its place among those before it. */
function rise(heap: Planned[], entry: Planned): void {
  let at = entry.place;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent] as Planned;
    if (above.at <= entry.at) break;
    put(heap, at, above);
    at = parent;
  }
  put(heap, at, entry);
}

/** Gives an entry its place among those behind it. */
function sink(heap: Planned[], entry: Planned): void {
  let at = entry.place;
  for (let child = 2 * at + 1; child < heap.length; child = 2 * at + 1) {
    const right = heap[child + 1];
    if (right !== undefined && right.at < (heap[child] as Planned).at) child++;
    const below = heap[child] as Planned;
    if (below.at >= entry.at) break;
    put(heap, at, below);
    at = child;
  }
  put(heap, at, entry);
}

function put(heap: Planned[], place: number, entry: Planned): void {
  heap[place] = entry;
  entry.place = place;
}
