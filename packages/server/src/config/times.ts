import type { Clock } from "../clock.ts";
import { type Timing, Timings } from "../metrics/timings.ts";

export const CONFIG_TIMER_LABELS = ["module", "name"] as const;

/** How often configurations were read and written, and how long that took: for the metrics. */
export class ConfigTimes {
  reads = 0;
  writes = 0;
  readonly #clock: Clock;
  readonly #timings: Timings;
  readonly #unsaved: { readonly index: number; readonly at: number }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
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

  /** An entry was applied, whose writes are not in the store yet. */
  applied(index: number): void {
    this.#unsaved.push({ index, at: this.#clock.now() });
  }

  /** The store holds the writes of all entries up to this one. */
  saved(index: number): void {
    const kept = this.#unsaved.findIndex((entry) => entry.index > index);
    const count = kept === -1 ? this.#unsaved.length : kept;
    for (const { at } of this.#unsaved.splice(0, count)) this.#timings.record(DUMP, (this.#clock.now() - at) / 1000);
  }

  /** Entries whose writes are not in the store yet. */
  get unsaved(): number {
    return this.#unsaved.length;
  }

  get timings(): Iterable<Timing> {
    return this.#timings;
  }
}

const READ = ["config", "readConfigRt"];
const WRITE = ["config", "writeConfigRt"];
const NOTIFY = ["config", "notifyRt"];
const DUMP = ["config", "dumpRt"];
