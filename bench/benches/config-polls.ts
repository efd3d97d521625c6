import { setTimeout as wait } from "node:timers/promises";
import { bareNode } from "../lib/bare-node.ts";
import { type Bench, percentile, round, type Scale, type Table } from "../lib/bench.ts";
import { GrpcConnection } from "../lib/grpc-connection.ts";
import { configContent, publishRequest } from "../lib/operations.ts";
import { Remote } from "../lib/remote.ts";
import { ServerProcess } from "../lib/server-process.ts";

const POLLS = 10_000;
const HOT = "polled-hot";
const SETTLE_MS = 1_000;

export const configPolls: Bench = {
  name: "config-polls",
  title: "Held long polls",
  method:
    "Long polls of 1.x clients, each on a socket of its own, with three configurations each of which one is common to " +
    "all. Memory is the growth of the server over the same process without them, after forced collections, divided by " +
    "their number; what the kernel keeps for the sockets is not in it. Then the common configuration changes once: from " +
    "just before the publish is written to the arrival of each answer.",
  async run(scale: Scale): Promise<Table> {
    const count = scale.pick(POLLS, 1_000);
    const server = await ServerProcess.start({ flags: ["--nacre.connections.perIp.max=20000"] });
    const load = Remote.load("config-polls.ts");
    const publisher = await GrpcConnection.open(server.grpcPort);
    try {
      await load.call("park", { port: server.httpPort, count: 100, hot: "warm-up" });
      await publisher.ask(publishRequest("warm-up", "a"));
      await load.call("untilAnswered", 100);
      await load.call("close");
      await wait(SETTLE_MS);
      const before = await server.memory();
      await load.call("park", { port: server.httpPort, count, hot: HOT });
      await wait(SETTLE_MS);
      const after = await server.memory();
      await server.watchLoop();
      const cpuBefore = await server.cpuMs();
      const sentAt = performance.timeOrigin + performance.now();
      await publisher.ask(publishRequest(HOT, configContent(1_000, 0, 0)));
      await load.call("untilAnswered", count);
      const cpuMs = (await server.cpuMs()) - cpuBefore;
      const heldMs = await server.loopHoldMs();
      const arrivals = await load.call<Float64Array>("arrivals");
      const latencies = arrivals.map((at) => at - sentAt).sort();
      const at = (share: number): number => round(percentile(latencies, share), 1);
      // Parked anew, then gone with their process.
      await load.call("close");
      await load.call("park", { port: server.httpPort, count, hot: "unchanged" });
      await wait(SETTLE_MS);
      await server.watchLoop();
      await load.end();
      await wait(SETTLE_MS);
      const goneMs = await server.loopHoldMs();
      const { closeMs } = await bareNode(count);
      const each = (name: keyof typeof before): number => round((after[name] - before[name]) / count / 1024, 1);
      return {
        columns: [
          "polls",
          "resident KiB each",
          "heap KiB each",
          "p50 ms",
          "p99 ms",
          "last ms",
          "CPU ms",
          "loop held ms",
        ],
        rows: [[count, each("rss"), each("heapUsed"), at(0.5), at(0.99), at(1), round(cpuMs), round(heldMs, 1)]],
        remarks: [
          `When as many are held and their process is killed, the loop is held for ${round(goneMs, 1)} ms; that of a ` +
            `server of nothing but Node, whose sockets vanish alike, for ${round(closeMs, 1)} ms.`,
        ],
      };
    } finally {
      publisher.close();
      await load.end();
      await server.stop();
    }
  },
};
