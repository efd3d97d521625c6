import { availableParallelism, cpus, loadavg } from "node:os";
import { constants, monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";
import type { Clock } from "../clock.ts";
import type { ProcessCounts } from "./sources.ts";

const LAG_RESOLUTION_MS = 10;

const GC_KINDS: Readonly<Record<number, string>> = {
  [constants.NODE_PERFORMANCE_GC_MINOR]: "minor",
  [constants.NODE_PERFORMANCE_GC_MAJOR]: "major",
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: "incremental",
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: "weakCallbacks",
};

export interface ProcessWatch {
  /** Shares and lags are those since the last reading, so one scraper per server sees exact figures. */
  read(): ProcessCounts;
  close(): void;
}

/** Watches this process: CPU, memory, garbage collection and the delay of its event loop. */
export function watchProcess(clock: Clock): ProcessWatch {
  const gc = new Map<string, { kind: string; count: number; sumSeconds: number; maxSeconds: number }>();
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const kind = GC_KINDS[(entry as { detail?: { kind?: number } }).detail?.kind ?? 0] ?? "other";
      const held = gc.get(kind) ?? { kind, count: 0, sumSeconds: 0, maxSeconds: 0 };
      const seconds = entry.duration / 1000;
      held.count++;
      held.sumSeconds += seconds;
      held.maxSeconds = Math.max(held.maxSeconds, seconds);
      gc.set(kind, held);
    }
  });
  observer.observe({ entryTypes: ["gc"] });
  const delay = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  delay.enable();
  let last = { at: clock.now(), process: process.cpuUsage(), system: systemTicks() };

  /** The delay is measured between two timer calls: what exceeds their distance is lag. */
  const lag = (nanoseconds: number) =>
    Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e9 - LAG_RESOLUTION_MS / 1000) : 0;

  return {
    read() {
      const now = { at: clock.now(), process: process.cpuUsage(), system: systemTicks() };
      const used = now.process.user + now.process.system - last.process.user - last.process.system;
      const elapsedMs = now.at - last.at;
      const ticks = now.system.total - last.system.total;
      const heap = getHeapStatistics();
      const counts: ProcessCounts = {
        systemCpu: ticks > 0 ? 1 - (now.system.idle - last.system.idle) / ticks : -1,
        processCpu: elapsedMs > 0 ? used / 1000 / elapsedMs / availableParallelism() : -1,
        loadAverage1m: loadavg()[0] ?? 0,
        uptimeSeconds: process.uptime(),
        heapUsedBytes: heap.used_heap_size,
        heapMaxBytes: heap.heap_size_limit,
        externalBytes: heap.external_memory,
        residentBytes: process.memoryUsage.rss(),
        gc: [...gc.values()],
        loopLagSeconds: {
          mean: lag(delay.mean),
          p50: lag(delay.percentile(50)),
          p99: lag(delay.percentile(99)),
          max: lag(delay.max),
        },
      };
      delay.reset();
      last = now;
      return counts;
    },
    close() {
      observer.disconnect();
      delay.disable();
    },
  };
}

function systemTicks(): { idle: number; total: number } {
  let [idle, total] = [0, 0];
  for (const { times } of cpus()) {
    idle += times.idle;
    total += times.user + times.nice + times.sys + times.irq + times.idle;
  }
  return { idle, total };
}
