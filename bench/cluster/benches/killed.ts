import { setTimeout as wait } from "node:timers/promises";
import type { Driver } from "../../../test/cluster/lib/driver.ts";
import { SDKS } from "../../../test/cluster/lib/drivers.ts";
import type { LightClient } from "../../../test/cluster/lib/light-client.ts";
import type { MemberProcess } from "../../../test/cluster/lib/member-process.ts";
import type { Stage } from "../../../test/cluster/lib/stage.ts";
import { aim, type ClusterBench } from "../lib/rig.ts";
import { employ } from "../lib/sdks.ts";

const AIM_MS = 3000;
const NEWS_EVERY_MS = 250;
const CALL_EVERY_MS = 50;
/** Long enough for the slowest SDK to find another member. */
const WATCHED_MS = 25_000;
const RUST_WAITS = "waits 2 s, then 4 s more, before it connects again, and subscribes again every 3 s";
/** What an SDK waits by itself after its connection broke, whatever the server does; from their sources. */
const OWN_WAITS: Readonly<Record<string, string>> = {
  "java-3": "subscribes again every 3 s",
  "java-2": "subscribes again every 3 s",
  python: "subscribes again every 30 s",
  rust: RUST_WAITS,
  "node-grpc": `is the SDK of Rust: ${RUST_WAITS}`,
};
/** No news and no call for as long as was watched: it never came back. */
const SETTLE_MAX_MS = 60_000;

export const killed: ClusterBench = {
  name: "killed",
  title: "A member is killed under released SDKs",
  method:
    "An application on each SDK knows all three members. It registers and deregisters an instance all the time, one call " +
    "after the other, and is subscribed to a service in which somebody else makes a change every " +
    `${NEWS_EVERY_MS} ms, at a member that goes on. Each member is killed with \`kill -9\` once and started again. ` +
    "`Without a call` is the longest time between two calls that succeeded, from just before the kill on and over all " +
    "three kills; `without news` is the longest time between two changes in the application's callback. Which member an " +
    "SDK is connected to is its own choice. SDKs of 1.x have no connection that breaks: they ask for their lists every " +
    "10 s, by their own rule, and hear of changes in between only from the member that they asked last.",
  columns: ["SDK", "wire", "without a call, ms", "failed calls", "without news, ms", "aim", "met"],
  maxMs: 240_000,
  async run(rig) {
    const stage = await rig.stage();
    const drivers = await employ(rig, stage);
    await stage.settled(SETTLE_MAX_MS);
    for (const driver of drivers) await driver.subscribe("news");
    const worst = new Map(drivers.map((driver) => [driver, { call: 0, news: 0, failed: 0 }]));
    for (const victim of stage.cluster.members.slice(0, rig.scale.pick(3, 1))) {
      const found = await round(stage, drivers, victim, rig.scale.pick(WATCHED_MS, 12_000));
      for (const [driver, { call, news, failed }] of found) {
        const before = worst.get(driver) as { call: number; news: number; failed: number };
        before.call = Math.max(before.call, call);
        before.news = Math.max(before.news, news);
        before.failed += failed;
      }
    }
    for (const [{ name }, { call, news, failed }] of worst) {
      if (OWN_WAITS[name] !== undefined) rig.remark(`By itself \`${name}\` ${OWN_WAITS[name]}.`);
      const wire = SDKS.find((sdk) => sdk.name === name)?.transport ?? "";
      // The interval of the changes is no interruption.
      const longest = Math.max(call, news - NEWS_EVERY_MS);
      rig.row(name, wire, Math.round(call), failed, Math.round(news), ...aim(longest, AIM_MS, "ms"));
    }
  },
};

type Found = Map<Driver, { readonly call: number; readonly news: number; readonly failed: number }>;

async function round(
  stage: Stage,
  drivers: readonly Driver[],
  victim: MemberProcess,
  lengthMs: number,
): Promise<Found> {
  const { cluster, history } = stage;
  const others = cluster.members.filter((member) => member !== victim);
  const over = new AbortController();
  const [one, other] = others as [MemberProcess, MemberProcess];
  const reporters = await Promise.all([
    stage.light("reporter-1", one, [other]),
    stage.light("reporter-2", one, [other]),
  ]);
  const reports = report(stage, reporters, over.signal);
  const succeeded = new Map(drivers.map((driver) => [driver, [] as number[]]));
  const failed = new Map(drivers.map((driver) => [driver, 0]));
  const work = drivers.map(async (driver) => {
    const address = stage.openAddress();
    for (let isThere = false; !over.signal.aborted; ) {
      try {
        await (isThere ? driver.deregister("calls", address) : driver.register("calls", address));
        isThere = !isThere;
        succeeded.get(driver)?.push(performance.now());
      } catch {
        if (!over.signal.aborted) failed.set(driver, (failed.get(driver) ?? 0) + 1);
      }
      await wait(CALL_EVERY_MS);
    }
  });
  await wait(2000);
  const from = performance.now();
  await victim.kill();
  await wait(lengthMs);
  const until = performance.now();
  over.abort();
  await Promise.all([reports, ...work]);
  for (const reporter of reporters) reporter.kill();
  await victim.start();
  await cluster.formed();
  return new Map(
    drivers.map((driver) => {
      const news = history.entries.flatMap((entry) =>
        entry.type === "view" && entry.viewer === driver.name && entry.service === "news" ? [entry.at] : [],
      );
      const call = longestGap(succeeded.get(driver) ?? [], from, until);
      return [driver, { call, news: longestGap(news, from, until), failed: failed.get(driver) ?? 0 }];
    }),
  );
}

/** Two take turns, so that the list is never empty: one registers, and the other takes back what it registered before. */
async function report(stage: Stage, reporters: readonly LightClient[], signal: AbortSignal): Promise<void> {
  let last: { readonly reporter: LightClient; readonly address: string } | undefined;
  for (let turn = 0; !signal.aborted; turn++) {
    const reporter = reporters[turn % reporters.length] as LightClient;
    const address = stage.openAddress();
    await reporter.register("news", address);
    await last?.reporter.deregister("news", last.address);
    last = { reporter, address };
    await wait(NEWS_EVERY_MS);
  }
}

/** The longest time without any of these moments, of which one before `from` counts too. */
function longestGap(moments: readonly number[], from: number, until: number): number {
  let before = moments.findLast((at) => at < from) ?? from;
  let longest = 0;
  for (const at of moments) {
    if (at < from || at > until) continue;
    longest = Math.max(longest, at - before);
    before = at;
  }
  return Math.max(longest, until - before);
}
