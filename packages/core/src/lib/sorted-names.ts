/**
 * A sorted list of names that is put in order when it is read, not when it changes: filling it with a million names
 * costs a million insertions into a set, and a page of it costs one merge of what changed since the last page.
 */
export class SortedNames {
  #sorted: string[] = [];
  readonly #added = new Set<string>();
  readonly #removed = new Set<string>();

  get size(): number {
    return this.#sorted.length + this.#added.size - this.#removed.size;
  }

  /** The name must not be in the list. */
  add(name: string): void {
    if (!this.#removed.delete(name)) this.#added.add(name);
  }

  /** The name must be in the list. */
  remove(name: string): void {
    if (!this.#added.delete(name)) this.#removed.add(name);
  }

  all(): readonly string[] {
    if (this.#added.size === 0 && this.#removed.size === 0) return this.#sorted;
    const added = [...this.#added].sort();
    const merged: string[] = [];
    let at = 0;
    for (const name of this.#sorted) {
      if (this.#removed.has(name)) continue;
      while (at < added.length && (added[at] as string) < name) merged.push(added[at++] as string);
      merged.push(name);
    }
    while (at < added.length) merged.push(added[at++] as string);
    this.#added.clear();
    this.#removed.clear();
    this.#sorted = merged;
    return merged;
  }
}
