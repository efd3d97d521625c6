/** Something with a point in time at which it wants to be woken. */
export interface Sleeper {
  /** Monotonic milliseconds; infinity for never. */
  readonly tickAt: number;
  tick(now: number): void;
  /** Writes what has been gathered. */
  flush(): void;
}

/** A pass over connections that wait to be written holds the event loop no longer than this. */
const SLICE_MS = 10;
/** Below this a timer is not worth being exact. */
const TIMER_MS_MIN = 1;
/** Longer ones overflow in Node and fire at once. A deadline may be years away. */
const TIMER_MS_MAX = 2 ** 31 - 1;

interface Entry {
  readonly at: number;
  readonly sleeper: Sleeper;
}

/** Timers and writes of all connections of one server or client: one timer, and one pass a turn. */
export class Loop {
  /** A heap, the earliest first. A sleeper may have several entries; those that came too early change nothing. */
  readonly #heap: Entry[] = [];
  readonly #plannedAt = new Map<Sleeper, number>();
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #dirty = new Set<Sleeper>();
  #flushing = false;

  now(): number {
    return performance.now();
  }

  /** To be called whenever `tickAt` may have become earlier. */
  plan(sleeper: Sleeper): void {
    const at = sleeper.tickAt;
    if (at === Number.POSITIVE_INFINITY || (this.#plannedAt.get(sleeper) ?? Number.POSITIVE_INFINITY) <= at) return;
    this.#plannedAt.set(sleeper, at);
    push(this.#heap, { at, sleeper });
    this.#arm();
  }

  /** Its connection is gone. */
  forget(sleeper: Sleeper): void {
    this.#plannedAt.delete(sleeper);
    this.#dirty.delete(sleeper);
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
    const until = performance.now() + SLICE_MS;
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
      pop(this.#heap);
      const { at, sleeper } = first;
      // Forgotten, or planned earlier and woken then.
      if (this.#plannedAt.get(sleeper) !== at) continue;
      this.#plannedAt.delete(sleeper);
      if (sleeper.tickAt <= now) sleeper.tick(now);
      this.plan(sleeper);
    }
    this.#arm();
  }
}

function push(heap: Entry[], entry: Entry): void {
  let at = heap.length;
  heap.push(entry);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent] as Entry;
    if (above.at <= entry.at) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = entry;
}

function pop(heap: Entry[]): void {
  const last = heap.pop() as Entry;
  if (heap.length === 0) return;
  let at = 0;
  for (let child = 1; child < heap.length; child = 2 * at + 1) {
    const right = heap[child + 1];
    if (right !== undefined && right.at < (heap[child] as Entry).at) child++;
    const below = heap[child] as Entry;
    if (below.at >= last.at) break;
    heap[at] = below;
    at = child;
  }
  heap[at] = last;
}
