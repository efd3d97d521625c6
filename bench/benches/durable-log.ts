import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { type Applied, type LogEntry, openDurableLog, type StateMachine } from "@nacre/server/storage";

/**
 * Measures the durable log by itself: appends per second of 400-byte commands with 1, 64 and 256 writers that each wait
 * for their answer, the longest hold of the event loop meanwhile, and the time to open 100,000 entries again.
 * Run: `node bench/durable-log.ts [folder]`; the folder decides which disk is measured.
 */
interface Command {
  readonly key: string;
  readonly value: string;
}

class Machine implements StateMachine<Command, number> {
  readonly rows = new Map<string, string>();

  load(row: { readonly key: string; readonly value: string }): void {
    this.rows.set(row.key, JSON.parse(row.value));
  }

  apply({ index, command }: LogEntry<Command>): Applied<number> {
    this.rows.set(command.key, command.value);
    return { ok: true, result: index, rows: [{ kind: "k", key: command.key, value: JSON.stringify(command.value) }] };
  }
}

const SECONDS = 3;
const ENTRIES = 100_000;
const value = "x".repeat(370);
const parent = process.argv[2] ?? tmpdir();
const print = (line: string) => process.stdout.write(`${line}\n`);

async function appends(writers: number, snapshotLogBytes: number): Promise<void> {
  const directory = await mkdtemp(join(parent, "nacre-bench-"));
  const log = await openDurableLog({ directory, machine: new Machine(), limits: { snapshotLogBytes } });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const endsAt = performance.now() + SECONDS * 1000;
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
  times.sort((a, b) => a - b);
  const at = (share: number) => (times[Math.floor(times.length * share)] ?? 0).toFixed(2);
  print(
    `${writers} writers, snapshot every ${snapshotLogBytes >> 20} MiB: ${Math.round(times.length / SECONDS)}/s, ` +
      `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms; event loop p99 ${(delay.percentile(99) / 1e6).toFixed(1)} ms, ` +
      `max ${(delay.max / 1e6).toFixed(1)} ms; last snapshot at ${log.status().snapshotIndex}`,
  );
  await log.close();
  await rm(directory, { recursive: true });
}

async function reopen(): Promise<void> {
  const directory = await mkdtemp(join(parent, "nacre-bench-"));
  const limits = { snapshotLogBytes: 1024 ** 3 };
  const log = await openDurableLog({ directory, machine: new Machine(), limits });
  for (let done = 0; done < ENTRIES; done += 1000) {
    await Promise.all(Array.from({ length: 1000 }, (_, i) => log.propose({ key: `key-${done + i}`, value })));
  }
  await log.close();
  for (const [kind, mark] of [
    ["after a clean stop", undefined],
    ["after a kill within one boot", { boot: "here", cleanAt: null }],
    ["after a power loss", { boot: "before", cleanAt: null }],
  ] as const) {
    if (mark !== undefined) await writeFile(join(directory, "run.json"), JSON.stringify(mark));
    const startedAt = performance.now();
    const again = await openDurableLog({ directory, machine: new Machine(), limits, boot: "here" });
    print(`open ${ENTRIES} entries ${kind}: ${Math.round(performance.now() - startedAt)} ms`);
    await again.close();
  }
  await rm(directory, { recursive: true });
}

for (const writers of [1, 64, 256]) await appends(writers, 64 * 1024 * 1024);
await appends(256, 4 * 1024 * 1024);
await reopen();
