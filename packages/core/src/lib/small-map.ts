/**
 * A map for tables of which there are many and which mostly hold one entry: that entry costs no table of its own, which
 * saves about 150 bytes. Its order is that of insertion; changing it while it is walked is not allowed.
 */
export class SmallMap<K extends object, V extends object> {
  #key: K | undefined;
  #value: V | undefined;
  /** All entries, once there has been more than one. */
  #all: Map<K, V> | undefined;

  get size(): number {
    return this.#all?.size ?? (this.#key === undefined ? 0 : 1);
  }

  get(key: K): V | undefined {
    if (this.#all !== undefined) return this.#all.get(key);
    return this.#key === key ? this.#value : undefined;
  }

  has(key: K): boolean {
    return this.get(key) !== undefined;
  }

  set(key: K, value: V): this {
    if (this.#all === undefined && this.#key !== undefined && this.#key !== key) {
      this.#all = new Map(this.entries());
      this.#key = undefined;
      this.#value = undefined;
    }
    if (this.#all !== undefined) this.#all.set(key, value);
    else {
      this.#key = key;
      this.#value = value;
    }
    return this;
  }

  delete(key: K): boolean {
    if (this.#all !== undefined) return this.#all.delete(key);
    if (this.#key !== key) return false;
    this.#key = undefined;
    this.#value = undefined;
    return true;
  }

  keys(): Iterable<K> {
    if (this.#all !== undefined) return this.#all.keys();
    return this.#key === undefined ? [] : [this.#key];
  }

  values(): Iterable<V> {
    if (this.#all !== undefined) return this.#all.values();
    return this.#value === undefined ? [] : [this.#value];
  }

  entries(): Iterable<[K, V]> {
    if (this.#all !== undefined) return this.#all.entries();
    return this.#key === undefined || this.#value === undefined ? [] : [[this.#key, this.#value]];
  }

  [Symbol.iterator](): Iterator<[K, V]> {
    return this.entries()[Symbol.iterator]();
  }
}
