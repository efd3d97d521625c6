import { grouped } from "../../../test/cluster/lib/group.ts";
import { percentile, round } from "../../lib/bench.ts";
import type { SpreadMeasured, SpreadSetup } from "../../load/config-spread.ts";
import { aim, type ClusterBench } from "../lib/rig.ts";

const CONFIGS = 100;
const AIM_MS = 100;

export const raftNotices: ClusterBench = {
  name: "raft-notices",
  title: "From a publish to the callback of listeners of all members",
  method:
    `${CONFIGS} configurations are published in turn at the first member, at a steady rate; each has a listener with a gRPC ` +
    "connection of its own at every member, which asks for the content when it is told of a change, as SDKs do before they " +
    "call back. From just before the publish is written until the listener has the content, on one clock.",
  columns: ["publishes/s", "listeners at", "p50 ms", "p99 ms", "longest ms", "aim for p99", "met"],
  maxMs: 90_000,
  async run(rig) {
    const cluster = await rig.cluster();
    await grouped(cluster.members);
    const ports = cluster.members.map(({ setup }) => setup.port + 1000);
    const load = rig.load("config-spread.ts");
    const setup: SpreadSetup = { publisher: ports[0] as number, listeners: ports, configs: CONFIGS };
    await load.call("open", setup);
    for (const perSecond of [50, 200]) {
      await load.call("run", { perSecond, seconds: 1 });
      const { tookMs, failed, missing } = await load.call<SpreadMeasured>("run", {
        perSecond,
        seconds: rig.scale.pick(10, 2),
      });
      for (const [where, all] of [
        ["the first member", tookMs[0] as Float64Array],
        ["the others", Float64Array.from(tookMs.slice(1).flatMap((each) => [...each])).sort()],
      ] as const) {
        const [p50, p99, longest] = [0.5, 0.99, 1].map((share) => round(percentile(all, share), 1));
        rig.row(perSecond, where, p50 ?? 0, p99 ?? 0, longest ?? 0, ...aim(p99 ?? 0, AIM_MS, "ms"));
      }
      if (failed + missing > 0)
        rig.remark(
          `At ${perSecond} publishes/s ${failed} failed, and ${missing} contents were not seen as the newest.`,
        );
    }
  },
};
