import { setTimeout as wait } from "node:timers/promises";
import { getJson } from "../../../test/cluster/lib/cluster.ts";
import type { Entry } from "../../../test/cluster/lib/history.ts";
import type { MemberProcess } from "../../../test/cluster/lib/member-process.ts";
import { round, say } from "../../lib/bench.ts";
import { aim, type ClusterBench } from "../lib/rig.ts";
import { employ } from "../lib/sdks.ts";

const LIGHT_CLIENTS = 30;
const SETTLE_MAX_MS = 60_000;
const SERVICES: readonly string[] = ["apps", "guests", "beats"];

export const rolling: ClusterBench = {
  name: "rolling",
  title: "Rolling restart",
  method:
    "All three members are ended with TERM and started again, one after the other, while nobody registers or " +
    `deregisters on purpose. An application on each released SDK, ${LIGHT_CLIENTS} light clients and six clients of HTTP ` +
    "1.x behind a proxy publish; the applications, and an observer on each member, are subscribed. Each list that one of " +
    "these is shown is compared with what lives, which is the same all the time: a list is wrong when an instance is " +
    "missing, unhealthy or shown twice, or when one is shown that is none. An HTTP call has failed when it has a status " +
    "of 500 and more or no answer, at a member that runs.",
  columns: ["figure", "value", "unit", "aim", "met"],
  maxMs: 180_000,
  async run(rig) {
    const stage = await rig.stage();
    await employ(rig, stage);
    const { members } = stage.cluster;
    for (let n = 0; n < LIGHT_CLIENTS; n++) {
      const client = await stage.light(`light-${n}`, members[n % members.length] as (typeof members)[number]);
      await client.register("guests", stage.openAddress());
    }
    await stage.settled(SETTLE_MAX_MS);
    const from = performance.now();
    const alive = new Map(SERVICES.map((service) => [service, stage.history.alive(service, from).join(" ")]));
    const stopsMs: number[] = [];
    const startsMs: number[] = [];
    for (const member of members) {
      stopsMs.push(await member.terminate());
      startsMs.push(await member.start());
      await stage.cluster.formed();
      await wait(rig.scale.pick(10_000, 3000));
    }
    const until = performance.now();
    const views = stage.history.entries.filter(
      (entry): entry is Entry & { type: "view" } =>
        entry.type === "view" && entry.at >= from && entry.at <= until && alive.has(entry.service),
    );
    const wrong = views.filter(({ service, hosts }) => {
      const shown = hosts.map(({ address, healthy }) => (healthy ? address : `${address} (unhealthy)`));
      return shown.sort().join(" ") !== alive.get(service);
    });
    const failed = stage.beats.failedSince(from);
    const { missing } = stage.history.measure(until, 0, { from, services: SERVICES });
    rig.row("lists that were shown", views.length, "lists", "", "");
    rig.row("wrong lists", wrong.length, "lists", ...aim(wrong.length, 0, ""));
    rig.row("longest absence of an instance", Math.round(missing.ms), "ms", ...aim(missing.ms, 0, "ms"));
    rig.row(
      "failed HTTP calls",
      failed.length,
      `of ${stage.beats.calls.toLocaleString("en-US")}`,
      ...aim(failed.length, 0, ""),
    );
    rig.row("longest stop", round(Math.max(...stopsMs) / 1000, 1), "s", "", "");
    rig.row("longest start", round(Math.max(...startsMs) / 1000, 1), "s", "", "");
    const viewers = new Map<string, number>();
    for (const { viewer } of wrong) viewers.set(viewer, (viewers.get(viewer) ?? 0) + 1);
    // For whoever looks for the cause; the page has no room for it.
    if (wrong.length > 0) {
      say(stage.changes(from));
      for (const member of members) for (const sentence of await removals(member)) say(`${member.name}: ${sentence}`);
    }
    if (missing.ms > 0) rig.remark(`Absent for longest: ${missing.where}.`);
    if (wrong.length > 0)
      rig.remark(`Wrong lists by who saw them: ${[...viewers].map(([who, n]) => `${who} ${n}`).join(", ")}.`);
    for (const { what, member } of failed.slice(0, 3)) rig.remark(`Failed at ${member}: ${what.replaceAll("\n", " ")}`);
  },
};

/** What a member says of instances of applications that it took out of lists. */
async function removals(member: MemberProcess): Promise<string[]> {
  type Journal = {
    readonly data: { readonly pageItems: readonly { readonly sentence: string; readonly at: number }[] };
  };
  const { data } = await getJson<Journal>(member, "/v3/admin/ns/journal?serviceName=apps&pageNo=1&pageSize=100");
  return data.pageItems.map(({ sentence, at }) => `${new Date(at).toISOString()} ${sentence}`);
}
