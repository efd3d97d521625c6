/** Who is a voter: addresses that change, members that join and leave, under durable writes. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { Cluster } from "../lib/cluster.ts";
import { must, publish, readConfig } from "../lib/durable-calls.ts";
import { DurableLoad } from "../lib/durable-load.ts";
import { freePorts } from "../lib/free-ports.ts";
import { grouped, groupStatus, leaderOf } from "../lib/group.ts";
import { findingsOnceSettled } from "../lib/looks.ts";
import type { MemberProcess } from "../lib/member-process.ts";
import { type Act, bound, ms } from "../lib/scenario.ts";
import { underLoad } from "./group.ts";

const WARM_MS = 1500;
const OLDER_WATCHED_MS = 5000;

/** Gives a member another address, and the members of a cluster a list with it. It does not run. */
async function move(member: MemberProcess, host: string, all: readonly MemberProcess[]): Promise<void> {
  const [port = 0] = await freePorts(1, [host]);
  member.setup = { ...member.setup, host, bind: host, port };
  const whole = `${all.map(({ address }) => address).join("\n")}\n`;
  for (const each of all) await each.writeList(whole);
}

/** An operator's order to the member on its own machine. */
async function order(member: MemberProcess, name: string, params: Record<string, string>): Promise<void> {
  const answer = await fetch(`${member.url}/v3/admin/core/cluster/${name}`, {
    method: "POST",
    body: new URLSearchParams(params),
  });
  assert.equal(answer.status, 200, await answer.text());
}

export const voters: Act = {
  name: "who is a voter",
  setup: { hasFiles: true },
  scenarios: [
    {
      id: "S18b",
      fault: "a voter comes back under another address, under writes",
      required: "it is back within 5 s, the same voter; no write waits for it",
      reference: "the old voter stays; manual",
      run: (stage) =>
        underLoad(stage, "s18b", async (load) => {
          const { members } = stage.cluster;
          const leader = await leaderOf(members);
          const member = members.find((each) => each !== leader) as MemberProcess;
          const before = (await groupStatus(leader)).voters;
          await member.kill();
          await move(member, "127.0.0.2", members);
          const from = performance.now();
          const readyMs = await member.start();
          await grouped(members, bound(10_000));
          const backMs = performance.now() - from - readyMs;
          assert.deepEqual([...(await groupStatus(leader)).voters].sort(), [...before].sort());
          assert.ok(backMs <= bound(5000), `back after ${ms(backMs)}`);
          return `voter that has everything ${ms(backMs)} after it was ready; longest time without a write ${ms(load.longestGap(from, performance.now()))}`;
        }),
    },
    {
      id: "S19",
      fault: "the addresses of all members change at once",
      required: "a leader within 6 s of the last start; nothing is lost",
      reference: "no leader; operators delete the data folder",
      run: (stage) =>
        underLoad(stage, "s19", async (load) => {
          const { members } = stage.cluster;
          const before = (await groupStatus(await leaderOf(members))).voters;
          await Promise.all(members.map((member) => member.kill()));
          for (const [i, member] of members.entries()) await move(member, `127.0.0.${10 + i}`, members);
          await Promise.all(members.map((member) => member.start("started")));
          const from = performance.now();
          const leader = await leaderOf(members, bound(6000));
          const ledMs = performance.now() - from;
          await grouped(members, bound(10_000));
          assert.deepEqual([...(await groupStatus(leader)).voters].sort(), [...before].sort());
          const wroteMs = await stage.until(
            bound(6000),
            () => (load.since(from).some(({ outcome }) => outcome === "done") ? [] : ["no write is done"]),
            from,
          );
          return `a leader ${ms(ledMs)}, a write ${ms(wroteMs)} after all had started`;
        }),
    },
    {
      id: "S35b",
      fault: "three members become five and three again, under durable writes",
      required: "no unavailable window longer than an election; equal after each step",
      reference: "manual steps",
      run: (stage) =>
        underLoad(stage, "s35b", async (load) => {
          const { cluster } = stage;
          const stay = cluster.members.map(({ name }) => name);
          const from = performance.now();
          const tookMs: number[] = [];
          const added: MemberProcess[] = [];
          for (let i = 0; i < 2; i++) {
            const member = await cluster.add(cluster.members.map(({ address }) => address));
            added.push(member);
            const startedAt = performance.now();
            await member.start();
            await grouped(cluster.members);
            tookMs.push(performance.now() - startedAt);
          }
          for (const member of added) {
            const leftAt = performance.now();
            const gone = member.ended();
            await order(member, "leave", { forever: "true" });
            await gone;
            await cluster.remove(member);
            await grouped(cluster.members);
            tookMs.push(performance.now() - leftAt);
          }
          const gapMs = load.longestGap(from, performance.now(), stay);
          assert.ok(gapMs <= bound(3000), `without a write for ${ms(gapMs)}`);
          return `voters after ${tookMs.map(ms).join(", ")} of each step; longest time without a write ${ms(gapMs)}`;
        }),
    },
    {
      id: "S34b",
      fault: "a member of a later release, that does not speak this protocol any more, under durable writes",
      required: "it is no voter; writes go on",
      reference: "partial",
      async run(stage) {
        const { cluster } = stage;
        const three = [...cluster.members];
        const joined = async (load: DurableLoad): Promise<string> => {
          const later = await cluster.add(three.map(({ address }) => address));
          const from = performance.now();
          try {
            later.setup = { ...later.setup, twist: { protocol: "3,2" } };
            await later.start("started");
            await pause(OLDER_WATCHED_MS);
            const { voters: held, learners } = await groupStatus(await leaderOf(three));
            assert.equal(held.length + learners.length, 3);
            const told = await publish(later, "s34b", "never");
            assert.equal(told.outcome, "notDone", JSON.stringify(told));
            const gapMs = load.longestGap(from, performance.now());
            assert.ok(gapMs <= bound(1000), `without a write for ${ms(gapMs)}`);
            return `longest time without a write ${ms(gapMs)}; it says: ${told.outcome === "notDone" ? told.why : ""}`;
          } finally {
            await cluster.remove(later);
          }
        };
        // Nobody else is asked to write through it: it makes them wait for a group that it is not in.
        return underLoad(stage, "s34b", joined, { members: () => three });
      },
    },
    {
      id: "S21b",
      fault: "one of three new members is started alone and called; the others come later",
      required:
        "once it knows that nobody is there, a write and a linearizable read are refused at once, with who is missing; they are done when the others are there",
      reference: "calls wait for a leader until they time out",
      async run() {
        const cluster = await Cluster.create();
        try {
          const [first, ...others] = cluster.members as [MemberProcess, ...MemberProcess[]];
          await first.start();
          // Those who are started together are not there at once: it waits until it knows.
          assert.equal((await publish(first, "s21b", "1")).outcome, "notDone");
          const from = performance.now();
          const told = await Promise.all([publish(first, "s21b", "1"), readConfig(first, "s21b", true)]);
          const tookMs = performance.now() - from;
          for (const answer of told) {
            assert.equal(answer.outcome, "notDone");
            const { why } = answer as { readonly why: string };
            for (const { address } of others) assert.ok(why.includes(address), why);
          }
          assert.ok(tookMs <= bound(1000), `refused after ${ms(tookMs)}`);
          await Promise.all(others.map((member) => member.start()));
          await grouped(cluster.members);
          must(await publish(first, "s21b", "1"));
          for (const member of cluster.members) assert.equal(must(await readConfig(member, "s21b", true)), "1");
          return `both refused in ${ms(tookMs)}; done with three voters`;
        } finally {
          await cluster.dispose();
        }
      },
    },
    {
      id: "S38b",
      fault: "a member alone with data is joined by two while it runs and is written to",
      required: "it never stops; all three hold its data and are voters; no finding is left",
      reference: "not ready",
      async run(stage) {
        const cluster = await Cluster.create();
        const load = new DurableLoad({ members: () => [cluster.at(0)], perSecond: 50, name: "s38b" });
        try {
          const [first, ...joining] = cluster.members as [MemberProcess, ...MemberProcess[]];
          for (const member of cluster.members) member.setup = { ...member.setup, list: [] };
          await first.start();
          must(await publish(first, "s38b-held", "before anybody joined"));
          load.start();
          await pause(WARM_MS);
          const from = performance.now();
          await Promise.all(joining.map((member) => member.start()));
          const joinedAt = performance.now();
          for (const member of joining) await order(member, "join", { address: first.address });
          await grouped(cluster.members);
          const tookMs = performance.now() - joinedAt;
          const gapMs = load.longestGap(from, performance.now());
          for (const member of joining)
            assert.equal(must(await readConfig(member, "s38b-held", false)), "before anybody joined");
          await load.stop();
          assert.deepEqual(await load.verify(cluster.members), []);
          await stage.until(bound(75_000), async () =>
            (await Promise.all(cluster.members.map(findingsOnceSettled))).flat(),
          );
          assert.ok(gapMs <= bound(3000), `without a write for ${ms(gapMs)}`);
          return `three voters ${ms(tookMs)} after the first order to join; longest time without a write ${ms(gapMs)}; ${load.summary()}`;
        } finally {
          await load.stop();
          await cluster.dispose();
        }
      },
    },
  ],
};
