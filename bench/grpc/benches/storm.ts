import type { GrpcBench } from "../lib/bench.ts";
import { check } from "../lib/check.ts";
import { EchoServer } from "../lib/echo-server.ts";
import { generator } from "../lib/generator.ts";
import { localAddresses } from "../lib/local-addresses.ts";
import type { Storm } from "../load/storm.ts";

const RATE = "Connections per second";
const PER_CPU = "Connections per CPU second of the server";
const GENERATOR = "Processor share of the generator, percent of a core";

export const storm: GrpcBench = {
  name: "storm",
  title: "Connection storms",
  method:
    "5,000 connections, each with preface, settings and a first call of 400 bytes in one write; 400 of them are on their " +
    "way at any time, because more than 511 would not fit into the queue that Node asks the kernel for. Until the last " +
    "answer. Each storm meets a new process that has seen a tenth of it before. Where the generator has no time left, " +
    "the figure for each CPU second is the one that counts.",
  figures: [
    { name: RATE, digits: 0 },
    { name: PER_CPU, digits: 0 },
    { name: GENERATOR, digits: 0 },
  ],
  rounds: (scale) => scale.pick(3, 1),
  async measure(subject, scale) {
    const count = scale.pick(5000, 500);
    const server = await EchoServer.start(subject);
    const load = generator("storm.ts");
    const run = (connections: number): Promise<Storm> =>
      load.call("storm", { port: server.port, count: connections, addresses: localAddresses(connections) });
    try {
      await check(server.port);
      await run(count / 10);
      const before = await server.read();
      const { tookMs, cpuMs } = await run(count);
      const after = await server.read();
      await check(server.port);
      return [
        {
          load: `${count.toLocaleString("en-US")} connections`,
          values: {
            [RATE]: (count / tookMs) * 1000,
            [PER_CPU]: (count / (after.cpuMs - before.cpuMs)) * 1000,
            [GENERATOR]: (cpuMs / tookMs) * 100,
          },
        },
      ];
    } finally {
      await load.end();
      await server.end();
    }
  },
};
