import { setTimeout as wait } from "node:timers/promises";
import { getJson } from "../../../test/cluster/lib/cluster.ts";
import { mib, percentile, round } from "../../lib/bench.ts";
import type { Calls } from "../../load/steady-calls.ts";
import { residentBytes } from "../lib/process-figures.ts";
import { aim, type ClusterBench } from "../lib/rig.ts";

const INSTANCES = 500_000;
const CONNECTIONS = 2000;
/** Instances of each service; each is published by one connection. */
const EACH = 10;
const CALLS_PER_SECOND = 200;
const READY_AIM_S = 10;
/** The slowest hundredth of calls to others may take so many times what it took before. */
const LATENCY_AIM = 2;

export const joining: ClusterBench = {
  name: "joining",
  title: "A member joins and loads",
  method:
    `Two members hold what ${CONNECTIONS.toLocaleString("en-US")} connections publish, in services of ${EACH} instances; a ` +
    "third one starts with an empty data folder. Meanwhile one process asks the first member for one service, " +
    `${CALLS_PER_SECOND} times a second, as it did before: a call counts from when it was due. \`Ready\` is from the start ` +
    "of the process to its line `Ready`. On a machine with few processors the new member competes with the others for " +
    "them, as it does not on a machine of its own.",
  columns: ["figure", "value", "unit", "aim", "met"],
  maxMs: 240_000,
  async run(rig) {
    const instances = rig.scale.pick(INSTANCES, 50_000);
    const connections = rig.scale.pick(CONNECTIONS, 500);
    const cluster = await rig.members();
    const [first, second, third] = [cluster.at(0), cluster.at(1), cluster.at(2)];
    await Promise.all([first.start(), second.start()]);
    await cluster.formed();
    const fill = rig.load("cluster-fill.ts");
    const targets = [first, second].map(({ bind, setup }) => ({ host: bind, port: setup.port + 1000 }));
    const filledAt = performance.now();
    await fill.call("connections", { targets, connections, services: instances / connections / EACH, instances: EACH });
    rig.row("filling two members", round((performance.now() - filledAt) / 1000, 1), "s", "", "");
    const held = async (member: typeof first): Promise<number> =>
      (await getJson<{ instanceCount: number }>(member, "/v1/ns/operator/metrics?onlyStatus=false")).instanceCount;
    while ((await held(first)) < instances || (await held(second)) < instances) await wait(200);

    const caller = rig.load("steady-calls.ts");
    await caller.call("open", first.setup.port + 1000);
    const order = { service: "filled-0-0", perSecond: CALLS_PER_SECOND };
    const during = async (work: () => Promise<unknown>): Promise<Calls> => {
      await caller.call("start", order);
      await work();
      return caller.call("stop");
    };
    await during(() => wait(rig.scale.pick(5000, 1000)));
    const before = await during(() => wait(rig.scale.pick(10_000, 2000)));
    let readyMs = 0;
    const meanwhile = await during(async () => {
      readyMs = await third.start();
    });
    const has = await held(third);
    const ready = round(readyMs / 1000, 1);
    rig.row(`ready with ${instances.toLocaleString("en-US")} instances`, ready, "s", ...aim(ready, READY_AIM_S, "s"));
    rig.row(
      "of these held when it is ready",
      has,
      "instances",
      instances.toLocaleString("en-US"),
      has === instances ? "yes" : "**no**",
    );
    const p99 = ({ tookMs }: Calls) => round(percentile(tookMs, 0.99), 1);
    const p50 = ({ tookMs }: Calls) => round(percentile(tookMs, 0.5), 1);
    rig.row("calls to another member before, p50", p50(before), "ms", "", "");
    rig.row("calls to another member before, p99", p99(before), "ms", "", "");
    rig.row("calls meanwhile, p50", p50(meanwhile), "ms", "", "");
    const max = round(LATENCY_AIM * p99(before), 1);
    rig.row("calls meanwhile, p99", p99(meanwhile), "ms", ...aim(p99(meanwhile), max, "ms"));
    rig.row("calls meanwhile, longest", round(percentile(meanwhile.tookMs, 1), 1), "ms", "", "");
    for (const member of [first, third])
      rig.row(
        `resident set, ${member === third ? "the new member" : "the first member"}`,
        mib(await residentBytes(member.pid)),
        "MiB",
        "",
        "",
      );
    if (before.failed + meanwhile.failed + meanwhile.open > 0)
      rig.remark(
        `Calls that failed: ${before.failed} before, ${meanwhile.failed} meanwhile; ${meanwhile.open} were not answered when it was ready.`,
      );
  },
};
