import { setTimeout as wait } from "node:timers/promises";
import type { Cluster } from "../../../test/cluster/lib/cluster.ts";
import { DurableLoad } from "../../../test/cluster/lib/durable-load.ts";
import { grouped, leaderOf } from "../../../test/cluster/lib/group.ts";
import { percentile, round } from "../../lib/bench.ts";
import { aim, type ClusterBench, type Rig } from "../lib/rig.ts";

const KILLED_AIM_MS = 2000;
const LEFT_AIM_MS = 200;
const START_AIM_S = 6;
const PER_SECOND = 200;
const WARM_MS = 500;
/** What comes late is looked for so long. */
const LATE_MS = 300;
const GAP_MAX_MS = 15_000;
const LOOK_MS = 5;

export const raftFailover: ClusterBench = {
  name: "raft-failover",
  title: "Writes while the leader changes",
  method:
    `Clients publish configurations ${PER_SECOND} times a second through all three members while the leader is killed, or ` +
    "ended with TERM, again and again. A gap is the longest time between two writes that the other two members " +
    "acknowledged, from just before the signal to the first write after it and a moment more. `Failed` counts what these " +
    "two did not do, or did not know of. Everything runs from sources and on one disk.",
  columns: ["the leader is", "rounds", "gap p50 ms", "gap p99 ms", "longest ms", "failed", "aim for p99", "met"],
  maxMs: 360_000,
  async run(rig) {
    const cluster = await rig.cluster();
    await grouped(cluster.members);
    await changes(rig, cluster, "killed", rig.scale.pick(50, 3), KILLED_AIM_MS);
    await changes(rig, cluster, "asked to leave", rig.scale.pick(12, 2), LEFT_AIM_MS);
  },
};

async function changes(rig: Rig, cluster: Cluster, how: string, rounds: number, aimMs: number): Promise<void> {
  const gaps: number[] = [];
  let failed = 0;
  for (let round = 0; round < rounds; round++) {
    const leader = await leaderOf(cluster.members);
    const others = cluster.members.filter((member) => member !== leader);
    const names = others.map(({ name }) => name);
    const load = new DurableLoad({
      members: () => others,
      perSecond: PER_SECOND,
      name: `${how.split(" ").join("-")}-${round}`,
      hasReads: false,
    });
    load.start();
    await wait(WARM_MS);
    const from = performance.now();
    const ended = how === "killed" ? leader.kill() : leader.terminate();
    // A hand-over takes its time before and while the process ends.
    if (how !== "killed") await ended;
    const at = performance.now();
    await afterwards(load, how === "killed" ? from : at);
    gaps.push(load.longestGap(from, performance.now(), names));
    failed += load.since(from).filter(({ outcome }) => outcome !== "done").length;
    await load.stop();
    await ended;
    await leader.start();
    await grouped(cluster.members);
  }
  const sorted = gaps.toSorted((a, b) => a - b);
  const [p50, p99, longest] = [0.5, 0.99, 1].map((share) => round(percentile(sorted, share)));
  rig.row(how, rounds, p50 ?? 0, p99 ?? 0, longest ?? 0, failed, ...aim(p99 ?? 0, aimMs, "ms"));
}

/** Until a write is acknowledged that was asked for after a moment, and a little more. */
async function afterwards(load: DurableLoad, from: number): Promise<void> {
  const until = performance.now() + GAP_MAX_MS;
  while (!load.since(from).some(({ outcome }) => outcome === "done") && performance.now() < until) await wait(LOOK_MS);
  await wait(LATE_MS);
}

export const raftStart: ClusterBench = {
  name: "raft-start",
  title: "From a full stop to a leader",
  method:
    "All three members are ended, with TERM or with `kill -9`, and started together on their data folders. From the start " +
    "of the processes until one of them leads, and until a write through any of them is acknowledged.",
  columns: ["ended with", "until", "rounds", "median s", "longest s", "aim", "met"],
  maxMs: 120_000,
  async run(rig) {
    const cluster = await rig.cluster();
    await grouped(cluster.members);
    for (const how of ["TERM", "kill -9"]) {
      const led: number[] = [];
      const wrote: number[] = [];
      for (let round = 0; round < rig.scale.pick(5, 1); round++) {
        await Promise.all(cluster.members.map((member) => (how === "TERM" ? member.terminate() : member.kill())));
        const from = performance.now();
        const started = Promise.all(cluster.members.map((member) => member.start()));
        const name = `start-${how === "TERM" ? "term" : "kill"}-${round}`;
        const load = new DurableLoad({ members: () => cluster.running, perSecond: 100, name, hasReads: false }).start();
        await leaderOf(cluster.members, GAP_MAX_MS);
        led.push(performance.now() - from);
        await afterwards(load, from);
        const first = load.writes.find(({ outcome }) => outcome === "done");
        wrote.push((first?.endedAt ?? Number.POSITIVE_INFINITY) - from);
        await load.stop();
        await started;
        await grouped(cluster.members);
      }
      for (const [until, all] of [
        ["one leads", led],
        ["a write is done", wrote],
      ] as const) {
        const sorted = all.toSorted((a, b) => a - b);
        const longest = percentile(sorted, 1);
        const figures = [percentile(sorted, 0.5), longest].map((each) => round(each / 1000, 2));
        rig.row(how, until, all.length, ...figures, ...aim(round(longest / 1000, 2), START_AIM_S, "s"));
      }
    }
  },
};
