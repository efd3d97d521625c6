import { execFileSync } from "node:child_process";
import { setTimeout as wait } from "node:timers/promises";
import type { GrpcBench, Sample } from "../lib/bench.ts";
import { check } from "../lib/check.ts";
import { EchoServer } from "../lib/echo-server.ts";
import { generator } from "../lib/generator.ts";
import { localAddresses } from "../lib/local-addresses.ts";

/** Their code and tables are what later connections share. */
const FIRST = 100;
/** Files that the processes have open besides their sockets. */
const FILES_KEPT = 200;
const SETTLE_MS = 1000;

const RSS = "Resident MiB above the start";
const EACH = "Resident KiB for each stream";
const HEAP = "JavaScript heap KiB for each stream";
const OUTSIDE = "Resident KiB outside the JavaScript heap for each stream";

export const idle: GrpcBench = {
  name: "idle",
  title: "Memory of idle streams",
  method:
    "Connections with one open bidirectional stream each, on which one small message went both ways. The growth of the " +
    `server's resident set over the same process with ${FIRST} of them, and the same divided by their number; full ` +
    "collections are forced before each reading. What the kernel keeps for the sockets is not in it.",
  figures: [
    { name: RSS, digits: 1 },
    { name: EACH, digits: 1 },
    { name: HEAP, digits: 1 },
    { name: OUTSIDE, digits: 1 },
  ],
  rounds: () => 1,
  async measure(subject, scale, remark) {
    const filesMax = openFilesMax();
    const wanted = scale.pick([5000, 20_000], [300, 1000]);
    const counts = wanted.map((count) => Math.min(count, filesMax - FILES_KEPT - FIRST));
    if (wanted.some((count, at) => count !== counts[at])) {
      remark(`A process may open ${filesMax} files here, so that there are fewer connections than 20,000.`);
    }
    const server = await EchoServer.start(subject);
    const load = generator("streams.ts");
    const addresses = localAddresses(Math.max(...counts));
    const open = (count: number): Promise<void> => load.call("open", { port: server.port, count, addresses });
    const samples: Sample[] = [];
    try {
      await check(server.port);
      await open(FIRST);
      await wait(SETTLE_MS);
      const before = await server.memory();
      for (const count of counts) {
        await open(FIRST + count);
        await wait(SETTLE_MS);
        const after = await server.memory();
        const rss = after.rss - before.rss;
        const heap = after.heapUsed - before.heapUsed;
        const { openStreams } = await server.read();
        if (openStreams !== FIRST + count)
          throw new Error(`${openStreams} streams are open instead of ${FIRST + count}`);
        samples.push({
          load: `${count.toLocaleString("en-US")} streams`,
          values: {
            [RSS]: rss / 2 ** 20,
            [EACH]: rss / count / 1024,
            [HEAP]: heap / count / 1024,
            [OUTSIDE]: (rss - heap) / count / 1024,
          },
        });
      }
      await check(server.port);
      return samples;
    } finally {
      await load.end();
      await server.end();
    }
  },
};

/** Of this shell, raised as far as it may be; processes that are started have the same. */
function openFilesMax(): number {
  const limit = execFileSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" });
  return Number(limit) || Number.POSITIVE_INFINITY;
}
