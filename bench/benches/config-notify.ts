import { setTimeout as wait } from "node:timers/promises";
import { bareNode } from "../lib/bare-node.ts";
import { type Bench, type Cell, percentile, round, type Scale, say, type Table } from "../lib/bench.ts";
import { GrpcConnection } from "../lib/grpc-connection.ts";
import { configContent, publishRequest } from "../lib/operations.ts";
import { Remote } from "../lib/remote.ts";
import { ServerProcess } from "../lib/server-process.ts";
import type { Notices } from "../load/config-listeners.ts";

const SHAPES = [
  { name: "one hot configuration", connections: 1_000, configs: 1 },
  { name: "one hot configuration", connections: 10_000, configs: 1 },
  { name: "spread", connections: 1_000, configs: 100 },
] as const;
const HOT = "hot-";

export const configNotify: Bench = {
  name: "config-notify",
  title: "From a publish to the listeners' callback",
  method:
    "Listeners with a gRPC connection each, in one process. Another connection publishes one configuration after the " +
    "other, each when all listeners of the one before have been told. A notice counts from just before the publish is " +
    "written to the arrival of the notice, on one clock: the publish is durable by then, and what listeners do with it " +
    "(they ask for the content) is not in it. `spread` is 100 configurations of ten listeners each.",
  async run(scale: Scale): Promise<Table> {
    const rows: Cell[][] = [];
    for (const { name, connections, configs } of SHAPES) {
      const count = scale.pick(connections, connections / 10);
      const row = [name, count, ...(await measured(count, configs, scale.pick(100, 10)))];
      say(`  ${row.join("  ")}`);
      rows.push(row);
    }
    const most = Math.max(...SHAPES.map(({ connections }) => scale.pick(connections, connections / 10)));
    const { readMs } = await bareNode(most);
    return {
      columns: [
        "shape",
        "listeners",
        "told by one",
        "p50 ms",
        "p99 ms",
        "longest ms",
        "server CPU ms each",
        "loop held ms",
      ],
      rows,
      remarks: [
        `Acknowledgements come together when the process of all listeners was busy, and Node reads whatever has come in ` +
          `one turn of its event loop: a server of nothing but Node takes ${round(readMs, 1)} ms to read 150 bytes from ` +
          `each of ${most.toLocaleString("en")} sockets, and to drop them.`,
      ],
    };
  },
};

async function measured(listeners: number, configs: number, changes: number): Promise<Cell[]> {
  const server = await ServerProcess.start({ flags: ["--nacre.connections.perIp.max=20000"] });
  const load = Remote.load("config-listeners.ts");
  const publisher = await GrpcConnection.open(server.grpcPort);
  try {
    const told = Math.floor(listeners / configs);
    await load.call("listen", { port: server.grpcPort, count: listeners, configs, prefix: HOT });
    const latencies: number[] = [];
    let cpuMs = 0;
    for (let change = 0; change < changes + 5; change++) {
      // The first ones find code that is not compiled yet.
      if (change === 5) {
        await server.watchLoop();
        cpuMs = await server.cpuMs();
      }
      await load.call("reset");
      const sentAt = performance.timeOrigin + performance.now();
      await publisher.ask(publishRequest(`${HOT}${change % configs}`, configContent(1_000, change, change)));
      await load.call("untilNotices", told);
      const { at } = await load.call<Notices>("notices");
      if (change >= 5) for (const arrived of at) latencies.push(arrived - sentAt);
    }
    await wait(100);
    const heldMs = await server.loopHoldMs();
    const spent = (await server.cpuMs()) - cpuMs;
    const sorted = Float64Array.from(latencies).sort();
    const at = (share: number): number => round(percentile(sorted, share), 1);
    return [told, at(0.5), at(0.99), at(1), round(spent / changes, 1), round(heldMs, 1)];
  } finally {
    publisher.close();
    await load.end();
    await server.stop();
  }
}
