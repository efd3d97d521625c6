import type { Clock } from "../clock.ts";
import { type Timing, Timings } from "../metrics/index.ts";

export const CONFIG_TIMER_LABELS = ["module", "name"] as const;

/** How often configurations were read and written, and how long that took: for the metrics. */
export class ConfigTimes {
  reads = 0;
  writes = 0;
  readonly #timings: Timings;

  constructor(clock: Clock) {
    this.#timings = new Timings(clock, CONFIG_TIMER_LABELS);
  }

  /** Durations in milliseconds. */
  read(tookMs: number): void {
    this.reads++;
    this.#timings.record(READ, tookMs / 1000);
  }

  written(tookMs: number): void {
    this.writes++;
    this.#timings.record(WRITE, tookMs / 1000);
  }

  /** From a notice until it was acknowledged. */
  notified(tookMs: number): void {
    this.#timings.record(NOTIFY, tookMs / 1000);
  }

  /** From a change until its content was in the store. */
  stored(tookMs: number): void {
    this.#timings.record(DUMP, tookMs / 1000);
  }

  get timings(): Iterable<Timing> {
    return this.#timings;
  }
}

const READ = ["config", "readConfigRt"];
const WRITE = ["config", "writeConfigRt"];
const NOTIFY = ["config", "notifyRt"];
const DUMP = ["config", "dumpRt"];
