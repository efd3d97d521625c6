import { assert } from "../lib/assert.ts";
import type { ConfigurationAt, Index, Run, Term } from "./model.ts";

/** A message holds one piece at most, so that its size is bounded without a size per entry. */
export interface PieceBounds {
  readonly bytesMax: number;
  readonly entriesMax: number;
}

interface Piece {
  last: Index;
  bytes: number;
}

/** What `cut` took away, to be put back when the disk refuses. */
export interface Tail {
  readonly from: Index;
  readonly last: Index;
  readonly runs: readonly Run[];
  /** The pieces after the entry `before`, which is before `from`. */
  readonly before: Index;
  readonly pieces: readonly Readonly<Piece>[];
  readonly configurations: readonly ConfigurationAt[];
}

/** What is in the log, without the entries: terms as runs, sizes as pieces, and the configurations. */
export class Log {
  readonly #bounds: PieceBounds;
  readonly #runs: Run[] = [];
  readonly #pieces: Piece[] = [];
  /** The newest at or before `baseIndex` first, if one is known; then those in the log. */
  readonly #configurations: ConfigurationAt[];
  #baseIndex: Index;
  #baseTerm: Term;
  #last: Index;

  constructor(baseIndex: Index, baseTerm: Term, configuration: ConfigurationAt | undefined, bounds: PieceBounds) {
    this.#bounds = bounds;
    this.#baseIndex = baseIndex;
    this.#baseTerm = baseTerm;
    this.#last = baseIndex;
    this.#configurations = configuration === undefined ? [] : [configuration];
  }

  /** The entry before the first one that is kept; its term is known. */
  get baseIndex(): Index {
    return this.#baseIndex;
  }
  get last(): Index {
    return this.#last;
  }
  get lastTerm(): Term {
    return this.#runs.at(-1)?.term ?? this.#baseTerm;
  }
  get configuration(): ConfigurationAt | undefined {
    return this.#configurations.at(-1);
  }

  /** Undefined for what is not in the log (any more). */
  termOf(index: Index): Term | undefined {
    if (index === this.#baseIndex) return this.#baseTerm;
    if (index < this.#baseIndex || index > this.#last) return undefined;
    return this.#runs[this.#runOf(index)]?.term;
  }

  configurationAt(index: Index): ConfigurationAt | undefined {
    return this.#configurations.findLast((one) => one.index <= index);
  }

  configurationsIn(first: Index, last: Index): readonly ConfigurationAt[] {
    const newest = this.configuration;
    if (newest === undefined || newest.index < first) return NONE;
    return this.#configurations.filter(({ index }) => index >= first && index <= last);
  }

  /** The terms of the entries from `first` to `last`, which are in the log. */
  runsIn(first: Index, last: Index): readonly Run[] {
    if (first > last) return NONE;
    const runs: Run[] = [];
    for (let at = this.#runOf(first); at < this.#runs.length; at++) {
      const run = this.#runs[at];
      if (run === undefined || run.first > last) break;
      runs.push(run.first < first ? { first, term: run.term } : run);
    }
    return runs;
  }

  /** The first entry from `first` on that differs from `runs`, or is only on one side. */
  firstDifference(first: Index, last: Index, runs: readonly Run[]): Index {
    let at = first;
    while (at <= Math.min(last, this.#last)) {
      const theirs = lastRunAt(runs, at);
      const mine = this.#runOf(at);
      if (runs[theirs]?.term !== this.#runs[mine]?.term) return at;
      at = Math.min(runs[theirs + 1]?.first ?? last + 1, this.#runs[mine + 1]?.first ?? this.#last + 1);
    }
    return at;
  }

  /** The last entry up to `index` whose term is `term` at most: later ones cannot be equal to a log of that term. */
  lastUpTo(index: Index, term: Term): Index {
    let at = Math.min(index, this.#last);
    while (at > this.#baseIndex) {
      const run = this.#runs[this.#runOf(at)];
      if (run === undefined || run.term <= term) return at;
      at = run.first - 1;
    }
    return at;
  }

  /** @param bytes about what the entries from the last one up to `last` hold. */
  append(last: Index, term: Term, bytes: number): void {
    if (this.lastTerm !== term || this.#runs.length === 0) this.#runs.push({ first: this.#last + 1, term });
    this.#grow(last, bytes);
  }

  appendRuns(last: Index, runs: readonly Run[], bytes: number, configurations: readonly ConfigurationAt[]): void {
    const first = this.#last + 1;
    for (let at = lastRunAt(runs, first); at < runs.length; at++) {
      const run = runs[at] as Run;
      if (run.first > last) break;
      if (this.#runs.at(-1)?.term !== run.term) this.#runs.push({ first: Math.max(run.first, first), term: run.term });
    }
    for (const one of configurations) if (one.index >= first) this.#configurations.push(one);
    this.#grow(last, bytes);
  }

  addConfiguration(configuration: ConfigurationAt): void {
    this.#configurations.push(configuration);
  }

  cut(from: Index): Tail {
    assert(from > this.#baseIndex && from <= this.#last, "a cut is within the log");
    const piece = this.#pieces.findIndex(({ last }) => last >= from);
    const run = this.#runOf(from);
    const firstRun = (this.#runs[run] as Run).first < from ? run + 1 : run;
    const configuration = this.#configurations.findIndex(({ index }) => index >= from);
    const tail: Tail = {
      from,
      last: this.#last,
      runs: this.#runs.splice(firstRun),
      before: this.#pieces[piece - 1]?.last ?? this.#baseIndex,
      pieces: this.#pieces.slice(piece).map((one) => ({ ...one })),
      configurations: configuration < 0 ? NONE : this.#configurations.splice(configuration),
    };
    this.#pieces.length = piece + 1;
    const cut = this.#pieces[piece] as Piece;
    cut.last = from - 1;
    if (cut.last <= tail.before) this.#pieces.pop();
    this.#last = from - 1;
    return tail;
  }

  restore(tail: Tail): void {
    assert(tail.from === this.#last + 1, "a tail is put back where it was");
    // What is left of a piece that was cut gives way to all of it.
    while ((this.#pieces.at(-1)?.last ?? -1) > tail.before) this.#pieces.pop();
    this.#pieces.push(...tail.pieces.map((one) => ({ ...one })));
    this.#runs.push(...tail.runs);
    this.#configurations.push(...tail.configurations);
    this.#last = tail.last;
  }

  /** Forgets the entries up to `index`. */
  drop(index: Index): void {
    if (index <= this.#baseIndex) return;
    const term = this.termOf(index);
    assert(term !== undefined, "only entries that are there are dropped");
    const run = index < this.#last ? this.#runOf(index + 1) : this.#runs.length;
    this.#runs.splice(0, run);
    const first = this.#runs[0];
    if (first !== undefined && first.first <= index) this.#runs[0] = { first: index + 1, term: first.term };
    const piece = this.#pieces.findIndex(({ last }) => last > index);
    this.#pieces.splice(0, piece < 0 ? this.#pieces.length : piece);
    const configuration = this.#configurations.findLastIndex((one) => one.index <= index);
    if (configuration > 0) this.#configurations.splice(0, configuration);
    this.#baseIndex = index;
    this.#baseTerm = term;
  }

  /** Where a message that begins with `first` ends at the latest. */
  pieceEnd(first: Index): Index {
    return this.#pieces[this.#pieceOf(first)]?.last ?? this.#last;
  }

  /** About what the entries from `first` to `last` hold: the part of their pieces that they are. */
  bytes(first: Index, last: Index): number {
    let sum = 0;
    for (let at = this.#pieceOf(first); at < this.#pieces.length; at++) {
      const piece = this.#pieces[at] as Piece;
      const before = this.#pieces[at - 1]?.last ?? this.#baseIndex;
      if (before >= last) break;
      const part = Math.min(last, piece.last) - Math.max(first - 1, before);
      sum += (piece.bytes * part) / (piece.last - before);
    }
    return Math.ceil(sum);
  }

  #grow(last: Index, bytes: number): void {
    const piece = this.#pieces.at(-1);
    const before = this.#pieces.at(-2)?.last ?? this.#baseIndex;
    const isFull =
      piece === undefined || piece.bytes + bytes > this.#bounds.bytesMax || last - before > this.#bounds.entriesMax;
    if (isFull) this.#pieces.push({ last, bytes });
    else {
      piece.last = last;
      piece.bytes += bytes;
    }
    this.#last = last;
  }

  #runOf(index: Index): number {
    return lastRunAt(this.#runs, index);
  }

  #pieceOf(index: Index): number {
    let [low, high] = [0, this.#pieces.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#pieces[middle] as Piece).last < index) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const NONE: readonly never[] = [];

/** The place of the run that holds `index`; mostly it is the last one. */
function lastRunAt(runs: readonly Run[], index: Index): number {
  const end = runs.length - 1;
  if ((runs[end]?.first ?? Infinity) <= index) return end;
  let [low, high] = [0, end];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((runs[middle] as Run).first <= index) low = middle;
    else high = middle - 1;
  }
  return low;
}
