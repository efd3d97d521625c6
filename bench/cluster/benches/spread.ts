import { setTimeout as wait } from "node:timers/promises";
import { percentile, round } from "../../lib/bench.ts";
import { latenciesOf } from "../../lib/latencies.ts";
import type { Changed } from "../../load/publisher.ts";
import type { Arrivals } from "../../load/subscribers.ts";
import { cpuWhile } from "../lib/process-figures.ts";
import { aim, type ClusterBench, type Rig } from "../lib/rig.ts";

const SUBSCRIBERS = 1000;
const RATES = [100, 1000] as const;
const AIM_MS = 100;
/** Pushes of the last changes are still on their way when the last one was sent. */
const TAIL_MS = 2000;
/** Number of the first change that counts. */
const FIRST = 1_000_000;

/** Each service has a client of its own that publishes it. */
const SHAPES = [
  { name: "100 services", services: 100 },
  { name: "one service", services: 1 },
] as const;

export const spread: ClusterBench = {
  name: "spread",
  title: "From a change to the callback of subscribers of all members",
  method:
    `${SUBSCRIBERS} subscribers with a gRPC connection each, a third of them at each member; publishers at the first ` +
    "member change the metadata of their instance in turn, at a steady rate. `100 services` has a publisher for each and " +
    "ten subscribers, `one service` one publisher and all subscribers. A change counts for each subscriber, from just " +
    "before its request is written to the arrival of the first push that carries it or a newer one, on one clock. " +
    "Subscribers at the first member have no cluster in between: the difference is what the cluster costs.",
  columns: [
    "shape",
    "changes/s",
    "subscribers at",
    "p50 ms",
    "p99 ms",
    "longest ms",
    "CPU of it",
    "aim for p99",
    "met",
  ],
  maxMs: 120_000,
  async run(rig) {
    for (const shape of SHAPES) for (const perSecond of RATES) await measured(rig, shape, perSecond);
  },
};

async function measured(rig: Rig, shape: (typeof SHAPES)[number], perSecond: number): Promise<void> {
  const cluster = await rig.cluster();
  const subscribers = rig.load("subscribers.ts");
  const publisher = rig.load("publisher.ts");
  const names = Array.from({ length: shape.services }, (_, n) => `hot-${n}`);
  const share = Math.ceil(SUBSCRIBERS / cluster.members.length);
  await publisher.call("openMany", { port: cluster.at(0).setup.port + 1000, count: names.length });
  for (const [i, { setup }] of cluster.members.entries()) {
    const first = i * share;
    const count = Math.min(share, SUBSCRIBERS - first);
    const services = Array.from({ length: count }, (_, n) => names[(first + n) % names.length]);
    await subscribers.call("subscribe", { port: setup.port + 1000, services, first, mark: '"change":"' });
  }
  const change = (first: number, count: number) =>
    publisher.call<Changed>("change", { services: names, perSecond, first, count });
  await change(0, perSecond * 2);
  await wait(TAIL_MS);
  await subscribers.call("reset");
  const count = perSecond * rig.scale.pick(8, 2);
  let changed: Changed | undefined;
  const pids = cluster.members.map(({ pid }) => pid);
  const cpu = await cpuWhile(pids, async () => {
    changed = await change(FIRST, count);
  });
  const { sentAt, failed } = changed as Changed;
  await wait(TAIL_MS);
  const arrivals = await subscribers.call<Arrivals>("arrivals");
  const latencies = (counts: (subscriber: number) => boolean) =>
    latenciesOf({ sentAt, arrivals, first: FIRST, services: names.length, subscribers: SUBSCRIBERS, counts });
  const owner = latencies((n) => n < share);
  const others = latencies((n) => n >= share);
  const line = (where: string, sorted: Float64Array, busy: number): void => {
    const [p50, p99, longest] = [0.5, 0.99, 1].map((part) => round(percentile(sorted, part), 1)) as [
      number,
      number,
      number,
    ];
    rig.row(shape.name, perSecond, where, p50, p99, longest, `${Math.round(busy)} %`, ...aim(p99, AIM_MS, "ms"));
  };
  const [first = 0, ...rest] = cpu;
  line("the first member", owner, first);
  line("the others", others, Math.max(...rest));
  if (failed > 0) rig.remark(`${shape.name} at ${perSecond}/s: ${failed} changes were refused.`);
  const missing = count * (SUBSCRIBERS / names.length) - owner.length - others.length;
  if (missing > 0)
    rig.remark(
      `${shape.name} at ${perSecond}/s: ${missing} callbacks had not come ${TAIL_MS / 1000} s after the last change.`,
    );
  await Promise.all([subscribers.end(), publisher.end()]);
  await cluster.dispose();
}
