import type { Millis } from "./units.ts";

/**
 * What has to be looked at, and when, in slots of `slotMs`: adding costs the same for a thousand entries and for a
 * million. Entries are not removed early; whoever takes one out checks whether it still matters, and adds it again
 * with its new deadline if so. An entry comes out at its deadline or up to one slot later, never before.
 */
export class Deadlines<T> {
  readonly #slotMs: Millis;
  readonly #slots = new Map<number, T[]>();
  /** Slot numbers as a binary heap; there are few of them, whatever the number of entries. */
  readonly #heap: number[] = [];
  #size = 0;

  constructor(slotMs: Millis) {
    this.#slotMs = slotMs;
  }

  get size(): number {
    return this.#size;
  }

  add(at: Millis, entry: T): void {
    const slot = Math.ceil(at / this.#slotMs);
    const held = this.#slots.get(slot);
    if (held !== undefined) held.push(entry);
    else {
      this.#slots.set(slot, [entry]);
      this.#push(slot);
    }
    this.#size++;
  }

  /** The moment at which `due` will next return something. */
  nextAt(): Millis | undefined {
    const slot = this.#heap[0];
    return slot === undefined ? undefined : slot * this.#slotMs;
  }

  /** Takes out one slot whose time has come; call again until it returns undefined. */
  due(now: Millis): T[] | undefined {
    const slot = this.#heap[0];
    if (slot === undefined || slot * this.#slotMs > now) return undefined;
    this.#pop();
    const entries = this.#slots.get(slot) as T[];
    this.#slots.delete(slot);
    this.#size -= entries.length;
    return entries;
  }

  #push(slot: number): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(slot);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((heap[parent] as number) <= slot) break;
      heap[at] = heap[parent] as number;
      at = parent;
    }
    heap[at] = slot;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as number;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && (heap[child + 1] as number) < (heap[child] as number)) child++;
      if ((heap[child] as number) >= last) break;
      heap[at] = heap[child] as number;
      at = child;
    }
    heap[at] = last;
  }
}
