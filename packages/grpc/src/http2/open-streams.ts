import type { Stream } from "./stream.ts";

/**
 * The streams of a connection that are open, by id. Most connections have one that stays and one call beside it at most:
 * those two need no map, which would be the largest thing that an idle connection holds.
 */
export class OpenStreams<Call> {
  #first: Stream<Call> | undefined;
  #second: Stream<Call> | undefined;
  #others: Map<number, Stream<Call>> | undefined;

  get size(): number {
    return Number(this.#first !== undefined) + Number(this.#second !== undefined) + (this.#others?.size ?? 0);
  }

  get(id: number): Stream<Call> | undefined {
    if (this.#first?.id === id) return this.#first;
    if (this.#second?.id === id) return this.#second;
    return this.#others?.get(id);
  }

  add(stream: Stream<Call>): void {
    if (this.#first === undefined) this.#first = stream;
    else if (this.#second === undefined) this.#second = stream;
    else {
      this.#others ??= new Map();
      this.#others.set(stream.id, stream);
    }
  }

  delete(stream: Stream<Call>): void {
    if (this.#first === stream) this.#first = undefined;
    else if (this.#second === stream) this.#second = undefined;
    else if (this.#others?.delete(stream.id) === true && this.#others.size === 0) this.#others = undefined;
  }

  /** In any order. Those that are closed meanwhile are left out. */
  *values(): IterableIterator<Stream<Call>> {
    if (this.#first !== undefined) yield this.#first;
    if (this.#second !== undefined) yield this.#second;
    if (this.#others !== undefined) for (const stream of this.#others.values()) yield stream;
  }
}
