/** What metrics know of the requests of one route, method and status since the start. */
export interface AccessRow {
  /** The pattern of the route, never what was requested: the number of rows stays bounded. */
  readonly route: string;
  readonly method: string;
  readonly status: number;
  readonly count: number;
  readonly seconds: number;
  readonly maxSeconds: number;
}

/** Requests that matched no route are counted together under this name. */
export const UNMATCHED = "UNKNOWN";

export class AccessCounters {
  readonly #rows = new Map<string, { -readonly [K in keyof AccessRow]: AccessRow[K] }>();

  note(route: string, method: string, status: number, seconds: number): void {
    const key = `${status} ${method} ${route}`;
    const row = this.#rows.get(key);
    if (row === undefined) {
      this.#rows.set(key, { route, method, status, count: 1, seconds, maxSeconds: seconds });
      return;
    }
    row.count++;
    row.seconds += seconds;
    row.maxSeconds = Math.max(row.maxSeconds, seconds);
  }

  rows(): readonly AccessRow[] {
    return [...this.#rows.values()];
  }
}
