import type { GrpcBench, Sample } from "../lib/bench.ts";
import { check } from "../lib/check.ts";
import { EchoServer } from "../lib/echo-server.ts";
import { generator } from "../lib/generator.ts";
import { localAddresses } from "../lib/local-addresses.ts";
import type { Storm, StormOrder } from "../load/storm.ts";

/** Fits into the queue of every server. */
const FEW = 400;

const RATE = "Connections per second";
const PER_CPU = "Connections per CPU second of the server";
const LOST = "Connections that were reset and tried again";
const GENERATOR = "Processor share of the generator, percent of a core";

export const storm: GrpcBench = {
  name: "storm",
  title: "Connection storms",
  method:
    "5,000 connections, each with preface, settings and a first call of 400 bytes in one write, until the last answer: " +
    "first 400 of them on their way at any time, then all at once. A server whose queue for `accept` is shorter than that " +
    "(511 by Node's default) loses connects, which the kernel tries again after one, two and four seconds, or resets " +
    "connections, which the generator tries again and counts. Each round meets a new process that has seen a tenth of it " +
    "before. Where the generator has no time left, the figure for each CPU second is the one that counts.",
  figures: [
    { name: RATE, digits: 0 },
    { name: PER_CPU, digits: 0 },
    { name: LOST, digits: 0, aside: true },
    { name: GENERATOR, digits: 0, aside: true },
  ],
  rounds: (scale) => scale.pick(2, 1),
  async measure(subject, scale) {
    const count = scale.pick(5000, 500);
    const server = await EchoServer.start(subject);
    const load = generator("storm.ts");
    const { port } = server;
    const run = (order: Pick<StormOrder, "count" | "atOnce">): Promise<Storm> =>
      load.call("storm", { port, ...order, addresses: localAddresses(order.count) });
    const samples: Sample[] = [];
    try {
      await check(port);
      await run({ count: count / 10, atOnce: FEW });
      for (const atOnce of [FEW, count]) {
        const before = await server.read();
        const { tookMs, cpuMs, lost } = await run({ count, atOnce });
        const after = await server.read();
        samples.push({
          load: atOnce === count ? "all at once" : `${atOnce} at a time`,
          values: {
            [RATE]: (count / tookMs) * 1000,
            [PER_CPU]: (count / (after.cpuMs - before.cpuMs)) * 1000,
            [LOST]: lost,
            [GENERATOR]: (cpuMs / tookMs) * 100,
          },
        });
      }
      await check(port);
      return samples;
    } finally {
      await load.end();
      await server.end();
    }
  },
};
