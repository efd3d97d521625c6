import { grouped, leaderOf } from "../../../test/cluster/lib/group.ts";
import type { MemberProcess } from "../../../test/cluster/lib/member-process.ts";
import { round } from "../../lib/bench.ts";
import type { DurableMeasured, DurablePhase, OpenDurable } from "../../load/durable-calls.ts";
import type { ClusterBench, Rig } from "../lib/rig.ts";

const CLIENTS = [1, 100];
const CONFIGS = 100;
const READ_CLIENTS = 50;
const FILL_MAX_MS = 60_000;
/** As many reads of each kind as a member has answered before any are measured. */
const WARM_READS = 10_000;

export const raftWrites: ClusterBench = {
  name: "raft-writes",
  title: "Durable writes",
  method:
    "Clients publish configurations of 100 bytes over gRPC, each one call after the other, over and over the same " +
    `${CONFIGS} each. A write is acknowledged when a majority has synced it and the member that answers has applied it. ` +
    "All members write to one disk of this machine, and share its processors with the clients.",
  columns: ["members", "clients", "at", "writes/s", "p50 ms", "p99 ms", "longest ms", "failed"],
  maxMs: 180_000,
  async run(rig) {
    for (const size of [1, 3]) {
      const cluster = await rig.cluster({ size });
      await grouped(cluster.members);
      const leader = await leaderOf(cluster.members);
      const follower = cluster.members.find((member) => member !== leader);
      const places: [string, readonly MemberProcess[]][] = [["the leader", [leader]]];
      if (follower !== undefined) places.push(["a follower", [follower]], ["all members", cluster.members]);
      for (const [where, members] of places)
        for (const clients of CLIENTS) {
          const ports = members.map(({ setup }) => setup.port);
          const measured = await calls(rig, { protocol: "grpc", ports, connections: clients }, "publish");
          rig.row(size, clients, where, ...figures(measured));
        }
      await cluster.dispose();
    }
  },
};

export const raftReads: ClusterBench = {
  name: "raft-reads",
  title: "Reads of durable data",
  method:
    `${READ_CLIENTS} clients ask one of three members for configurations of 100 bytes over HTTP, each one call after ` +
    "the other: what that member holds, or what is certain to have everything that was acknowledged before. Nobody " +
    "writes meanwhile. Those that wait for the same round are answered together, so that the clients are woken once for " +
    "many of them.",
  columns: ["reads", "at", "reads/s", "p50 ms", "p99 ms", "longest ms", "failed"],
  maxMs: 90_000,
  async run(rig) {
    const cluster = await rig.cluster();
    await grouped(cluster.members);
    const leader = await leaderOf(cluster.members);
    const follower = cluster.members.find((member) => member !== leader) as MemberProcess;
    const fill = { protocol: "grpc", ports: [leader.setup.port], connections: READ_CLIENTS } as const;
    await calls(rig, fill, "publish", { callsMax: READ_CLIENTS * CONFIGS, maxMs: FILL_MAX_MS });
    const kinds = (["local read", "linearizable read"] as const).flatMap((what) =>
      [leader, follower].map((member) => ({
        what,
        member,
        http: { protocol: "http", ports: [member.setup.port], connections: READ_CLIENTS } as const,
      })),
    );
    for (const { what, http } of kinds) await calls(rig, http, what, { callsMax: rig.scale.pick(WARM_READS, 500) });
    for (const { what, member, http } of kinds) {
      const measured = await calls(rig, http, what);
      const where = member === leader ? "the leader" : "a follower";
      rig.row(what === "local read" ? "local" : "linearizable", where, ...figures(measured));
    }
  },
};

/** A generator of its own for each measurement, so that none inherits the heap of another. */
async function calls(
  rig: Rig,
  open: OpenDurable,
  what: DurablePhase["what"],
  limits: Partial<DurablePhase> = {},
): Promise<DurableMeasured> {
  const load = rig.load("durable-calls.ts");
  await load.call("open", open);
  const phase = { what, keys: CONFIGS, maxMs: rig.scale.pick(6000, 1000), callsMax: Number.MAX_SAFE_INTEGER };
  if (limits.callsMax === undefined) await load.call("run", { ...phase, maxMs: rig.scale.pick(2000, 300) });
  const measured = await load.call<DurableMeasured>("run", { ...phase, ...limits });
  await load.end();
  return measured;
}

function figures({ calls: made, failed, tookMs, p50Ms, p99Ms, longestMs }: DurableMeasured): (string | number)[] {
  const perSecond = Math.round((made - failed) / (tookMs / 1000)).toLocaleString("en-US");
  return [perSecond, round(p50Ms, 2), round(p99Ms, 2), round(longestMs, 1), failed];
}
