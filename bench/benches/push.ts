import { setTimeout as wait } from "node:timers/promises";
import { type Bench, type Cell, percentile, round, type Scale, say, type Table } from "../lib/bench.ts";
import { latenciesOf } from "../lib/latencies.ts";
import { Remote } from "../lib/remote.ts";
import { ServerProcess } from "../lib/server-process.ts";
import type { Changed } from "../load/publisher.ts";
import type { Arrivals } from "../load/subscribers.ts";

const SUBSCRIBERS = 1000;
const RATES = [100, 1000] as const;
/** Pushes of the last changes are still on their way when the last one was sent. */
const TAIL_MS = 1500;

/** Number of the first change that counts. */
const FIRST = 1_000_000;

/** How the subscribers are spread: over how many services, and so how many for each. */
const SHAPES = [
  { name: "spread", services: 100 },
  { name: "one hot service", services: 1 },
] as const;

export const push: Bench = {
  name: "push",
  title: "From a change to the subscribers' callback",
  method:
    `${SUBSCRIBERS} subscribers with a gRPC connection each, in one process; a second process changes the metadata of ` +
    "instances over one connection, at a steady rate. `spread` is 100 services of 10 subscribers each, changed in turn; " +
    "`one hot service` is one service with all subscribers. A change counts for each subscriber: from just before its " +
    "request is written to the arrival of the first push that carries it or a newer one, on one clock. Changes that come " +
    "while a service pauses after a fan-out travel in one push, which is why there can be fewer pushes than changes.",
  async run(scale: Scale): Promise<Table> {
    const rows: Cell[][] = [];
    const remarks: string[] = [];
    for (const shape of SHAPES)
      for (const perSecond of RATES) {
        const { row, failed } = await measured(shape, perSecond, scale.pick(6, 1.5));
        say(`  ${row.join("  ")}`);
        rows.push(row);
        if (failed > 0) remarks.push(`${shape.name} at ${perSecond}/s: ${failed} changes failed.`);
      }
    return {
      columns: ["shape", "changes/s", "pushes/s", "p50 ms", "p99 ms", "longest ms", "server CPU"],
      rows,
      remarks,
    };
  },
};

async function measured(
  shape: (typeof SHAPES)[number],
  perSecond: number,
  seconds: number,
): Promise<{ row: Cell[]; failed: number }> {
  const server = await ServerProcess.start();
  const subscribers = Remote.load("subscribers.ts");
  const publisher = Remote.load("publisher.ts");
  try {
    const names = Array.from({ length: shape.services }, (_, n) => `hot-${n}`);
    const services = Array.from({ length: SUBSCRIBERS }, (_, n) => names[n % names.length] as string);
    await publisher.call("open", server.grpcPort);
    await subscribers.call("subscribe", { port: server.grpcPort, services, mark: '"change":"' });
    const run = (first: number, count: number) =>
      publisher.call<Changed>("change", { services: names, perSecond, first, count });
    await run(0, perSecond);
    await wait(TAIL_MS);
    await subscribers.call("reset");
    const cpuBefore = await server.cpuMs();
    const startedAt = performance.now();
    const { sentAt, failed } = await run(FIRST, Math.round(perSecond * seconds));
    const busyMs = (await server.cpuMs()) - cpuBefore;
    const tookMs = performance.now() - startedAt;
    await wait(TAIL_MS);
    const arrivals = await subscribers.call<Arrivals>("arrivals");
    const latencies = latenciesOf({ sentAt, arrivals, first: FIRST, services: names.length, subscribers: SUBSCRIBERS });
    const row = [
      shape.name,
      perSecond,
      Math.round((arrivals.pushes / tookMs) * 1000),
      round(percentile(latencies, 0.5), 1),
      round(percentile(latencies, 0.99), 1),
      round(percentile(latencies, 1), 1),
      `${Math.round((busyMs / tookMs) * 100)} %`,
    ];
    return { row, failed };
  } finally {
    await Promise.all([subscribers.end(), publisher.end()]);
    await server.stop();
  }
}
