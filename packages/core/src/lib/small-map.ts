/** With more entries a hash table finds one sooner than a walk does. */
const FEW_MAX = 16;

/**
 * A map for tables of which there are many and which mostly hold an entry or a few: one entry costs no table of its own,
 * a few lie in a row. That saves about 150 bytes, and where there are millions of objects it saves reading several that
 * no cache of the processor holds. Its order is that of insertion; changing it while it is walked is not allowed.
 */
export class SmallMap<K extends object, V extends object> {
  #key: K | undefined;
  #value: V | undefined;
  /** All entries, once there has been more than one: keys and values in turn, or a table of many. */
  #all: (K | V)[] | Map<K, V> | undefined;

  get size(): number {
    const all = this.#all;
    if (all === undefined) return this.#key === undefined ? 0 : 1;
    return all instanceof Map ? all.size : all.length / 2;
  }

  get(key: K): V | undefined {
    const all = this.#all;
    if (all === undefined) return this.#key === key ? this.#value : undefined;
    if (all instanceof Map) return all.get(key);
    for (let at = 0; at < all.length; at += 2) if (all[at] === key) return all[at + 1] as V;
    return undefined;
  }

  has(key: K): boolean {
    return this.get(key) !== undefined;
  }

  set(key: K, value: V): this {
    const all = this.#all;
    if (all instanceof Map) all.set(key, value);
    else if (all !== undefined) this.#setAmong(all, key, value);
    else if (this.#key === undefined || this.#value === undefined || this.#key === key) {
      this.#key = key;
      this.#value = value;
    } else {
      this.#all = [this.#key, this.#value, key, value];
      this.#key = undefined;
      this.#value = undefined;
    }
    return this;
  }

  #setAmong(few: (K | V)[], key: K, value: V): void {
    for (let at = 0; at < few.length; at += 2) {
      if (few[at] !== key) continue;
      few[at + 1] = value;
      return;
    }
    // Not by `push`, which makes room for sixteen more.
    if (few.length < 2 * FEW_MAX) this.#all = few.concat([key, value]);
    else this.#all = new Map(this.entries()).set(key, value);
  }

  delete(key: K): boolean {
    const all = this.#all;
    if (all instanceof Map) return all.delete(key);
    if (all !== undefined) {
      for (let at = 0; at < all.length; at += 2) {
        if (all[at] !== key) continue;
        all.splice(at, 2);
        return true;
      }
      return false;
    }
    if (this.#key !== key) return false;
    this.#key = undefined;
    this.#value = undefined;
    return true;
  }

  keys(): Iterable<K> {
    const all = this.#all;
    if (all === undefined) return this.#key === undefined ? [] : [this.#key];
    return all instanceof Map ? all.keys() : (all.filter((_, at) => at % 2 === 0) as K[]);
  }

  values(): Iterable<V> {
    const all = this.#all;
    if (all === undefined) return this.#value === undefined ? [] : [this.#value];
    return all instanceof Map ? all.values() : (all.filter((_, at) => at % 2 === 1) as V[]);
  }

  entries(): Iterable<[K, V]> {
    const all = this.#all;
    if (all === undefined)
      return this.#key === undefined || this.#value === undefined ? [] : [[this.#key, this.#value]];
    if (all instanceof Map) return all.entries();
    const pairs: [K, V][] = [];
    for (let at = 0; at < all.length; at += 2) pairs.push([all[at] as K, all[at + 1] as V]);
    return pairs;
  }

  [Symbol.iterator](): Iterator<[K, V]> {
    return this.entries()[Symbol.iterator]();
  }
}
