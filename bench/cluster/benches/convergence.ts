import { setTimeout as wait } from "node:timers/promises";
import type { LightClient } from "../../../test/cluster/lib/light-client.ts";
import type { MemberProcess } from "../../../test/cluster/lib/member-process.ts";
import type { Stage } from "../../../test/cluster/lib/stage.ts";
import { median, round } from "../../lib/bench.ts";
import { aim, type ClusterBench, type Rig } from "../lib/rig.ts";

const EQUAL_AIM_S = 6;
const READY_AIM_S = 10;
/** Beyond this it is no figure any more but a failure. */
const EQUAL_MAX_MS = 60_000;
const SERVICE = "guests";
/** Instances that come or go in each round. */
const CHANGES = 10;
/** A link must not be silent for so long that its member counts as lost. */
const SILENT_MS = 1000;
const CHANGE_EVERY_MS = 500;

export const convergence: ClusterBench = {
  name: "convergence",
  title: "Until all members show the same again",
  method:
    "Members reach each other through proxies; an observer on each subscribes to what clients of all members change. " +
    `Lost: what the first member sends to the third vanishes for a second, in which ${CHANGES} instances are registered ` +
    "at the first member, or deregistered in the next round; the link then breaks. Partition: nothing passes between one " +
    "member and two, while clients of both sides register and deregister. Restarts: a member is ended while clients of " +
    "another one go on, and started on the same data folder. `ready` is from the start of the process to its line " +
    "`Ready`; `equal` from there, or from when the fault is over, until every member shows exactly what lives. Members " +
    "run from their sources and without a cache of compiled code, which a start of `nacre` has.",
  columns: ["fault", "until", "rounds", "median s", "longest s", "aim", "met"],
  maxMs: 240_000,
  async run(rig) {
    const stage = await rig.stage({ hasProxies: true });
    const publishers: Churn[] = [];
    for (const member of stage.cluster.members) {
      const clients = Array.from({ length: 2 * CHANGES }, (_, n) => stage.light(`${member.name}-${n}`, member, []));
      publishers.push(new Churn(stage, await Promise.all(clients)));
    }
    for (const each of publishers) await each.register(CHANGES);
    await stage.settled(EQUAL_MAX_MS);
    await lost(rig, stage, publishers);
    await partition(rig, stage, publishers);
    await restarts(rig, stage, publishers);
  },
};

/** Clients at one member that have an instance or none, and take turns. */
class Churn {
  readonly #stage: Stage;
  readonly #idle: LightClient[];
  readonly #published: { readonly client: LightClient; readonly address: string }[] = [];

  constructor(stage: Stage, clients: readonly LightClient[]) {
    this.#stage = stage;
    this.#idle = [...clients];
  }

  async register(count: number): Promise<void> {
    const each = async (client: LightClient): Promise<void> => {
      const address = this.#stage.openAddress();
      await client.register(SERVICE, address);
      this.#published.push({ client, address });
    };
    await Promise.all(this.#idle.splice(0, count).map(each));
  }

  /** Those that are there for longest. */
  async deregister(count: number): Promise<void> {
    const each = async ({ client, address }: { client: LightClient; address: string }): Promise<void> => {
      await client.deregister(SERVICE, address);
      this.#idle.push(client);
    };
    await Promise.all(this.#published.splice(0, count).map(each));
  }

  async while(over: () => boolean): Promise<void> {
    while (!over()) {
      await this.register(1);
      await this.deregister(1);
      await wait(CHANGE_EVERY_MS);
    }
  }
}

type Publishers = readonly Churn[];

function line(rig: Rig, fault: string, until: string, tookMs: readonly number[], aimS: number): void {
  const longest = round(Math.max(...tookMs) / 1000, 2);
  rig.row(fault, until, tookMs.length, round(median(tookMs) / 1000, 2), longest, ...aim(longest, aimS, "s"));
}

async function lost(rig: Rig, stage: Stage, [publisher]: Publishers): Promise<void> {
  const { cluster } = stage;
  const link = cluster.link(cluster.at(0), cluster.at(2));
  for (const what of ["registrations", "deregistrations"] as const) {
    const tookMs: number[] = [];
    for (let at = 0; at < rig.scale.pick(5, 1); at++) {
      // Each round of either kind has as many that are there, and as many that are not.
      if (at > 0) await (what === "registrations" ? publisher?.deregister(CHANGES) : publisher?.register(CHANGES));
      await stage.settled(EQUAL_MAX_MS);
      await cluster.formed();
      link.up.silence();
      const before = link.up.lostBytes;
      const until = performance.now() + SILENT_MS;
      await (what === "registrations" ? publisher?.register(CHANGES) : publisher?.deregister(CHANGES));
      await wait(Math.max(0, until - performance.now()));
      if (link.up.lostBytes === before) rig.remark(`In one round nothing of the ${what} was lost.`);
      const mendedAt = performance.now();
      cluster.mend();
      tookMs.push(await stage.settled(EQUAL_MAX_MS, mendedAt));
    }
    line(rig, `${CHANGES} ${what} lost`, "equal", tookMs, EQUAL_AIM_S);
  }
}

async function partition(rig: Rig, stage: Stage, publishers: Publishers): Promise<void> {
  const { cluster } = stage;
  const [one, ...others] = cluster.members as [MemberProcess, ...MemberProcess[]];
  const lengthMs = rig.scale.pick(60_000, 8_000);
  await cluster.formed();
  for (const link of cluster.linksBetween([one], others)) link.stall();
  const until = performance.now() + lengthMs;
  await Promise.all(publishers.map((each) => each.while(() => performance.now() >= until)));
  const mendedAt = performance.now();
  cluster.mend();
  const tookMs = await stage.settled(EQUAL_MAX_MS, mendedAt);
  line(rig, `partition of ${lengthMs / 1000} s`, "equal", [tookMs], EQUAL_AIM_S);
  await cluster.formed();
}

async function restarts(rig: Rig, stage: Stage, [publisher, other]: Publishers): Promise<void> {
  const { cluster } = stage;
  const third = cluster.at(2);
  const ways = { TERM: () => third.terminate(), "kill -9": () => third.kill() };
  for (const [way, end] of Object.entries(ways)) {
    const [readyMs, equalMs]: [number[], number[]] = [[], []];
    for (let at = 0; at < rig.scale.pick(3, 1); at++) {
      await stage.settled(EQUAL_MAX_MS);
      await end();
      await publisher?.deregister(CHANGES / 2);
      await other?.deregister(CHANGES / 2);
      await publisher?.register(CHANGES / 2);
      readyMs.push(await third.start());
      equalMs.push(await stage.settled(EQUAL_MAX_MS));
      await other?.register(CHANGES / 2);
      await cluster.formed();
    }
    line(rig, `${way} and start of one`, "ready", readyMs, READY_AIM_S);
    line(rig, `${way} and start of one`, "equal", equalMs, EQUAL_AIM_S);
  }
  await stage.settled(EQUAL_MAX_MS);
  await Promise.all(cluster.members.map((member) => member.kill()));
  const readyMs = await Promise.all(cluster.members.map((member) => member.start()));
  const equalMs = await stage.settled(EQUAL_MAX_MS);
  line(rig, "kill -9 and start of all three", "ready", [Math.max(...readyMs)], READY_AIM_S);
  // Clients have to come back first; theirs do at once.
  line(rig, "kill -9 and start of all three", "equal", [equalMs], EQUAL_AIM_S);
}
