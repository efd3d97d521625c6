import { setTimeout as wait } from "node:timers/promises";
import { median } from "../../lib/bench.ts";
import type { GrpcBench } from "../lib/bench.ts";
import { check } from "../lib/check.ts";
import { EchoServer } from "../lib/echo-server.ts";
import { generator } from "../lib/generator.ts";
import { localAddresses } from "../lib/local-addresses.ts";

const MESSAGE_BYTES = 20_000;
const QUIET_MS = 300;

const TOOK = "Milliseconds until the last byte";
const HANDED = "Milliseconds until the server has handed over the last message";
const CPU = "CPU milliseconds of the server";
const HOLD = "Longest hold of the event loop, milliseconds";
const PEAK = "Peak of the resident set above what it was before, MiB";

export const fanOut: GrpcBench = {
  name: "fan-out",
  title: "One message to many streams",
  method:
    "One buffer of 20 kB is sent on each of 5,000 open bidirectional streams, each on a connection of its own, in one " +
    "loop of the server; a process that reads everything counts the bytes. Of several messages in one process, the first " +
    "is not counted; time and CPU are their median, hold and peak their worst. Reading shares the processors with writing.",
  figures: [
    { name: TOOK, digits: 0 },
    { name: HANDED, digits: 0 },
    { name: CPU, digits: 0 },
    { name: HOLD, digits: 0 },
    { name: PEAK, digits: 0 },
  ],
  rounds: (scale) => scale.pick(2, 1),
  async measure(subject, scale) {
    const count = scale.pick(5000, 500);
    const messages = scale.pick(5, 2);
    const server = await EchoServer.start(subject);
    const load = generator("streams.ts");
    const tookMs: number[] = [];
    const handedMs: number[] = [];
    const cpuMs: number[] = [];
    try {
      await check(server.port);
      await load.call("open", { port: server.port, count, addresses: localAddresses(count) });
      const send = async (): Promise<void> => {
        const arrived = load.call("message", MESSAGE_BYTES);
        const before = await server.read();
        const startedAt = performance.now();
        await server.fanOut(MESSAGE_BYTES);
        handedMs.push(performance.now() - startedAt);
        await arrived;
        tookMs.push(performance.now() - startedAt);
        await wait(QUIET_MS);
        cpuMs.push((await server.read()).cpuMs - before.cpuMs);
      };
      await send();
      for (const list of [tookMs, handedMs, cpuMs]) list.length = 0;
      const { rss } = await server.memory();
      await server.forgetPeak();
      await server.watchLoop();
      for (let n = 0; n < messages; n++) await send();
      const values = {
        [TOOK]: median(tookMs),
        [HANDED]: median(handedMs),
        [CPU]: median(cpuMs),
        [HOLD]: await server.loopHoldMs(),
        [PEAK]: ((await server.peakBytes()) - rss) / 2 ** 20,
      };
      await check(server.port);
      return [{ load: `${count.toLocaleString("en-US")} streams`, values }];
    } finally {
      await load.end();
      await server.end();
    }
  },
};
