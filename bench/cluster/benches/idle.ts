import { setTimeout as wait } from "node:timers/promises";
import { getJson } from "../../../test/cluster/lib/cluster.ts";
import type { MemberProcess } from "../../../test/cluster/lib/member-process.ts";
import { mib, round } from "../../lib/bench.ts";
import { cpuWhile, residentBytes } from "../lib/process-figures.ts";
import { aim, type ClusterBench } from "../lib/rig.ts";
import { type Bytes, Traffic } from "../lib/traffic.ts";

/** In the whole cluster; the last is 100,000 that each member speaks for. */
const SIZES: readonly number[] = [0, 100_000, 300_000];
const TRAFFIC_AIM_KB = 1;
/** For all sizes together. */
const FILL_MAX_MS = 150_000;
/** What was queued and what the collector owes for it is over by then. */
const SETTLE_MS = 6000;

export const idle: ClusterBench = {
  name: "idle",
  title: "Members that have nothing to tell",
  method:
    "Clients are known by an address, one instance each, and neither beat nor change while this is measured; a third of " +
    "them is owned by each member. Bytes are counted by kind at proxies between the members, and shown for one member and " +
    "one peer of it: what the one sends the other, on average over all six pairs. `comparing` is Distro, which compares " +
    "digests every 2 s; `members` are probes and their answers, each second; `questions` are calls such as the numbers " +
    "of connections, and `around` is HTTP/2 and gRPC. CPU is user and system time of all threads of the busiest member, " +
    "as a share of one processor; the proxies are in another process.",
  columns: [
    "clients in all",
    "each speaks for",
    "comparing kB/s",
    "members kB/s",
    "questions kB/s",
    "around kB/s",
    "CPU",
    "resident MiB",
    "aim for comparing",
    "met",
  ],
  maxMs: 300_000,
  async run(rig) {
    const cluster = await rig.members({ hasProxies: true });
    const { members } = cluster;
    const traffic = new Traffic({ members, link: (from, to) => cluster.link(from, to) });
    await Promise.all(members.map((member) => member.start()));
    await cluster.formed();
    const fill = rig.load("cluster-fill.ts");
    const targets = members.map(({ bind, setup }) => ({ host: bind, port: setup.port }));
    const pids = members.map(({ pid }) => pid);
    const pairs = members.length * (members.length - 1);
    let held = 0;
    let filledMs = 0;
    for (const size of rig.scale.pick(SIZES, [0, 3000])) {
      const order = { targets, first: held, count: size - held, maxMs: FILL_MAX_MS - filledMs };
      const beganAt = performance.now();
      held += await fill.call<number>("addresses", order);
      filledMs += performance.now() - beganAt;
      for (const member of members) while ((await clientsOf(member)) < held) await wait(200);
      await wait(SETTLE_MS);
      const lengthMs = rig.scale.pick(20_000, 5000);
      let bytes: Bytes | undefined;
      traffic.take();
      const cpu = await cpuWhile(pids, async () => {
        await wait(lengthMs);
        bytes = traffic.take();
      });
      const rate = (...kinds: (keyof Bytes)[]): number =>
        round(kinds.reduce((sum, kind) => sum + (bytes?.[kind] ?? 0), 0) / lengthMs / pairs, 2);
      const resident = Math.max(...(await Promise.all(pids.map(residentBytes))));
      const comparing = rate("message");
      rig.row(
        held,
        Math.round(held / members.length),
        comparing,
        rate("frame"),
        rate("call", "answer"),
        rate("credit", "end", "around"),
        `${round(Math.max(...cpu), 1)} %`,
        mib(resident),
        ...aim(comparing, TRAFFIC_AIM_KB, "kB/s"),
      );
      if (held < size) {
        rig.remark(`Only ${held.toLocaleString("en-US")} clients could be registered in ${FILL_MAX_MS / 1000} s.`);
        return;
      }
    }
  },
};

/** None, of a member that is too busy to answer. */
async function clientsOf(member: MemberProcess): Promise<number> {
  type Metrics = { readonly ephemeralIpPortClientCount: number };
  const asked = getJson<Metrics>(member, "/v1/ns/operator/metrics?onlyStatus=false");
  return asked.then(
    ({ ephemeralIpPortClientCount }) => ephemeralIpPortClientCount,
    () => 0,
  );
}
