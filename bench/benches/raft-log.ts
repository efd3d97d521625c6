import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { systemClock } from "@nacre/server/clock";
import { openRaftLog, type RaftLog } from "@nacre/server/raft";
import { openDurableLog } from "@nacre/server/storage";
import { type Bench, type Cell, percentile, round, type Scale, type Table } from "../lib/bench.ts";
import { type Command, Machine } from "../lib/row-machine.ts";

type Writer = Pick<RaftLog<Command, number>, "propose">;

interface Opened {
  /** Where clients write. */
  readonly writers: readonly Writer[];
  close(): Promise<void>;
}

const value = "x".repeat(370);

/** Where the log is written decides which disk is measured: `TMPDIR` moves it. */
export const raftLog: Bench = {
  name: "raft-log",
  title: "The durable log through a group",
  method:
    "Appends of 400-byte commands by writers that each wait for their answer, through the log of a member by itself, " +
    "through a group of one, and through a group of three whose members are all in the bench's own process, on one disk " +
    "and with a network of function calls: what the group costs in work, not in waiting. At the leader, at a follower, " +
    "or spread over all three.",
  async run(scale: Scale): Promise<Table> {
    const seconds = scale.pick(3, 0.5);
    const rows: Cell[][] = [];
    // The timers of members keep no process alive, and nothing else happens until a leader is elected.
    const alive = setInterval(() => {}, 1000);
    for (const writers of [1, 64, 256]) {
      for (const [what, open] of SETUPS) {
        const directory = await mkdtemp(join(tmpdir(), "nacre-bench-"));
        const opened = await open(directory);
        rows.push([what, writers, ...(await appends(opened, writers, seconds))]);
        await opened.close();
        await rm(directory, { recursive: true });
      }
    }
    clearInterval(alive);
    return {
      columns: ["log", "writers", "appends/s", "p50 ms", "p99 ms", "event loop held, p99 ms"],
      rows,
      remarks: [],
    };
  },
};

const SETUPS: readonly (readonly [string, (directory: string) => Promise<Opened>])[] = [
  ["by itself", alone],
  ["group of one", (directory) => group(directory, ["a"], (logs) => logs)],
  ["group of three, at the leader", (directory) => group(directory, ["a", "b", "c"], (logs) => logs.filter(leads))],
  [
    "group of three, at a follower",
    (directory) => group(directory, ["a", "b", "c"], (logs) => logs.filter((log) => !leads(log)).slice(1)),
  ],
  ["group of three, at all", (directory) => group(directory, ["a", "b", "c"], (logs) => logs)],
];

function leads(log: RaftLog<Command, number>): boolean {
  return log.status().role === "leader";
}

async function alone(directory: string): Promise<Opened> {
  const log = await openDurableLog({ directory, machine: new Machine() });
  return { writers: [log], close: () => log.close() };
}

async function group(
  directory: string,
  ids: readonly string[],
  pick: (logs: readonly RaftLog<Command, number>[]) => readonly Writer[],
): Promise<Opened> {
  const logs = new Map<string, RaftLog<Command, number>>();
  for (const self of ids) {
    const log = await openRaftLog({
      directory: join(directory, self),
      machine: new Machine(),
      self,
      life: 1,
      clock: systemClock,
      founder: { voters: ids, learners: [] },
      peers: {
        send: (to, frame) => void setImmediate(() => logs.get(to)?.received(self, frame)),
        outOfReachSince: () => undefined,
        addressOf: (id) => id,
      },
    });
    logs.set(self, log);
  }
  const all = [...logs.values()];
  await Promise.all(all.map((log) => log.propose({ key: "begin", value })));
  return {
    writers: pick(all),
    async close() {
      await Promise.all(all.map((log) => log.close()));
    },
  };
}

async function appends({ writers }: Opened, count: number, seconds: number): Promise<Cell[]> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const endsAt = performance.now() + seconds * 1000;
  const times: number[] = [];
  let next = 0;
  delay.enable();
  await Promise.all(
    Array.from({ length: count }, async (_, at) => {
      const log = writers[at % writers.length] as Writer;
      for (let startedAt = performance.now(); startedAt < endsAt; startedAt = performance.now()) {
        await log.propose({ key: `key-${next++ % 50_000}`, value });
        times.push(performance.now() - startedAt);
      }
    }),
  );
  delay.disable();
  times.sort((a, b) => a - b);
  return [
    Math.round(times.length / seconds),
    round(percentile(times, 0.5), 2),
    round(percentile(times, 0.99), 2),
    round(delay.percentile(99) / 1e6, 1),
  ];
}
