import { hashNumber, hashText } from "../lib/hash.ts";

export const BUCKETS = 256;

/** Which bucket a client belongs to, on every member. */
export function bucketOf(id: string): number {
  return hashNumber(0, hashText(id)) % BUCKETS;
}

/** A map by id, in buckets: a single one of 500 000 takes 30 ms when it grows, because everything in it moves. */
export class WideMap<V> {
  readonly #buckets: (Map<string, V> | undefined)[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: string): V | undefined {
    return this.#buckets[bucketOf(id)]?.get(id);
  }

  has(id: string): boolean {
    return this.#buckets[bucketOf(id)]?.has(id) === true;
  }

  set(id: string, value: V): void {
    const at = bucketOf(id);
    let bucket = this.#buckets[at];
    if (bucket === undefined) {
      bucket = new Map();
      this.#buckets[at] = bucket;
    }
    this.#size -= bucket.size;
    bucket.set(id, value);
    this.#size += bucket.size;
  }

  delete(id: string): void {
    if (this.#buckets[bucketOf(id)]?.delete(id) === true) this.#size--;
  }

  /** Bucket by bucket. What is added meanwhile may be met or not. */
  *values(): Generator<V, undefined> {
    for (let at = 0; at < BUCKETS; at++) {
      const bucket = this.#buckets[at];
      if (bucket !== undefined) yield* bucket.values();
    }
  }
}
