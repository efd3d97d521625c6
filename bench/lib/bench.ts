/** One table of the performance page and how its figures come about. */
export interface Bench {
  /** What `--only` takes. */
  readonly name: string;
  readonly title: string;
  /** How the figures are measured, in sentences for the reader of the page. */
  readonly method: string;
  run(scale: Scale): Promise<Table>;
}

export type Cell = string | number;

export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** What the reader should know about these very figures. */
  readonly remarks: readonly string[];
}

/** How much to measure: all of it, or enough to see that a bench works. */
export interface Scale {
  readonly quick: boolean;
  pick<T>(full: T, quick: T): T;
}

export function scaleOf(quick: boolean): Scale {
  return { quick, pick: (full, short) => (quick ? short : full) };
}

/** Collected by name as a run goes on; the page is written from it. */
export interface Section extends Table {
  readonly title: string;
  readonly method: string;
  readonly measuredAt: string;
  readonly tookSeconds: number;
}

export function percentile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return percentile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
}

export function round(value: number, digits = 0): number {
  return Number(value.toFixed(digits));
}

export function mib(bytes: number): number {
  return round(bytes / 2 ** 20, 1);
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
