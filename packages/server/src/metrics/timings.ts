import type { Clock } from "../clock.ts";

/** A recent maximum is forgotten after one to two of these. */
const MAX_WINDOW_MS = 60_000;
const SERIES_MAX = 1000;

/** One combination of labels: how often, how long in all, and the longest of late. */
export interface Timing {
  readonly labels: Readonly<Record<string, string>>;
  readonly count: number;
  readonly sumSeconds: number;
  readonly maxSeconds: number;
}

interface Series {
  readonly labels: Readonly<Record<string, string>>;
  count: number;
  sumSeconds: number;
  max: number;
  previousMax: number;
  window: number;
}

/**
 * Counts and times calls by their labels. The number of series is bounded: what comes once the bound is reached is
 * counted in one series whose labels are all `UNKNOWN`.
 */
export class Timings {
  readonly #clock: Clock;
  readonly #names: readonly string[];
  readonly #seriesMax: number;
  readonly #series = new Map<string, Series>();

  constructor(clock: Clock, names: readonly string[], seriesMax = SERIES_MAX) {
    this.#clock = clock;
    this.#names = names;
    this.#seriesMax = seriesMax;
  }

  /** `values` in the order of the label names. */
  record(values: readonly string[], seconds: number): void {
    const series = this.#find(values);
    this.#turn(series);
    series.count++;
    series.sumSeconds += seconds;
    if (seconds > series.max) series.max = seconds;
  }

  *[Symbol.iterator](): Iterator<Timing> {
    for (const series of this.#series.values()) {
      this.#turn(series);
      const { labels, count, sumSeconds, max, previousMax } = series;
      yield { labels, count, sumSeconds, maxSeconds: Math.max(max, previousMax) };
    }
  }

  #find(values: readonly string[]): Series {
    const key = JSON.stringify(values);
    const held = this.#series.get(key);
    if (held !== undefined) return held;
    if (this.#series.size >= this.#seriesMax) return this.#series.get("") ?? this.#open("", []);
    return this.#open(key, values);
  }

  #open(key: string, values: readonly string[]): Series {
    const labels = Object.fromEntries(this.#names.map((name, at) => [name, values[at] ?? "UNKNOWN"]));
    const series: Series = { labels, count: 0, sumSeconds: 0, max: 0, previousMax: 0, window: this.#window() };
    this.#series.set(key, series);
    return series;
  }

  #turn(series: Series): void {
    const window = this.#window();
    if (window === series.window) return;
    series.previousMax = window === series.window + 1 ? series.max : 0;
    series.max = 0;
    series.window = window;
  }

  #window(): number {
    return Math.floor(this.#clock.now() / MAX_WINDOW_MS);
  }
}

/** Labels of `http_server_requests_seconds`. */
export const HTTP_LABELS = ["uri", "method", "status", "exception", "outcome"] as const;

/**
 * The values of those labels for one answered request.
 *
 * @param route  the pattern of the route, never the path itself; undefined for a path without a route.
 * @param exception  name of the failure, undefined for none.
 */
export function httpLabels(
  route: string | undefined,
  method: string,
  status: number,
  exception?: string,
): readonly string[] {
  const outcomes = ["INFORMATIONAL", "SUCCESS", "REDIRECTION", "CLIENT_ERROR", "SERVER_ERROR"];
  const outcome = outcomes[Math.floor(status / 100) - 1] ?? "UNKNOWN";
  return [route ?? "UNKNOWN", method, String(status), exception ?? "None", outcome];
}

/** Labels of `grpc_server_requests_seconds`. */
export const GRPC_LABELS = ["module", "requestClass", "success", "errorCode", "throwableClass"] as const;

/** The values of those labels for one answered call; `requestClass` undefined for a type nobody serves. */
export function grpcLabels(
  module: string | undefined,
  requestClass: string | undefined,
  errorCode: number,
  throwable?: string,
): readonly string[] {
  const known = requestClass ?? "UNKNOWN";
  return [module ?? "UNKNOWN", known, String(errorCode === 0), String(errorCode), throwable ?? "None"];
}
