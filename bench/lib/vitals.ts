import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as wait } from "node:timers/promises";

/** What only a process itself knows of its processor time, memory and event loop; answers for `answer` of `remote.ts`. */
const LOOP_RESOLUTION_MS = 1;
const SETTLE_MS = 10;
const delay = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
let turns: NodeJS.Timeout | undefined;
let longestTurnMs = 0;

export interface Memory {
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
}

/** User and system time in milliseconds, of all threads. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Of this thread alone. */
function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** A timer fires at most once in a turn of the event loop: what the thread has used since it last did is a turn's, or more. */
function watchTurns(): void {
  let before = threadMs();
  longestTurnMs = 0;
  turns = setInterval(() => {
    const now = threadMs();
    longestTurnMs = Math.max(longestTurnMs, now - before);
    before = now;
  }, LOOP_RESOLUTION_MS);
}

export const vitals = {
  cpu: cpuMs,
  /** After two full collections when the process was started with `--expose-gc`. */
  memory: (): Memory => {
    globalThis.gc?.();
    globalThis.gc?.();
    const { rss, heapUsed, external } = process.memoryUsage();
    return { rss, heapUsed, external };
  },
  watchLoop: async () => {
    delay.enable();
    // Its first sample is dropped, and must not be one of those that count.
    await wait(SETTLE_MS);
    delay.reset();
    watchTurns();
  },
  /** The longest time in which the event loop did nothing else, in milliseconds. */
  loopHold: async () => {
    // A hold is counted by the timer that it kept waiting.
    await wait(SETTLE_MS);
    delay.disable();
    clearInterval(turns);
    return Math.max(0, delay.max / 1e6 - LOOP_RESOLUTION_MS);
  },
  /**
   * The longest turn of the event loop in milliseconds of the thread's processor time, as of the last `loopHold`: without
   * what other processes took meanwhile.
   */
  turnCpu: () => longestTurnMs,
};
