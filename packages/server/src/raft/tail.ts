import type { Append, Index } from "@nacre/core/raft";
import type { Entry } from "../storage/applier.ts";
import type { NewRecord } from "../storage/records.ts";

/** An entry of the log. The checksum is known once it is on disk. */
export interface TailEntry extends Entry {
  checksum: number;
}

/** Beyond this only what is not on disk, or not applied, is kept. Bytes of payloads. */
const BYTES_MAX = 16 * 1024 * 1024;
/** What an entry takes beside its payload, roughly. */
const ENTRY_BYTES = 200;

/** The end of the log in memory: what is on its way to disk, and what peers and the machine will ask for next. */
export class Tail {
  #entries: (TailEntry | undefined)[] = [];
  /** Places at the beginning of the array whose entries were let go. */
  #gone = 0;
  #first: Index;
  #bytes = 0;

  /** @param first  the next place of the log. */
  constructor(first: Index) {
    this.#first = first;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Where entries go next, if nothing was cut that is not here. */
  get next(): Index {
    return this.#first + this.#entries.length - this.#gone;
  }

  get(index: Index): TailEntry | undefined {
    return index < this.#first ? undefined : this.#entries[index - this.#first + this.#gone];
  }

  append(first: Index, records: readonly NewRecord[]): TailEntry[] {
    if (first !== this.next) this.restart(first);
    const entries = records.map(({ term, kind, at, payload }, place): TailEntry => {
      this.#bytes += payload.length + ENTRY_BYTES;
      return { index: first + place, term, kind, at, payload, checksum: 0 };
    });
    for (const entry of entries) this.#entries.push(entry);
    return entries;
  }

  cut(from: Index): void {
    if (from <= this.#first) return this.restart(from);
    while (this.next > from) this.#bytes -= (this.#entries.pop()?.payload.length ?? 0) + ENTRY_BYTES;
  }

  /** What was here is not known any more; the disk has it, or nobody. */
  restart(first: Index): void {
    this.#entries = [];
    this.#gone = 0;
    this.#bytes = 0;
    this.#first = first;
  }

  /**
   * Lets go what is beyond the bound.
   *
   * @param keep  the first entry that stays in any case.
   * @param isAlone  nobody else is in the group who would ask for them: nothing before `keep` is kept.
   */
  shrink(keep: Index, isAlone: boolean): void {
    const bytesMax = isAlone ? 0 : BYTES_MAX;
    while (this.#bytes > bytesMax && this.#first < keep) {
      const entry = this.#entries[this.#gone];
      if (entry === undefined) break;
      this.#bytes -= entry.payload.length + ENTRY_BYTES;
      // Its place is given back later, together with others: its payload is not to stay until then.
      this.#entries[this.#gone] = undefined;
      this.#gone++;
      this.#first++;
    }
    if (this.#gone < 1024 || this.#gone < this.#entries.length / 2) return;
    this.#entries.splice(0, this.#gone);
    this.#gone = 0;
  }
}

/** The term that a message names for an entry of it. */
export function termIn({ runs }: Append, index: Index): number {
  let term = 0;
  for (const run of runs) if (run.first <= index) term = run.term;
  return term;
}
