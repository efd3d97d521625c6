import { availableParallelism } from "node:os";
import type { GrpcBench, Sample } from "../lib/bench.ts";
import { check } from "../lib/check.ts";
import { EchoServer } from "../lib/echo-server.ts";
import { generator } from "../lib/generator.ts";
import { steady } from "../lib/steady.ts";
import type { LargeCalls } from "../load/large.ts";

const MB = 1_000_000;
const SMALL = 4;
const CONNECTIONS = 4;
const SETTLE_MS = 500;

const RATE = "MB per second";
const PER_CPU = "MB per CPU second of the server";
const GENERATOR = "Processor share of the generator, percent of a core";

/** What a call moves, in messages of a megabyte. */
const LOADS = [
  { load: "1 MB to the server", method: "Sink", requestBytes: MB, answerBytes: SMALL, moves: 1 },
  { load: "1 MB to the client", method: "Source", requestBytes: SMALL, answerBytes: MB, moves: 1 },
  { load: "1 MB both ways", method: "Unary", requestBytes: MB, answerBytes: MB, moves: 2 },
];

export const large: GrpcBench = {
  name: "large",
  title: "Large messages",
  method:
    `Unary calls with a megabyte one way or both ways, one after the other on each of ${CONNECTIONS} connections. The ` +
    "client sends frames of 16 KiB as far as the server's windows let it, so that a small window is part of what is " +
    "measured, and has windows of its own that never hold the server back. Bytes of both directions are added.",
  figures: [
    { name: RATE, digits: 0 },
    { name: PER_CPU, digits: 0 },
    { name: GENERATOR, digits: 0, aside: true },
  ],
  rounds: (scale) => scale.pick(2, 1),
  async measure(subject, scale, remark) {
    if (availableParallelism() < 3) remark("The generator and the server share two cores with the kernel's copying.");
    const server = await EchoServer.start(subject);
    const samples: Sample[] = [];
    try {
      await check(server.port);
      for (const { load, moves, ...call } of LOADS) {
        const from = generator("large.ts");
        try {
          const calls: LargeCalls = { port: server.port, connections: CONNECTIONS, ...call };
          await from.call("start", calls);
          const windowMs = scale.pick(2000, 500);
          const startedAt = performance.now();
          const cpuBefore = await from.call<number>("cpu");
          const { callsPerSecond, callsPerCpuSecond } = await steady(server, SETTLE_MS, windowMs);
          const cpuMs = (await from.call<number>("cpu")) - cpuBefore;
          const tookMs = performance.now() - startedAt;
          await from.call("stop");
          samples.push({
            load,
            values: {
              [RATE]: callsPerSecond * moves,
              [PER_CPU]: callsPerCpuSecond * moves,
              [GENERATOR]: (cpuMs / tookMs) * 100,
            },
          });
        } finally {
          await from.end();
        }
      }
      await check(server.port);
      return samples;
    } finally {
      await server.end();
    }
  },
};
