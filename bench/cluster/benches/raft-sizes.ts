import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { grouped, groupStatus, leaderOf } from "../../../test/cluster/lib/group.ts";
import type { MemberProcess } from "../../../test/cluster/lib/member-process.ts";
import { mib, round } from "../../lib/bench.ts";
import type { DurableMeasured } from "../../load/durable-calls.ts";
import { residentBytes } from "../lib/process-figures.ts";
import { aim, type ClusterBench } from "../lib/rig.ts";

const CONFIGS = 100_000;
const CONTENT_BYTES = 1000;
const WRITES = 1_000_000;
/** What changes over and over: so much state, whatever is written. */
const INSTANCES = 1000;
const CONNECTIONS = 100;
const CATCH_UP_AIM_S = 30;
/** About three times the log after which a snapshot is taken, and two snapshots: see storage/DESIGN.md. */
const LOG_AIM_MIB = 256;

export const raftCatchUp: ClusterBench = {
  name: "raft-catch-up",
  title: "A member whose disk was wiped catches up",
  method:
    `Three members hold ${CONFIGS.toLocaleString("en-US")} configurations of ${CONTENT_BYTES} bytes. A follower is killed, its ` +
    "folder emptied, and it is started: from the start of its process until it is a voter that has applied everything. " +
    "Nobody writes meanwhile, but for the calls of one client per second that show whether the others go on.",
  columns: ["figure", "value", "unit", "aim", "met"],
  maxMs: 240_000,
  async run(rig) {
    const cluster = await rig.cluster();
    await grouped(cluster.members);
    const leader = await leaderOf(cluster.members);
    const configs = rig.scale.pick(CONFIGS, 5000);
    const load = rig.load("durable-calls.ts");
    await load.call("open", { protocol: "grpc", ports: [leader.setup.port], connections: CONNECTIONS });
    const phase = { what: "publish", keys: configs / CONNECTIONS, contentBytes: CONTENT_BYTES, maxMs: 150_000 };
    const filled = await load.call<DurableMeasured>("run", { ...phase, callsMax: configs });
    rig.row("publishing them", round(filled.tookMs / 1000, 1), "s", "", "");
    const follower = cluster.members.find((member) => member !== leader) as MemberProcess;
    await follower.kill();
    await follower.emptyFolder();
    const from = performance.now();
    const readyMs = await follower.start();
    await grouped(cluster.members, 120_000);
    const caughtUpS = round((performance.now() - from) / 1000, 1);
    rig.row("ready", round(readyMs / 1000, 1), "s", "", "");
    rig.row("voter again", caughtUpS, "s", ...aim(caughtUpS, CATCH_UP_AIM_S, "s"));
    rig.row("bytes of its folder", mib(await bytesIn(follower.dataFolder)), "MiB", "", "");
    rig.row("resident set of it", mib(await residentBytes(follower.pid)), "MiB", "", "");
    if (filled.failed > 0) rig.remark(`${filled.failed} publishes failed.`);
  },
};

export const raftLogSize: ClusterBench = {
  name: "raft-log-size",
  title: "Size of log and snapshots",
  method:
    `${CONNECTIONS} clients change the metadata of ${INSTANCES} persistent instances at all members, ` +
    `${WRITES.toLocaleString("en-US")} times or for 300 s; the folders of log and snapshots are looked at each second. What ` +
    "is changed stays equally large, so that whatever grows is not bounded.",
  columns: ["figure", "value", "unit", "aim", "met"],
  maxMs: 360_000,
  async run(rig) {
    const cluster = await rig.cluster();
    await grouped(cluster.members);
    const load = rig.load("durable-calls.ts");
    const ports = cluster.members.map(({ setup }) => setup.port);
    await load.call("open", { protocol: "grpc", ports, connections: CONNECTIONS });
    const worst = { log: 0, snapshots: 0 };
    let isOver = false;
    const watching = (async () => {
      while (!isOver) {
        for (const member of cluster.members)
          for (const folder of ["log", "snapshots"] as const)
            worst[folder] = Math.max(worst[folder], await bytesIn(join(member.dataFolder, folder)));
        await wait(1000);
      }
    })();
    const phase = { what: "persist", keys: INSTANCES / CONNECTIONS, maxMs: rig.scale.pick(300_000, 5000) };
    const written = await load.call<DurableMeasured>("run", { ...phase, callsMax: WRITES });
    isOver = true;
    await watching;
    const leader = await leaderOf(cluster.members);
    const { commitIndex, snapshotIndex } = await groupStatus(leader);
    rig.row("writes", written.calls - written.failed, "writes", "", "");
    rig.row("of these each second", Math.round(written.calls / (written.tookMs / 1000)), "writes/s", "", "");
    rig.row("largest log of a member", mib(worst.log), "MiB", ...aim(mib(worst.log), LOG_AIM_MIB, "MiB"));
    rig.row("largest snapshots of a member", mib(worst.snapshots), "MiB", "", "");
    rig.row("entries since the snapshot", commitIndex - snapshotIndex, "entries", "", "");
    rig.row("resident set of the leader", mib(await residentBytes(leader.pid)), "MiB", "", "");
    if (written.failed > 0) rig.remark(`${written.failed} writes failed.`);
  },
};

/** Of a folder with what is below it; files come and go meanwhile. */
async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  const sizes = entries.map(async (entry) =>
    entry.isFile()
      ? stat(join(entry.parentPath, entry.name)).then(
          ({ size }) => size,
          () => 0,
        )
      : 0,
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
