import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { type Bench, median, mib, round, type Scale, type Table } from "../lib/bench.ts";
import { ServerProcess } from "../lib/server-process.ts";

const PERSISTENT = 1000;
const AIM_MS = 300;
const AIM_MIB = 80;

export const start: Bench = {
  name: "start",
  title: "Start and idle memory",
  method:
    "`nacre start` as a process of its own: from spawning it to its line `Ready`, the start of Node included; the median " +
    "of several starts. The first start of a new version compiles everything; later ones find the compiled code in " +
    `Node's compile cache, and need no compiler of TypeScript in memory. The existing data folder holds ${PERSISTENT} persistent instances of an earlier run. Idle ` +
    "memory is the resident set of such a process as the system counts it, with no collection forced from outside and " +
    "no client connected; part of it is the program file of Node, which processes share.",
  async run(scale: Scale): Promise<Table> {
    const runs = scale.pick(9, 3);
    const idleMs = scale.pick(10_000, 2000);
    const folder = await mkdtemp(join(tmpdir(), "nacre-bench-"));
    const cache = join(folder, "cache");
    try {
      const first = await idle(cache, idleMs);
      const cold = await times(scale.pick(3, 1), async () => {
        await rm(cache, { recursive: true, force: true });
        return started({ cache });
      });
      const fresh = await times(runs, () => started({ cache }));
      const held = join(folder, "held");
      await fill(held);
      const again = await times(runs, async (run) => {
        const data = join(folder, `held-${run}`);
        await cp(held, data, { recursive: true });
        return started({ cache, data });
      });

      // What is loaded some seconds after a start is found in the cache from here on.
      await idle(cache, idleMs);
      const resident = await idle(cache, idleMs);
      const collected = await ServerProcess.start({ env: { NODE_COMPILE_CACHE: cache } });
      await wait(idleMs);
      const { rss, heapUsed } = await collected.memory();
      await collected.stop();
      const spread = (values: readonly number[]): string =>
        `${Math.round(Math.min(...values))} to ${Math.round(Math.max(...values))}`;
      return {
        columns: ["figure", "value", "unit", "aim", "from ... to"],
        rows: [
          ["first start of a version", Math.round(median(cold)), "ms", "", spread(cold)],
          ["start, new data folder", Math.round(median(fresh)), "ms", `≤ ${AIM_MS}`, spread(fresh)],
          ["start, existing data folder", Math.round(median(again)), "ms", `≤ ${AIM_MS}`, spread(again)],
          [`resident after ${idleMs / 1000} s idle`, mib(resident.all), "MiB", `≤ ${AIM_MIB}`, ""],
          ["of it not shared with files", mib(resident.anonymous), "MiB", "", ""],
          ["resident after the first start of a version", mib(first.all), "MiB", "", ""],
          ["resident after a forced collection", mib(rss), "MiB", "", ""],
          ["JavaScript heap in use after it", mib(heapUsed), "MiB", "", ""],
        ],
        remarks: [
          `Node by itself, doing nothing, has a resident set of ${mib(await bareNodeBytes())} MiB here.`,
          ...(round(median(fresh)) > AIM_MS ? ["The aim for the start is missed on this machine."] : []),
          ...(mib(resident.all) > AIM_MIB ? ["The aim for idle memory is missed."] : []),
        ],
      };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

/** What a server holds that nobody calls. */
async function idle(cache: string, idleMs: number): Promise<{ all: number; anonymous: number }> {
  const server = await ServerProcess.start({ probe: false, env: { NODE_COMPILE_CACHE: cache } });
  await wait(idleMs);
  const resident = await server.residentBytes();
  await server.stop();
  return resident;
}

async function started({ cache, data }: { cache: string; data?: string }): Promise<number> {
  const env = { NODE_COMPILE_CACHE: cache };
  const server = await ServerProcess.start({ probe: false, env, ...(data === undefined ? {} : { data }) });
  await server.stop();
  return server.readyMs;
}

async function times(count: number, run: (n: number) => Promise<number>): Promise<number[]> {
  const values: number[] = [];
  for (let n = 0; n < count; n++) values.push(await run(n));
  return values;
}

async function fill(data: string): Promise<void> {
  const server = await ServerProcess.start({ probe: false, data });
  const url = `http://127.0.0.1:${server.httpPort}/nacos/v1/ns/instance`;
  await Promise.all(
    Array.from({ length: PERSISTENT }, async (_, n) => {
      const query = `serviceName=held-${n % 100}&ip=10.0.0.1&port=${1024 + n}&ephemeral=false`;
      const answer = await fetch(`${url}?${query}`, { method: "POST" });
      if (!answer.ok) throw new Error(`a registration failed: ${await answer.text()}`);
    }),
  );
  await server.stop();
}

async function bareNodeBytes(): Promise<number> {
  const { execFileSync } = await import("node:child_process");
  return Number(execFileSync(process.execPath, ["-p", "process.memoryUsage.rss()"], { encoding: "utf8" }));
}
