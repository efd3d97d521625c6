import { setTimeout as wait } from "node:timers/promises";
import { type Bench, median, mib, round, type Scale, type Table } from "../lib/bench.ts";
import { GrpcConnection } from "../lib/grpc-connection.ts";
import { batch, instanceJson } from "../lib/operations.ts";
import { Remote } from "../lib/remote.ts";
import { ServerProcess } from "../lib/server-process.ts";
import type { Arrivals } from "../load/subscribers.ts";

const SERVICE = "wide";
/** Instances of one publisher: what fits into one frame of HTTP/2. */
const BATCH = 50;
/** Fan-outs end before the next change is sent. */
const QUIET_MS = 1500;

export const fanOut: Bench = {
  name: "fan-out",
  title: "One change of a large service",
  method:
    "One service with 1,000 instances and 1,000 subscribers, each with a gRPC connection of its own and all in one " +
    "process that reads everything it is sent: the weight of one instance changes, and every subscriber is sent the whole " +
    "list. Median of several changes; the longest hold of the server's event loop is that of all of them.",
  async run(scale: Scale): Promise<Table> {
    const size = scale.pick(1000, 300);
    const server = await ServerProcess.start();
    const subscribers = Remote.load("subscribers.ts");
    const publishers = await Promise.all(
      Array.from({ length: size / BATCH }, () => GrpcConnection.open(server.grpcPort)),
    );
    try {
      const publish = async (publisher: number, change: number): Promise<void> => {
        const instances = Array.from({ length: BATCH }, (_, n) =>
          instanceJson(`10.60.${publisher}.${n}`, 8080, n === 0 ? `{"zone":"a","change":"${change}"}` : undefined),
        );
        await publishers[publisher]?.ask(batch(SERVICE, instances));
      };
      for (let n = 0; n < publishers.length; n++) await publish(n, 0);
      const services = Array.from({ length: size }, () => SERVICE);
      await subscribers.call("subscribe", { port: server.grpcPort, services, mark: '"change":"' });
      await wait(QUIET_MS);
      const tookMs: number[] = [];
      await server.watchLoop();
      for (let change = 1; change <= scale.pick(7, 3); change++) {
        await subscribers.call("reset");
        const arrived = subscribers.call("untilPushes", size);
        const startedAt = performance.now();
        await Promise.all([publish(0, change), arrived]);
        tookMs.push(performance.now() - startedAt);
        await wait(QUIET_MS);
      }
      const holdMs = await server.loopHoldMs();
      const { bytes } = await subscribers.call<Arrivals>("arrivals");
      const { all } = await server.residentBytes();
      return {
        columns: ["figure", "value", "unit"],
        rows: [
          ["until the last subscriber has it", Math.round(median(tookMs)), "ms"],
          ["slowest of the changes", Math.round(Math.max(...tookMs)), "ms"],
          ["longest hold of the event loop", Math.round(holdMs), "ms"],
          ["resident set of the server afterwards", mib(all), "MiB"],
        ],
        remarks: [
          `The list has ${round(bytes / size / 1000)} kB, so that one change sends ${round(bytes / 1e6)} MB over the loopback; ` +
            "writing and reading them share the processors of this machine.",
        ],
      };
    } finally {
      for (const publisher of publishers) publisher.close();
      await subscribers.end();
      await server.stop();
    }
  },
};
