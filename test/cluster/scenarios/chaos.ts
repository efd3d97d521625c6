/** Random members are killed at random moments, again and again, while everybody writes. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { Random } from "@nacre/testkit/random";
import { Driver } from "../lib/driver.ts";
import { SDKS } from "../lib/drivers.ts";
import { createNamespace, namespacesOf } from "../lib/durable-calls.ts";
import { DurableLoad } from "../lib/durable-load.ts";
import { grouped, stateDifference } from "../lib/group.ts";
import type { MemberProcess } from "../lib/member-process.ts";
import { type Act, ms } from "../lib/scenario.ts";
import type { Stage } from "../lib/stage.ts";

/** In CI. */
const KILLS = 20;
const SEED = 20_263;
const PER_SECOND = 200;
const CLIENTS = 16;
/** Clients of configurations that can be told what to publish; those of Rust may stop for good in a burst. */
const SDK_NAMES = ["java-3", "java-2", "go"];
/**
 * Go is not asked what it was shown: a question of its that was under way when its member was killed is repeated at the
 * next one, and its answer marks all it listens to as told there, so that it hears of some only after its own five minutes.
 */
const LISTENERS = ["java-3", "java-2"];
const PUBLISH_EVERY_MS = 500;
const NAMESPACE_EVERY_MS = 1000;
/** A kill, its restart and what may be waited for behind them. */
const EACH_MAX_MS = 12_000;
const GROUP_MAX_MS = 60_000;
const NEWEST_MAX_MS = 60_000;
const SAY_EVERY = 25;
const SPAWN_LOOK_MS = 5;

const kills = Number(flag("--chaos") ?? KILLS);
const seed = Number(flag("--seed") ?? (process.argv.includes("--chaos") ? Date.now() % 1_000_000 : SEED));

/** One turn: who is killed, when, for how long, and whether the group may recover before the next one. */
export interface Turn {
  readonly restMs: number;
  readonly victims: readonly number[];
  readonly downMs: number;
  readonly waits: boolean;
}

/** The same for the same seed. Mostly one member, at times a majority or all of them. */
export function turns(from: number, killed: number, size: number): Turn[] {
  const random = new Random(from);
  const plan: Turn[] = [];
  for (let left = killed; left > 0; ) {
    const dice = random.next();
    const count = Math.min(left, size, dice < 0.75 ? 1 : dice < 0.9 ? 2 : size);
    const all = Array.from({ length: size }, (_, i) => i);
    const victims = Array.from({ length: count }, () => all.splice(random.below(all.length), 1)[0] as number);
    plan.push({ restMs: random.below(500), victims, downMs: random.below(1500), waits: random.chance(0.6) });
    left -= count;
  }
  return plan;
}

export const chaos: Act = {
  name: "chaos",
  scenarios: [
    {
      id: "S40b",
      fault: `random members are killed ${kills} times, one, two or all at a time, under ${PER_SECOND} writes per second and released SDKs`,
      required:
        "clients see one order, nothing acknowledged is lost, nothing that is not done is done; listeners end with the newest",
      reference: "writes are lost or done twice",
      maxMs: 120_000 + kills * EACH_MAX_MS,
      async run(stage) {
        process.stdout.write(`chaos: ${kills} kills, --seed ${seed}\n`);
        const { cluster } = stage;
        const { members } = cluster;
        await grouped(members);
        const sdks = await sdksOf(stage);
        const load = new DurableLoad({
          members: () => cluster.running,
          clients: CLIENTS,
          perSecond: PER_SECOND,
          seed,
          name: "chaos",
        });
        const over = new AbortController();
        load.start();
        const published = sdks.map((sdk) => publishAll(sdk, over.signal));
        const namespaces = createAll(stage, over.signal);
        const from = performance.now();
        try {
          await killAll(members, turns(seed, kills, members.length), () => load.summary());
          const recoveredMs = await grouped(members, GROUP_MAX_MS);
          const tookMs = performance.now() - from;
          over.abort();
          await load.stop();
          await Promise.all(published);
          assert.deepEqual(await missingNamespaces(members, await namespaces), []);
          assert.deepEqual(await load.verify(members), []);
          assert.deepEqual(await stateDifference(stage.cluster.at(0)), []);
          const newestMs = await endWithNewest(stage, sdks);
          const names = sdks.map(({ name }) => name).join(", ");
          return `${kills} kills in ${ms(tookMs)}, seed ${seed}; a group again ${ms(recoveredMs)} after the last; ${load.summary()}; ${names} published, and ${LISTENERS.join(", ")} were shown the newest after ${ms(newestMs)}`;
        } finally {
          over.abort();
          await load.stop();
        }
      },
    },
  ],
};

/** @throws Error when a member ends that nobody has killed. */
async function killAll(members: readonly MemberProcess[], plan: readonly Turn[], summary: () => string): Promise<void> {
  const starting = new Map<MemberProcess, Promise<unknown>>();
  const failed: string[] = [];
  let done = 0;
  for (const [number, { restMs, victims, downMs, waits }] of plan.entries()) {
    await pause(restMs);
    const killed = victims.map((index) => members[index] as MemberProcess);
    // Of one that is on its way there is no process yet, for a moment.
    for (const member of members) while (starting.has(member) && !member.isRunning) await pause(SPAWN_LOOK_MS);
    for (const member of members)
      if (!member.isRunning) failed.push(`turn ${number}: ${member.name} had ended by itself: ${member.tail()}`);
    assert.deepEqual(failed, []);
    await Promise.all(killed.map((member) => member.kill()));
    // It may have been killed before it was ready.
    await Promise.all(killed.map((member) => starting.get(member)));
    await pause(downMs);
    for (const member of killed) {
      const started = start(member, failed).finally(() => starting.delete(member));
      starting.set(member, started);
    }
    if (waits) {
      await Promise.all(starting.values());
      await grouped(members, GROUP_MAX_MS);
    }
    done += victims.length;
    if (Math.floor(done / SAY_EVERY) > Math.floor((done - victims.length) / SAY_EVERY))
      process.stdout.write(`chaos: ${done} kills; ${summary()}\n`);
  }
  await Promise.all(starting.values());
  assert.deepEqual(failed, []);
}

/** Resolves when it is ready, or was killed before. */
async function start(member: MemberProcess, failed: string[]): Promise<void> {
  try {
    await member.start();
  } catch (thrown) {
    if (!/ended with SIGKILL/.test(String(thrown))) failed.push(String(thrown));
  }
}

async function sdksOf(stage: Stage): Promise<Driver[]> {
  const found = SDKS.filter(({ name, build }) => SDK_NAMES.includes(name) && build.missing() === undefined);
  if (process.env.CI === "true") assert.equal(found.length, SDK_NAMES.length, "with CI=true every toolchain is there");
  const drivers: Driver[] = [];
  for (const sdk of found) {
    const program = await sdk.build.ready();
    const driver = await Driver.start(sdk.name, program, stage.cluster.clientAddresses, stage.history);
    stage.drivers.push(driver);
    drivers.push(driver);
  }
  for (const { name } of drivers) for (const driver of listenersOf(drivers)) await driver.listen(`sdk-${name}`);
  return drivers;
}

function listenersOf(sdks: readonly Driver[]): Driver[] {
  return sdks.filter(({ name }) => LISTENERS.includes(name));
}

/** Publishes one number after the other, whatever becomes of them. */
async function publishAll(sdk: Driver, signal: AbortSignal): Promise<void> {
  for (let n = 1; !signal.aborted; n++) {
    await sdk.publish(`sdk-${sdk.name}`, String(n)).catch(() => {});
    await pause(PUBLISH_EVERY_MS, undefined, { signal }).catch(() => {});
  }
}

/** What each publishes after all of this is shown to each. @returns the milliseconds that took. */
async function endWithNewest(stage: Stage, sdks: readonly Driver[]): Promise<number> {
  await Promise.all(
    sdks.map(async (sdk) => {
      for (const until = performance.now() + NEWEST_MAX_MS; ; ) {
        try {
          return await sdk.publish(`sdk-${sdk.name}`, "the newest");
        } catch (thrown) {
          if (performance.now() > until) throw thrown;
        }
      }
    }),
  );
  return stage.until(NEWEST_MAX_MS, () =>
    sdks.flatMap((publisher) =>
      listenersOf(sdks).flatMap((listener) => {
        const shown = listener.contents.get(`sdk-${publisher.name}`);
        return shown === "the newest" ? [] : [`${listener.name} was shown ${shown} of ${publisher.name}`];
      }),
    ),
  );
}

/** Creates namespaces through all members in turn. @returns those that were acknowledged, and those that were not done. */
async function createAll(stage: Stage, signal: AbortSignal): Promise<{ done: string[]; notDone: string[] }> {
  const done: string[] = [];
  const notDone: string[] = [];
  for (let n = 1; !signal.aborted; n++) {
    const member = stage.cluster.at(n % stage.cluster.members.length);
    const { outcome } = await createNamespace(member, `chaos-${n}`);
    if (outcome === "done") done.push(`chaos-${n}`);
    if (outcome === "notDone") notDone.push(`chaos-${n}`);
    await pause(NAMESPACE_EVERY_MS, undefined, { signal }).catch(() => {});
  }
  return { done, notDone };
}

async function missingNamespaces(
  members: readonly MemberProcess[],
  { done, notDone }: { readonly done: readonly string[]; readonly notDone: readonly string[] },
): Promise<string[]> {
  const wrong: string[] = [];
  for (const member of members) {
    const told = await namespacesOf(member);
    const there = told.outcome === "done" ? told.value : [];
    for (const id of done) if (!there.includes(id)) wrong.push(`${member.name} lacks ${id}, which was acknowledged`);
    for (const id of notDone) if (there.includes(id)) wrong.push(`${member.name} has ${id}, which was not done`);
  }
  return wrong;
}

function flag(name: string): string | undefined {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}
