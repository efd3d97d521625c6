import type { GrpcBench } from "../lib/bench.ts";
import { check } from "../lib/check.ts";
import { EchoServer, SERVERS, SOCKET } from "../lib/echo-server.ts";
import { generator } from "../lib/generator.ts";
import { steady } from "../lib/steady.ts";

const SETTLE_MS = 1_500;

const RATE = "Calls per second";
const PER_CPU = "Calls per CPU second of the server";

export const oneByOne: GrpcBench = {
  name: "one-by-one",
  title: "One call at a time, and a bare socket",
  method:
    "One connection with one call at a time, as in the first load of the unary calls, but from a generator of the bench, " +
    "so that `socket` can be measured too: a socket of `node:net` that looks at nothing and answers with constant bytes, " +
    "as many as a call and its answer take. Each call wakes the process, reads once and writes once, whoever serves it. " +
    "What `socket` makes in times of another server is what no server on Node can surpass.",
  figures: [
    { name: RATE, digits: 0 },
    { name: PER_CPU, digits: 0 },
  ],
  servers: [...SERVERS, SOCKET],
  rounds: (scale) => scale.pick(5, 1),
  async measure(subject, scale) {
    const server = await EchoServer.start(subject);
    const load = generator("one-by-one.ts");
    const isBare = subject.server === SOCKET;
    try {
      if (!isBare) await check(server.port);
      await load.call(isBare ? "bareCalls" : "calls", server.port);
      const { callsPerSecond, callsPerCpuSecond } = await steady(server, SETTLE_MS, scale.pick(2_500, 500));
      await load.call("close");
      if (!isBare) await check(server.port);
      return [{ load: "1 x 1", values: { [RATE]: callsPerSecond, [PER_CPU]: callsPerCpuSecond } }];
    } finally {
      await load.end();
      await server.end();
    }
  },
};
