import { statfs } from "node:fs/promises";
import { getHeapStatistics } from "node:v8";
import type { ClockFacts, DiskFacts, ProcessFacts } from "@nacre/core/diagnosis";
import type { Clock } from "../clock.ts";

/** Called this often; a gap that is longer by a second is a pause of this process. */
export const LOOK_MS = 1000;
const PAUSE_MS = 1000;
const JUMP_MS = 1000;
const DISK_MS = 5000;

/** What a process can see of itself: that it stood still, that its wall clock was set, what memory and disk are left. */
export class OwnWatch {
  readonly #clock: Clock;
  readonly #directory: string | undefined;
  /** Undefined before the first look, which may come long after the start. */
  #lookedAt: number | undefined;
  #wallAhead: number;
  #pause: ProcessFacts["pause"];
  #jump: ClockFacts["jump"];
  #disk: DiskFacts | undefined;
  #diskAt = Number.NEGATIVE_INFINITY;

  /** @param directory the data folder; undefined for a member that keeps nothing. */
  constructor(clock: Clock, directory: string | undefined) {
    this.#clock = clock;
    this.#directory = directory;
    this.#wallAhead = clock.wall() - clock.now();
  }

  /** Once per `LOOK_MS`. */
  look(): void {
    const now = this.#clock.now();
    const lateMs = now - (this.#lookedAt ?? now) - LOOK_MS;
    this.#lookedAt = now;
    if (lateMs >= PAUSE_MS) this.#pause = { at: now, lengthMs: lateMs };
    const wallAhead = this.#clock.wall() - now;
    // NTP moves a clock by less than a millisecond in a second; such steps are taken along without a word.
    const byMs = wallAhead - this.#wallAhead;
    this.#wallAhead = wallAhead;
    if (Math.abs(byMs) >= JUMP_MS) this.#jump = { at: now, byMs };
    if (now - this.#diskAt >= DISK_MS) void this.#lookAtDisk(now);
  }

  /** @param syncMs the longest sync of the last few seconds. */
  facts(syncMs: number): Pick<ProcessFacts, "pause" | "memory"> & { clock: ClockFacts; disk: DiskFacts | undefined } {
    const { used_heap_size: usedBytes, heap_size_limit: limitBytes } = getHeapStatistics();
    const disk = this.#disk && { ...this.#disk, syncMs };
    return { pause: this.#pause, memory: { usedBytes, limitBytes }, clock: { jump: this.#jump }, disk };
  }

  async #lookAtDisk(now: number): Promise<void> {
    this.#diskAt = now;
    if (this.#directory === undefined) return;
    try {
      const { bavail, blocks, bsize } = await statfs(this.#directory);
      this.#disk = { path: this.#directory, freeBytes: bavail * bsize, totalBytes: blocks * bsize, syncMs: 0 };
    } catch {
      // A folder that is gone is found by the log, which says so.
      this.#disk = undefined;
    }
  }
}
