import type { Page } from "../peer-calls.ts";

/** One of several lists that are all in the same order, read page by page. */
export interface Paged<T> {
  readonly member: string;
  readonly ask: (from: string | undefined) => Promise<Page<T>>;
}

/** Everything that stands at one place of the order, by member; who is missing has nothing there. */
export type Row<T> = ReadonlyMap<string, T>;

/**
 * Goes through lists side by side and holds no more of them than a page each.
 *
 * @param compare  the order of all of them; 0 for what belongs side by side.
 * @throws what `ask` throws.
 */
export async function* sideBySide<T>(
  lists: readonly Paged<T>[],
  compare: (a: T, b: T) => number,
): AsyncGenerator<Row<T>> {
  const readers = lists.map((list) => new Reader(list));
  await Promise.all(readers.map((reader) => reader.fill()));
  for (;;) {
    let least: T | undefined;
    for (const { head } of readers)
      if (head !== undefined && (least === undefined || compare(head, least) < 0)) least = head;
    if (least === undefined) return;
    const row = new Map<string, T>();
    const drained: Reader<T>[] = [];
    for (const reader of readers) {
      const { head } = reader;
      if (head === undefined || compare(head, least) !== 0) continue;
      row.set(reader.member, head);
      if (!reader.advance()) drained.push(reader);
    }
    yield row;
    if (drained.length > 0) await Promise.all(drained.map((reader) => reader.fill()));
  }
}

class Reader<T> {
  readonly member: string;
  readonly #ask: Paged<T>["ask"];
  #items: readonly T[] = [];
  #at = 0;
  #next: string | undefined;
  #isLast = false;

  constructor({ member, ask }: Paged<T>) {
    this.member = member;
    this.#ask = ask;
  }

  get head(): T | undefined {
    return this.#items[this.#at];
  }

  /** @returns whether there is more of this page. */
  advance(): boolean {
    this.#at++;
    return this.#at < this.#items.length;
  }

  async fill(): Promise<void> {
    if (this.#isLast) return;
    const { items, next } = await this.#ask(this.#next);
    // A page that leads nowhere would be asked for ever.
    this.#isLast = next === undefined || next === this.#next || items.length === 0;
    this.#items = items;
    this.#at = 0;
    this.#next = next;
  }
}
