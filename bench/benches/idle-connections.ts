import { execFileSync } from "node:child_process";
import { setTimeout as wait } from "node:timers/promises";
import { type Bench, round, type Scale, type Table } from "../lib/bench.ts";
import { Remote } from "../lib/remote.ts";
import { ServerProcess } from "../lib/server-process.ts";

const WANTED = 5000;
/** Files that the processes have open besides their sockets. */
const FILES_KEPT = 200;
const SETTLE_MS = 3000;

export const idleConnections: Bench = {
  name: "idle-connections",
  title: "Memory of idle gRPC connections",
  method:
    "Connections that have opened their stream, sent their setup and made one call, and then only answer the server's " +
    "probes: the growth of the server's memory over the same process without them, divided by their number. Full " +
    "collections are forced before each reading. What the kernel keeps for the sockets is not in it.",
  async run(scale: Scale): Promise<Table> {
    const filesMax = Number(execFileSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" })) || Number.POSITIVE_INFINITY;
    const count = Math.min(scale.pick(WANTED, 1000), filesMax - FILES_KEPT);
    const server = await ServerProcess.start();
    const load = Remote.load("idle.ts");
    try {
      // The first connections load code and make tables, which the later ones share.
      await load.call("open", { port: server.grpcPort, count: 100 });
      const before = await server.memory();
      const startedAt = performance.now();
      await load.call("open", { port: server.grpcPort, count: 100 + count });
      const tookMs = performance.now() - startedAt;
      await wait(SETTLE_MS);
      const after = await server.memory();
      const each = (name: keyof typeof before): number => round((after[name] - before[name]) / count / 1024, 1);
      return {
        columns: ["connections", "resident KiB each", "heap KiB each", "external KiB each", "opened/s"],
        rows: [[count, each("rss"), each("heapUsed"), each("external"), Math.round((count / tookMs) * 1000)]],
        remarks: count < scale.pick(WANTED, 1000) ? [`Open files are limited to ${filesMax} here.`] : [],
      };
    } finally {
      await load.end();
      await server.stop();
    }
  },
};
