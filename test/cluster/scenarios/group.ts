/** Members of the group that holds durable data: killed, cut off, damaged, under writes through all of them. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { must, publish, readConfig, type Told } from "../lib/durable-calls.ts";
import { DurableLoad, type LoadSetup } from "../lib/durable-load.ts";
import { grouped, groupStatus, leaderOf, leads, snapshotNow, stateDifference } from "../lib/group.ts";
import { findingsOf } from "../lib/looks.ts";
import type { MemberProcess } from "../lib/member-process.ts";
import { type Act, bound, isLong, ms } from "../lib/scenario.ts";
import { SmallDisk } from "../lib/small-disk.ts";
import type { Stage } from "../lib/stage.ts";
import { flipBit, logOf, removeStore, setAside, snapshotOf, tearLog, tearVote } from "../lib/tear.ts";

const ALONE_MS = 20_000;
/** Within which a fault is told, and after which nothing is told any more. */
const FINDING_MAX_MS = 10_000;
const KILL_EVERY_MS = isLong ? 10_000 : 6_000;
const KILLS = isLong ? 30 : 4;
const PUBLISHERS = isLong ? 10 : 4;
const SEED = 20_262;
/** Writes before a fault, so that there is something to lose. */
const WARM_MS = 1500;
/** How often a write is asked for while a gap is measured. */
const PER_SECOND = 100;
const REJOIN_MAX_MS = 30_000;
const DISK_MIB = 32;
const LARGE = "x".repeat(8 * 1024);

/** Runs while clients change durable data through all members; fails for what is wrong with what they were told. */
export async function underLoad(
  stage: Stage,
  name: string,
  work: (load: DurableLoad) => Promise<string>,
  setup: Partial<LoadSetup> = {},
): Promise<string> {
  const { cluster } = stage;
  await grouped(cluster.members);
  const load = new DurableLoad({ members: () => cluster.running, perSecond: PER_SECOND, seed: SEED, name, ...setup });
  load.start();
  try {
    await pause(WARM_MS);
    const measured = await work(load);
    await pause(WARM_MS);
    await load.stop();
    assert.deepEqual(await load.verify(cluster.running), []);
    assert.deepEqual(await stateDifference(cluster.at(0)), []);
    return `${measured}; ${load.summary()}`;
  } finally {
    await load.stop();
  }
}

function others(stage: Stage, but: MemberProcess): MemberProcess[] {
  return stage.cluster.members.filter((member) => member !== but);
}

/** A write that is not done, with the reason that the member gave. */
function refusal(told: Told<unknown>): string {
  assert.equal(told.outcome, "notDone", JSON.stringify(told));
  return told.outcome === "notDone" ? told.why : "";
}

async function saidBy(member: MemberProcess): Promise<string[]> {
  return (await findingsOf(member)).map(({ code, sentence }) => `${code}: ${sentence}`);
}

/** Until a member says, and says nothing else, that it reaches no majority. What it takes before may be done later. */
async function knowsThatItIsAlone(stage: Stage, member: MemberProcess): Promise<void> {
  await stage.until(bound(FINDING_MAX_MS), async () => {
    const all = await saidBy(member);
    // Through proxies, who is killed looks as if it were cut off.
    const isTold = all.length === 1 && /^(MAJORITY_LOST|ISOLATED): .*refuse/.test(all.join());
    return isTold ? [] : [`${member.name} says ${all}`];
  });
}

/** In CI everything is there that a test needs. */
function skipped(reason: string): string {
  assert.notEqual(process.env.CI, "true", reason);
  return `not measured: ${reason}`;
}

/** A member that was stopped is started again and becomes a voter that has everything; with the milliseconds that took. */
async function rejoins(stage: Stage, member: MemberProcess): Promise<number> {
  const from = performance.now();
  await member.start();
  await grouped(stage.cluster.members, bound(REJOIN_MAX_MS));
  return performance.now() - from;
}

/** Clients of these members alone, who are held up by nobody else. */
async function meanwhile<T>(
  name: string,
  members: readonly MemberProcess[],
  work: (load: DurableLoad) => Promise<T>,
): Promise<T> {
  const load = new DurableLoad({ members: () => members, perSecond: PER_SECOND, seed: SEED, name, hasReads: false });
  load.start();
  try {
    await pause(WARM_MS);
    return await work(load);
  } finally {
    await load.stop();
  }
}

export const group: Act = {
  name: "the group",
  setup: { hasProxies: true },
  scenarios: [
    {
      id: "S20",
      fault: "the leader is killed during writes, three times",
      required:
        "done, not done and unknown are told apart, and nothing is done twice; the next write is done within 3 s",
      reference: "errors for 10 to 16 s",
      run: (stage) =>
        underLoad(stage, "s20", async (load) => {
          const gaps: number[] = [];
          for (let round = 0; round < 3; round++) {
            const leader = await leaderOf(stage.cluster.members);
            const killedAt = performance.now();
            await leader.kill();
            await pause(bound(3000));
            gaps.push(load.longestGap(killedAt, performance.now()));
            await rejoins(stage, leader);
          }
          assert.ok(Math.max(...gaps) <= bound(3000), `no write was done for ${gaps.map(ms).join(", ")}`);
          return `without a write for ${gaps.map(ms).join(", ")}`;
        }),
    },
    {
      id: "S20b",
      fault: "the leader is stopped in order during writes",
      required: "it hands over; writes go on within 200 ms, and none fails but at the member that stops",
      reference: "an election",
      run: (stage) =>
        underLoad(stage, "s20b", async (load) => {
          const leader = await leaderOf(stage.cluster.members);
          const stay = others(stage, leader).map(({ name }) => name);
          const from = performance.now();
          await leader.terminate();
          await pause(500);
          const gapMs = load.longestGap(from, performance.now(), stay);
          const failed = load.since(from).filter((write) => write.outcome !== "done" && stay.includes(write.member));
          await rejoins(stage, leader);
          assert.ok(gapMs <= bound(200), `without a write for ${ms(gapMs)}`);
          assert.deepEqual(failed, []);
          return `without a write for ${ms(gapMs)}`;
        }),
    },
    {
      id: "S21",
      fault: "two of three are killed, and one comes back",
      required:
        "writes are refused at once and say how many voters are missing, ephemeral instances work; then all by itself",
      reference: "may need manual work",
      run: (stage) =>
        underLoad(stage, "s21", async (load) => {
          const [a, b, c] = stage.cluster.members as [MemberProcess, MemberProcess, MemberProcess];
          await Promise.all([b.kill(), c.kill()]);
          await knowsThatItIsAlone(stage, a);
          const askedAt = performance.now();
          const sentence = refusal(await publish(a, "s21-alone", "never"));
          const refusedMs = performance.now() - askedAt;
          assert.match(sentence, /2 of 3/);
          assert.ok(refusedMs <= bound(500), `refused after ${ms(refusedMs)}`);
          const client = await stage.light("s21", a, []);
          const address = stage.openAddress();
          await client.register("guests", address);
          const apMs = await stage.shows(true, "guests", address, bound(1000), performance.now(), [a]);
          const from = performance.now();
          await b.start();
          const isWritten = () => load.since(from).some(({ outcome }) => outcome === "done");
          const backMs = await stage.until(bound(10_000), () => (isWritten() ? [] : ["no write is done"]), from);
          await rejoins(stage, c);
          await stage.until(bound(FINDING_MAX_MS), () => saidBy(a));
          assert.equal(must(await readConfig(a, "s21-alone", false)), "absent");
          await client.deregister("guests", address);
          client.kill();
          return `refused after ${ms(refusedMs)}: ${sentence}; an ephemeral instance is shown after ${ms(apMs)}; a write ${ms(backMs)} after the start of the second`;
        }),
    },
    {
      id: "S22",
      fault: "the disk of a follower is wiped",
      required: "it is a voter again within 30 s, and the leader stays",
      reference: "may never catch up",
      run: (stage) =>
        underLoad(stage, "s22", async (load) => {
          const leader = await leaderOf(stage.cluster.members);
          const [follower] = others(stage, leader) as [MemberProcess];
          const { term } = await groupStatus(leader);
          const from = performance.now();
          await follower.kill();
          await follower.emptyFolder();
          await follower.start();
          await grouped(stage.cluster.members, bound(REJOIN_MAX_MS));
          const backMs = performance.now() - from;
          assert.equal((await groupStatus(leader)).term, term, "nobody else campaigned");
          const gapMs = load.longestGap(from, performance.now());
          assert.ok(gapMs <= bound(1000), `without a write for ${ms(gapMs)}`);
          return `voter after ${ms(backMs)}; longest time without a write ${ms(gapMs)}`;
        }),
    },
    {
      id: "S23",
      fault: "the last record of all logs is torn when all members are killed",
      required: "all start, cut what was never acknowledged, and lose nothing",
      reference: "may fail to start",
      run: (stage) =>
        underLoad(stage, "s23", async () => {
          const { members } = stage.cluster;
          await Promise.all(members.map((member) => member.kill()));
          await Promise.all(members.map(tearLog));
          const from = performance.now();
          await Promise.all(members.map((member) => member.start()));
          await grouped(members, bound(10_000));
          for (const member of members) assert.deepEqual(await setAside(member), [], "nothing of it is damage");
          return `a group again after ${ms(performance.now() - from)}`;
        }),
    },
    {
      id: "S23b",
      fault: "a bit flips in the log of a member that does not run",
      required: "the log is set aside; it fetches everything and is a voter again, by itself",
      reference: "undefined: entries have no checksum by default",
      run: (stage) =>
        underLoad(stage, "s23b", async () => {
          const follower = others(stage, await leaderOf(stage.cluster.members))[0] as MemberProcess;
          await follower.kill();
          await flipBit(await logOf(follower));
          const backMs = await rejoins(stage, follower);
          assert.equal((await setAside(follower)).length, 1);
          return `voter again after ${ms(backMs)}`;
        }),
    },
    {
      id: "S23c",
      fault: "the file with term and vote of a member is damaged",
      required: "it votes for nobody before it has everything again, and is a voter then, by itself",
      reference: "undefined: it is not synced by default",
      run: (stage) =>
        underLoad(stage, "s23c", async () => {
          const follower = others(stage, await leaderOf(stage.cluster.members))[0] as MemberProcess;
          await follower.kill();
          await tearVote(follower);
          const backMs = await rejoins(stage, follower);
          const { trust } = await groupStatus(follower);
          assert.equal(trust, "whole");
          return `voter again after ${ms(backMs)}`;
        }),
    },
    {
      id: "S24",
      fault: "a bit flips in the snapshot of a member whose store is gone",
      required: "it is detected, and the member is whole again by itself, from what else it has or from others",
      reference: "the group does not load",
      run: (stage) =>
        underLoad(stage, "s24", async () => {
          const follower = others(stage, await leaderOf(stage.cluster.members))[0] as MemberProcess;
          for (let taken = 0; taken < 2; taken++) {
            await snapshotNow(follower);
            await pause(WARM_MS);
          }
          await follower.kill();
          await flipBit(await snapshotOf(follower));
          await removeStore(follower);
          const backMs = await rejoins(stage, follower);
          return `voter again after ${ms(backMs)}`;
        }),
    },
    {
      id: "S25",
      fault: "the disk of the leader is full",
      required:
        "it hands over, refuses writes with the reason and serves reads; it takes writes again when there is space",
      reference: "an error state of the group, or the process exits",
      async run(stage) {
        const { cluster } = stage;
        await grouped(cluster.members);
        const member = others(stage, await leaderOf(cluster.members))[0] as MemberProcess;
        await member.terminate();
        await member.emptyFolder();
        const disk = await SmallDisk.mount(member, DISK_MIB);
        try {
          await rejoins(stage, member);
          if (typeof disk === "string") return skipped(disk);
          await leads(member);
          const rest = others(stage, member);
          const filled = async (load: DurableLoad, other: DurableLoad): Promise<string> => {
            must(await publish(member, "s25-read", "before"));
            const from = performance.now();
            await disk.fill();
            // What the log has set aside on it takes writes still: the disk refuses when that is used up.
            await stage.until(bound(20_000), async () => {
              const { outcome } = await publish(member, "s25-large", LARGE);
              return outcome === "done" ? ["there is space for writes still"] : [];
            });
            const handedOverMs = await stage.until(bound(5000), async () =>
              (await groupStatus(member)).role === "leader" ? [`${member.name} leads`] : [],
            );
            let sentence = "";
            await stage.until(bound(5000), async () => {
              const told = await publish(member, "s25-alone", "never");
              sentence = told.outcome === "notDone" ? told.why : "";
              return /disk|space/.test(sentence) ? [] : [`${member.name} says ${JSON.stringify(told)}`];
            });
            await pause(3000);
            assert.equal(must(await readConfig(member, "s25-read", false)), "before");
            const gapMs = other.longestGap(from, performance.now());
            assert.ok(member.isRunning);
            await disk.free();
            const freedAt = performance.now();
            const backMs = await stage.until(bound(10_000), () =>
              load.since(freedAt).some((write) => write.outcome === "done" && write.member === member.name)
                ? []
                : ["it takes no writes"],
            );
            await grouped(cluster.members);
            assert.ok(gapMs <= bound(3000), `the others: without a write for ${ms(gapMs)}`);
            return `handed over ${ms(handedOverMs)} after its disk refused; the others without a write for ${ms(gapMs)}; writes again ${ms(backMs)} after there was space; it said: ${sentence}`;
          };
          return await underLoad(stage, "s25", (load) => meanwhile("s25-rest", rest, (other) => filled(load, other)));
        } finally {
          if (typeof disk !== "string") {
            await member.kill();
            await disk.unmount();
            await rejoins(stage, member);
          }
        }
      },
    },
    {
      id: "S27",
      fault: "the store of a member fails for 10 s",
      required: "reads go on; its writes are refused with the reason, those of others are done; then all by itself",
      reference: "readiness is false, reads go on",
      async run(stage) {
        const member = others(stage, await leaderOf(stage.cluster.members))[0] as MemberProcess;
        await member.terminate();
        const before = member.setup;
        member.setup = { ...before, twist: { hasStore: true } };
        await member.start();
        try {
          const broken = async (load: DurableLoad, other: DurableLoad): Promise<string> => {
            must(await publish(member, "s27-read", "before"));
            const from = performance.now();
            await member.breakStore(true);
            const reads: number[] = [];
            while (performance.now() < from + 10_000) {
              const askedAt = performance.now();
              assert.equal(must(await readConfig(member, "s27-read", false)), "before");
              reads.push(performance.now() - askedAt);
              await pause(200);
            }
            const sentence = refusal(await publish(member, "s27-alone", "never"));
            assert.match(sentence, /store/);
            const gapMs = other.longestGap(from, performance.now());
            await member.breakStore(false);
            const healedAt = performance.now();
            const backMs = await stage.until(bound(65_000), () =>
              load.since(healedAt).some((write) => write.outcome === "done" && write.member === member.name)
                ? []
                : ["its writes are not done"],
            );
            assert.ok(gapMs <= bound(1000), `others: without a write for ${ms(gapMs)}`);
            return `slowest read ${ms(Math.max(...reads))}; others without a write for at most ${ms(gapMs)}; its writes again ${ms(backMs)} after it healed; it said: ${sentence}`;
          };
          const rest = others(stage, member);
          return await underLoad(stage, "s27", (load) => meanwhile("s27-rest", rest, (other) => broken(load, other)));
        } finally {
          await member.breakStore(false);
          await member.terminate();
          member.setup = before;
          await member.start();
          await grouped(stage.cluster.members);
        }
      },
    },
    {
      id: "S28",
      fault: `a member is killed right after it has acknowledged a publish, ${PUBLISHERS} times`,
      required: "all others serve it within 5 s",
      reference: "up to 60 s, formerly 6 h",
      async run(stage) {
        await grouped(stage.cluster.members);
        let worstMs = 0;
        for (let round = 0; round < PUBLISHERS; round++) {
          const publisher = stage.cluster.at(round % 3);
          const content = `of round ${round}`;
          must(await publish(publisher, "s28", content));
          const from = performance.now();
          await publisher.kill();
          const tookMs = await stage.until(
            bound(5000),
            async () => {
              const told = await Promise.all(others(stage, publisher).map((each) => readConfig(each, "s28", false)));
              return told.flatMap((each) =>
                each.outcome === "done" && each.value === content ? [] : [JSON.stringify(each)],
              );
            },
            from,
          );
          worstMs = Math.max(worstMs, tookMs);
          await rejoins(stage, publisher);
        }
        return `served by the others after at most ${ms(worstMs)}`;
      },
    },
    {
      id: "S39",
      fault: `the leader is cut off with its clients for ${ms(ALONE_MS)}`,
      required:
        "it steps down; its clients are told that there is no majority, never an older state as the newest; others go on",
      reference: "it steps down after an election timeout",
      async run(stage) {
        const leader = await leaderOf(stage.cluster.members);
        const rest = others(stage, leader);
        const alone = async (load: DurableLoad, other: DurableLoad): Promise<string> => {
          const from = performance.now();
          for (const link of stage.cluster.linksBetween([leader], rest)) link.stall();
          try {
            await knowsThatItIsAlone(stage, leader);
            const askedAt = performance.now();
            const sentence = refusal(await publish(leader, "s39-alone", "never"));
            const refusedMs = performance.now() - askedAt;
            const read = await readConfig(leader, "s39-alone", true);
            assert.notEqual(read.outcome, "done", "a read that is to be the newest cannot be answered here");
            await pause(Math.max(0, ALONE_MS - (performance.now() - from)));
            const { role } = await groupStatus(leader);
            assert.notEqual(role, "leader");
            const gapMs = other.longestGap(from, performance.now());
            const late = load.since(askedAt).filter((each) => each.outcome === "done" && each.member === leader.name);
            assert.deepEqual(late, [], "nothing is acknowledged without a majority");
            assert.ok(gapMs <= bound(3000), `the others: without a write for ${ms(gapMs)}`);
            assert.ok(refusedMs <= bound(500), `refused after ${ms(refusedMs)}`);
            return `the others without a write for ${ms(gapMs)}; refused after ${ms(refusedMs)}: ${sentence}`;
          } finally {
            stage.cluster.mend();
            await stage.cluster.formed();
            await grouped(stage.cluster.members);
          }
        };
        return await underLoad(stage, "s39", (load) => meanwhile("s39-rest", rest, (other) => alone(load, other)));
      },
    },
    {
      id: "S40",
      fault: `the leader is killed every ${KILL_EVERY_MS / 1000} s, ${KILLS} times`,
      required: "nothing acknowledged is lost, clients see one order; 60 % of writes are done at the first try",
      reference: "mostly errors",
      run: (stage) =>
        underLoad(stage, "s40", async (load) => {
          const from = performance.now();
          for (let kill = 0; kill < KILLS; kill++) {
            const nextAt = from + (kill + 1) * KILL_EVERY_MS;
            const leader = await leaderOf(stage.cluster.running, bound(KILL_EVERY_MS));
            await leader.kill();
            await leader.start();
            await pause(Math.max(0, nextAt - performance.now()));
          }
          const first = load.since(from).filter(({ isFirst }) => isFirst);
          const share = first.filter(({ outcome }) => outcome === "done").length / first.length;
          await grouped(stage.cluster.members);
          assert.ok(share >= 0.6, `${Math.round(share * 100)} % were done at the first try`);
          return `${Math.round(share * 100)} % of ${first.length} writes were done at the first try`;
        }),
    },
  ],
};
