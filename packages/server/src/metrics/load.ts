import { availableParallelism, freemem, loadavg, totalmem } from "node:os";
import type { Clock } from "../clock.ts";

/** How busy this process and its machine are, as the operators' figures and the balancing of connections state it. */
export interface ProcessLoad {
  /** Share of all processors that this process used since the last reading but one at most, 0 to 1. */
  readonly cpu: number;
  /** Load average of one minute. */
  readonly load: number;
  /** Share of the machine's memory in use, 0 to 1. */
  readonly mem: number;
}

/** Readings that follow each other faster than this share one figure. */
const WINDOW_MS = 1000;

export function watchLoad(clock: Clock): () => ProcessLoad {
  let from = { at: clock.now(), cpu: process.cpuUsage() };
  let cpu = 0;
  return () => {
    const elapsedMs = clock.now() - from.at;
    if (elapsedMs >= WINDOW_MS) {
      const { user, system } = process.cpuUsage(from.cpu);
      cpu = (user + system) / 1000 / elapsedMs / availableParallelism();
      from = { at: clock.now(), cpu: process.cpuUsage() };
    }
    return { cpu, load: loadavg()[0] ?? 0, mem: 1 - freemem() / totalmem() };
  };
}
