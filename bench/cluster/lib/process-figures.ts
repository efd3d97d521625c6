import { readFile } from "node:fs/promises";

/** Of Linux: hundredths of a second. */
const TICK_MS = 10;

/** User and system time of all threads of a process since it began, in milliseconds. */
export async function cpuMs(pid: number | undefined): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The name of the program stands in brackets, and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Resident memory as the system counts it, nothing forced. */
export async function residentBytes(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) * 1024;
}

/** The share of one processor that each process takes, in percent, over the time of some work. */
export async function cpuWhile(pids: readonly (number | undefined)[], work: () => Promise<unknown>): Promise<number[]> {
  const before = await Promise.all(pids.map(cpuMs));
  const startedAt = performance.now();
  await work();
  const tookMs = performance.now() - startedAt;
  const after = await Promise.all(pids.map(cpuMs));
  return after.map((busyMs, i) => ((busyMs - (before[i] as number)) / tookMs) * 100);
}
