import { setTimeout as wait } from "node:timers/promises";
import { type Bench, round, type Scale, type Table } from "../lib/bench.ts";
import { GrpcConnection } from "../lib/grpc-connection.ts";
import { grpcRequest } from "../lib/operations.ts";
import { Remote } from "../lib/remote.ts";
import { ServerProcess } from "../lib/server-process.ts";
import type { Arrivals } from "../load/subscribers.ts";

const SUBSCRIBERS = 20;
const SETTLE_MS = 1000;
/** Calls under way on the one connection: more would break the flow control of HTTP/2. */
const PIPELINED = 100;

export const repeated: Bench = {
  name: "repeated",
  title: "Registrations that change nothing",
  method:
    `One instance is registered 10,000 times with the same content over gRPC, while ${SUBSCRIBERS} subscribers of its ` +
    "service count what they are pushed. At the end its weight changes, to see that they do listen.",
  async run(scale: Scale): Promise<Table> {
    const count = scale.pick(10_000, 2000);
    const server = await ServerProcess.start();
    const subscribers = Remote.load("subscribers.ts");
    const publisher = await GrpcConnection.open(server.grpcPort);
    try {
      const same = grpcRequest("register", 1, 0);
      await publisher.ask(same);
      const services = Array.from({ length: SUBSCRIBERS }, () => "app-0");
      await subscribers.call("subscribe", { port: server.grpcPort, services, mark: '"none":"' });
      await wait(SETTLE_MS);
      await subscribers.call("reset");
      const startedAt = performance.now();
      for (let left = count; left > 0; left -= PIPELINED)
        await Promise.all(Array.from({ length: Math.min(left, PIPELINED) }, () => publisher.ask(same)));
      const tookMs = performance.now() - startedAt;
      await wait(SETTLE_MS);
      const { pushes } = await subscribers.call<Arrivals>("arrivals");
      await publisher.ask(grpcRequest("register", 2, 0));
      await subscribers.call("untilPushes", pushes + SUBSCRIBERS);
      return {
        columns: ["registrations", "pushes", "aim", "registrations/s"],
        rows: [[count, pushes, "0", Math.round((count / tookMs) * 1000)]],
        remarks: [`The registrations were pipelined over one connection and took ${round(tookMs)} ms.`],
      };
    } finally {
      publisher.close();
      await subscribers.end();
      await server.stop();
    }
  },
};
