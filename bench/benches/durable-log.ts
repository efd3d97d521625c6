import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { openDurableLog } from "@nacre/server/storage";
import { type Bench, type Cell, percentile, round, type Scale, type Table } from "../lib/bench.ts";
import { Machine } from "../lib/row-machine.ts";

const value = "x".repeat(370);
const MIB = 1024 * 1024;

/** Where the log is written decides which disk is measured: `TMPDIR` moves it. */
export const durableLog: Bench = {
  name: "durable-log",
  title: "The durable log",
  method:
    "The log by itself, in the bench's own process: appends of 400-byte commands by writers that each wait for their " +
    "answer, which comes when the entry is synced to the disk and applied; how long the event loop was held meanwhile; " +
    "and the time to open a log again. It is written to the folder for temporary files.",
  async run(scale: Scale): Promise<Table> {
    const seconds = scale.pick(3, 0.5);
    const rows: Cell[][] = [];
    for (const writers of [1, 64, 256]) rows.push(await appends(writers, 64 * MIB, seconds));
    rows.push(await appends(256, 4 * MIB, seconds));
    const opened = await reopen(scale.pick(100_000, 10_000));
    return {
      columns: ["writers", "snapshot every", "appends/s", "p50 ms", "p99 ms", "event loop held, p99 ms", "longest ms"],
      rows,
      remarks: opened,
    };
  },
};

async function appends(writers: number, snapshotLogBytes: number, seconds: number): Promise<Cell[]> {
  const directory = await mkdtemp(join(tmpdir(), "nacre-bench-"));
  const log = await openDurableLog({ directory, machine: new Machine(), limits: { snapshotLogBytes } });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const endsAt = performance.now() + seconds * 1000;
  const times: number[] = [];
  let next = 0;
  delay.enable();
  await Promise.all(
    Array.from({ length: writers }, async () => {
      for (let startedAt = performance.now(); startedAt < endsAt; startedAt = performance.now()) {
        await log.propose({ key: `key-${next++ % 50_000}`, value });
        times.push(performance.now() - startedAt);
      }
    }),
  );
  delay.disable();
  await log.close();
  await rm(directory, { recursive: true });
  times.sort((a, b) => a - b);
  return [
    writers,
    `${snapshotLogBytes / MIB} MiB`,
    Math.round(times.length / seconds),
    round(percentile(times, 0.5), 2),
    round(percentile(times, 0.99), 2),
    round(delay.percentile(99) / 1e6, 1),
    round(delay.max / 1e6, 1),
  ];
}

async function reopen(entries: number): Promise<string[]> {
  const directory = await mkdtemp(join(tmpdir(), "nacre-bench-"));
  const limits = { snapshotLogBytes: 1024 ** 3 };
  const log = await openDurableLog({ directory, machine: new Machine(), limits });
  for (let done = 0; done < entries; done += 1000)
    await Promise.all(Array.from({ length: 1000 }, (_, i) => log.propose({ key: `key-${done + i}`, value })));
  await log.close();
  const lines: string[] = [];
  for (const [kind, mark] of [
    ["after a clean stop", undefined],
    ["after a kill within one boot", { boot: "here", cleanAt: null }],
    ["after a power loss", { boot: "before", cleanAt: null }],
  ] as const) {
    if (mark !== undefined) await writeFile(join(directory, "run.json"), JSON.stringify(mark));
    const startedAt = performance.now();
    const again = await openDurableLog({ directory, machine: new Machine(), limits, boot: "here" });
    const tookMs = Math.round(performance.now() - startedAt);
    lines.push(`Opening ${entries.toLocaleString("en-US")} entries ${kind} took ${tookMs} ms.`);
    await again.close();
  }
  await rm(directory, { recursive: true });
  return lines;
}
