/** Who is a member: lists, addresses, identities, joining and leaving. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { Cluster, getJson, shownBy } from "../lib/cluster.ts";
import { freePorts } from "../lib/free-ports.ts";
import { type Finding, findingsOf, readinessOf } from "../lib/looks.ts";
import type { MemberProcess } from "../lib/member-process.ts";
import { type Act, bound, isLong, ms } from "../lib/scenario.ts";
import type { Stage } from "../lib/stage.ts";

const CLOCK_WRONG_MS = 600_000;
const CLOCK_WATCH_MS = 16_000;
/** Findings come within this. */
const FINDING_MAX_MS = 10_000;

function addressesOf(members: readonly MemberProcess[]): string[] {
  return members.map(({ address }) => address);
}

/** The finding of this code whose sentence matches, once it is there. */
async function finding(stage: Stage, member: MemberProcess, code: string, says = /./): Promise<Finding> {
  let wanted: Finding | undefined;
  await stage.until(bound(FINDING_MAX_MS), async () => {
    const all = await findingsOf(member);
    wanted = all.find((each) => each.code === code && says.test(each.sentence));
    return wanted === undefined ? [`${member.name} does not say ${code} ${says} but ${JSON.stringify(all)}`] : [];
  });
  return wanted as Finding;
}

/** No finding of these codes is left. */
async function quiet(stage: Stage, members: readonly MemberProcess[], ...codes: string[]): Promise<void> {
  await stage.until(bound(FINDING_MAX_MS), async () => {
    const all = (await Promise.all(members.map(findingsOf))).flat();
    return all.filter(({ code }) => codes.includes(code)).map(({ sentence }) => sentence);
  });
}

async function idOf(member: MemberProcess): Promise<string | undefined> {
  const all = await getJson<{ data: { address: string; id?: string }[] }>(member, "/v3/admin/core/cluster/node/list");
  return all.data.find(({ address }) => address === member.address)?.id;
}

async function ends(stage: Stage, member: MemberProcess): Promise<void> {
  await member.terminate();
  await stage.cluster.remove(member);
}

export const lists: Act = {
  name: "who is a member",
  setup: { hasFiles: true },
  scenarios: [
    {
      id: "S16",
      fault: "the file of members is emptied, half-written, has a bad line",
      required: "nobody is removed; a finding names the line",
      reference: "the whole list is ignored, or voters are removed",
      async run(stage) {
        const [a, ...others] = stage.cluster.members as [MemberProcess, ...MemberProcess[]];
        const whole = `${addressesOf(stage.cluster.members).join("\n")}\n`;
        const said: string[] = [];
        await stage.settled(bound(5000));
        const from = performance.now();
        try {
          await a.writeList("");
          said.push((await finding(stage, a, "LIST_EMPTIED")).sentence);
          // Within the second address.
          await a.writeList(whole.slice(0, a.address.length + 9));
          said.push((await finding(stage, a, "LIST_LINES_BAD", /line 2/)).sentence);
          await a.writeList(`${whole}# two members on one line\n127.0.0.1:99999 what\n`);
          said.push((await finding(stage, a, "LIST_LINES_BAD", /line 5/)).sentence);
          for (const member of stage.cluster.members)
            assert.deepEqual(
              (await shownBy(member)).filter(({ state }) => state !== "UP"),
              [],
            );
          for (const member of [a, ...others]) assert.equal((await shownBy(member)).length, 3);
          const scope = { from, services: ["beats"] };
          assert.deepEqual(stage.history.faults({ missingMaxMs: 0, ghostMaxMs: 0 }, performance.now(), scope), []);
        } finally {
          await a.writeList(whole);
        }
        await quiet(stage, stage.cluster.members, "LIST_EMPTIED", "LIST_LINES_BAD", "LIST_DIFFERS", "MEMBER_UNLISTED");
        return said.join(" / ");
      },
    },
    {
      id: "S17",
      fault: "a member is removed from the file of one member",
      required: "a finding; it stays a member",
      reference: "that member removes the voter in all groups",
      async run(stage) {
        const [a, b, c] = stage.cluster.members as [MemberProcess, MemberProcess, MemberProcess];
        const whole = `${addressesOf([a, b, c]).join("\n")}\n`;
        await a.writeList(`${addressesOf([a, b]).join("\n")}\n`);
        try {
          const { sentence } = await finding(stage, a, "LIST_DIFFERS", new RegExp(`lacks ${c.address}`));
          await stage.cluster.formed();
          return sentence;
        } finally {
          await a.writeList(whole);
          await quiet(stage, [a, b, c], "LIST_DIFFERS", "MEMBER_UNLISTED");
        }
      },
    },
    {
      id: "S18",
      fault: "a member comes back under another address",
      required: "it is back within 5 s with the same id",
      reference: "the old voter stays; manual",
      async run(stage) {
        const [a, b, c] = stage.cluster.members as [MemberProcess, MemberProcess, MemberProcess];
        const before = c.setup;
        const old = c.address;
        const id = await idOf(c);
        await c.kill();
        const [port = 0] = await freePorts(1, ["127.0.0.2"]);
        c.setup = { ...before, host: "127.0.0.2", bind: "127.0.0.2", port };
        const whole = `${addressesOf([a, b, c]).join("\n")}\n`;
        await c.writeList(whole);
        const startedAt = performance.now();
        const readyMs = await c.start();
        await stage.cluster.formed();
        const backMs = performance.now() - startedAt - readyMs;
        assert.ok(backMs <= bound(5000), `back after ${ms(backMs)}`);
        assert.equal(await idOf(c), id);
        const shown = (await shownBy(a)).map(({ address }) => address);
        assert.ok(!shown.includes(old), `${a.name} still shows ${shown.join(", ")}`);
        for (const member of [a, b]) await member.writeList(whole);
        await stage.settled(bound(6000));
        await quiet(stage, [a, b, c], "LIST_DIFFERS", "MEMBER_UNLISTED", "MEMBER_NOT_FOUND", "MEMBER_DOWN");
        return `UP for all ${ms(backMs)} after it was ready, with its id`;
      },
    },
    {
      id: "S36",
      fault: "a member with another server identity",
      required: "refused on both sides with the same sentence; it is not ready",
      reference: "403 in a log file",
      async run(stage) {
        const [a] = stage.cluster.members as [MemberProcess];
        const other = await stage.cluster.add(addressesOf(stage.cluster.members), [
          "--nacos.core.auth.server.identity.key",
          "other",
          "--nacos.core.auth.server.identity.value",
          "secret",
        ]);
        try {
          await other.start("started");
          const [here, there] = [
            await finding(stage, a, "IDENTITY_DIFFERS"),
            await finding(stage, other, "IDENTITY_DIFFERS"),
          ];
          assert.ok(!(await shownBy(a)).some(({ address }) => address === other.address));
          for (const { sentence } of [here, there]) assert.ok(sentence.includes(other.address), sentence);
          assert.notEqual(await readinessOf(other), true);
          assert.ok(!`${here.sentence}${there.sentence}`.includes("secret"));
          return `${here.sentence} / ${there.sentence}`;
        } finally {
          await ends(stage, other);
          await quiet(stage, stage.cluster.members, "IDENTITY_DIFFERS");
        }
      },
    },
    {
      id: "S37",
      fault: "a member of another cluster is in the list",
      required: "refused, with a finding",
      reference: "mixed data",
      async run(stage) {
        const [a] = stage.cluster.members as [MemberProcess];
        const other = await stage.cluster.add([]);
        try {
          // What it holds makes its cluster one that stands.
          await other.start();
          const held = new URLSearchParams({ dataId: "held", groupName: "DEFAULT_GROUP", content: "x" });
          const answer = await fetch(`${other.url}/v3/admin/cs/config`, { method: "POST", body: held });
          assert.equal(answer.status, 200, await answer.text());
          await other.terminate();
          other.setup = { ...other.setup, list: [...addressesOf(stage.cluster.members)] };
          await other.start("started");
          const [here, there] = [
            await finding(stage, a, "CLUSTER_FOREIGN"),
            await finding(stage, other, "CLUSTER_FOREIGN"),
          ];
          assert.ok(!(await shownBy(a)).some(({ address }) => address === other.address));
          return `${here.sentence} / ${there.sentence}`;
        } finally {
          await ends(stage, other);
          await quiet(stage, stage.cluster.members, "CLUSTER_FOREIGN");
        }
      },
    },
    {
      id: "S37b",
      fault: "a member starts with a copy of another one's data folder",
      required: "the one that was there stays; the copy is refused, is not ready, and both name both",
      reference: "no ids, so nothing is noticed",
      async run(stage) {
        const [a, b, c] = stage.cluster.members as [MemberProcess, MemberProcess, MemberProcess];
        const copy = await stage.cluster.add(addressesOf([a, b, c]));
        try {
          await copy.copyIdentityOf(c);
          const from = performance.now();
          await copy.start("started");
          const sentences = new Set<string>();
          for (const member of [a, b, c, copy])
            sentences.add((await finding(stage, member, "DATA_FOLDER_COPIED")).sentence);
          const [sentence = "", ...others] = sentences;
          assert.deepEqual(others, [], "all say the same");
          assert.ok(sentence.startsWith(`${c.address} and ${copy.address} run under one member id`), sentence);
          await pause(bound(5000));
          for (const member of [a, b])
            assert.equal((await shownBy(member)).find(({ address }) => address === c.address)?.state, "UP");
          const why = await readinessOf(copy);
          assert.ok(typeof why === "string" && why.includes(c.address), `the copy says ${why}`);
          assert.equal(copy.isReady, false);
          const scope = { from, services: ["beats"], viewers: [a, b, c].map(({ name }) => name) };
          assert.deepEqual(stage.history.faults({ missingMaxMs: 0, ghostMaxMs: 0 }, performance.now(), scope), []);
          return sentence;
        } finally {
          await ends(stage, copy);
          await quiet(stage, stage.cluster.members, "DATA_FOLDER_COPIED");
        }
      },
    },
    {
      id: "S34",
      fault: "a member of a later release that does not speak this protocol any more",
      required: "mixed operation or clear refusal on both sides",
      reference: "partial",
      async run(stage) {
        const [a] = stage.cluster.members as [MemberProcess];
        const later = await stage.cluster.add(addressesOf(stage.cluster.members));
        try {
          later.setup = { ...later.setup, twist: { protocol: "3,2" } };
          await later.start("started");
          const [here, there] = [await finding(stage, a, "PROTOCOL_OLD"), await finding(stage, later, "PROTOCOL_OLD")];
          assert.ok(!(await shownBy(a)).some(({ address }) => address === later.address));
          return `${here.sentence} / ${there.sentence}`;
        } finally {
          await ends(stage, later);
          await quiet(stage, stage.cluster.members, "PROTOCOL_OLD");
        }
      },
    },
    {
      id: "S26",
      fault: "the clock of a member is 10 minutes ahead, then jumps back by 20",
      required: "nothing expires, no list changes; one finding",
      reference: "config updates ignored; 1.x heartbeats refused",
      async run(stage) {
        const three = [...stage.cluster.members];
        const wrong = await stage.cluster.add(addressesOf(three));
        try {
          wrong.setup = { ...wrong.setup, twist: { hasClock: true } };
          await wrong.setClock(0);
          await wrong.start();
          stage.observe(wrong);
          await stage.cluster.formed();
          await stage.settled(bound(6000));
          const from = performance.now();
          await wrong.setClock(CLOCK_WRONG_MS);
          const ahead = await finding(stage, wrong, "CLOCK_DIFFERS");
          await wrong.setClock(-CLOCK_WRONG_MS);
          const behind = await finding(stage, wrong, "CLOCK_DIFFERS", /behind/);
          // As long as clients may be silent.
          await pause(CLOCK_WATCH_MS);
          const faults = stage.history.faults(
            { missingMaxMs: 0, ghostMaxMs: 0, unhealthyMaxMs: 0 },
            performance.now(),
            {
              from,
              services: ["beats"],
            },
          );
          assert.deepEqual(faults, []);
          assert.deepEqual(stage.beats.failedSince(from), []);
          return `${ahead.sentence} / ${behind.sentence}`;
        } finally {
          await ends(stage, wrong);
          await quiet(stage, three, "CLOCK_DIFFERS");
        }
      },
    },
    {
      id: "S35",
      fault: "three members become five and three again, under load",
      required: "no failed call; data equal after each step",
      reference: "manual steps",
      async run(stage) {
        await stage.settled(bound(5000));
        const from = performance.now();
        const three = [...stage.cluster.members];
        const added: MemberProcess[] = [];
        const equalMs: number[] = [];
        for (let i = 0; i < 2; i++) {
          const list = addressesOf(stage.cluster.members);
          const member = await stage.cluster.add(list);
          added.push(member);
          await member.start();
          stage.observe(member);
          await stage.cluster.formed();
          equalMs.push(await stage.settled(bound(6000)));
        }
        for (const member of added) {
          const stoppedAt = performance.now();
          await member.terminate();
          equalMs.push(await stage.settled(bound(6000), stoppedAt));
        }
        for (const member of added) await stage.cluster.remove(member);
        assert.deepEqual(stage.beats.failedSince(from), []);
        const viewers = three.map(({ name }) => name);
        const scope = { from, viewers, services: ["beats"] };
        assert.deepEqual(stage.history.faults({ missingMaxMs: 0, ghostMaxMs: 0 }, performance.now(), scope), []);
        return `equal ${equalMs.map(ms).join(", ")} after each step; no failed HTTP call`;
      },
    },
    {
      id: "none",
      fault: "nothing is wrong: three members and a lone one start and run",
      required: "no finding within 30 s",
      reference: "lines of errors while members start",
      async run() {
        const [three, one] = await Promise.all([Cluster.create(), Cluster.create({ size: 1 })]);
        const all = [...three.members, ...one.members];
        const found: string[] = [];
        const until = performance.now() + (isLong ? 30_000 : 15_000);
        try {
          const starts = Promise.all(all.map((member) => member.start()));
          while (performance.now() < until) {
            const answers = await Promise.all(all.map((member) => findingsOf(member).catch(() => [])));
            answers.forEach((findings, i) => {
              for (const { code, sentence } of findings) found.push(`${all[i]?.name}: ${code}: ${sentence}`);
            });
            await pause(1_000);
          }
          await starts;
          assert.ok((await Promise.all(all.map(findingsOf))).length === all.length, "all of them answer");
        } finally {
          await Promise.all([three.dispose(), one.dispose()]);
        }
        assert.deepEqual(found, []);
        return `no finding in ${isLong ? 30 : 15} s of looking each second`;
      },
    },
    {
      id: "S38",
      fault: "a cluster of one, joined by two",
      required: "the first is ready at once; joining keeps its data",
      reference: "not ready",
      async run(stage) {
        const cluster = await Cluster.create();
        try {
          const [first, ...joining] = cluster.members as [MemberProcess, ...MemberProcess[]];
          const all = first.setup.list;
          first.setup = { ...first.setup, list: [first.address] };
          const readyMs = await first.start();
          const held = new URLSearchParams({ dataId: "held", groupName: "DEFAULT_GROUP", content: "x" });
          const kept = await fetch(`${first.url}/v3/admin/cs/config`, { method: "POST", body: held });
          assert.equal(kept.status, 200, await kept.text());
          const address = stage.openAddress();
          const client = await stage.lightAt("s38", [first.grpc]);
          const from = performance.now();
          // Into a service that the observers of the other cluster do not look at.
          await client.register("joined", address);
          for (const member of joining) member.setup = { ...member.setup, list: all };
          await Promise.all(joining.map((member) => member.start()));
          const formedMs = await cluster.formed();
          await stage.until(bound(6000), async () => {
            const lists = await Promise.all(
              cluster.members.map((member) =>
                getJson<{ hosts: { ip: string }[] }>(member, "/v1/ns/instance/list?serviceName=joined"),
              ),
            );
            return lists.flatMap(({ hosts }, i) =>
              hosts.length === 1 ? [] : [`${cluster.at(i).name} shows ${hosts.length} instances`],
            );
          });
          const tookMs = performance.now() - from;
          const query = "/v3/admin/cs/config?dataId=held&groupName=DEFAULT_GROUP";
          await stage.until(bound(6000), async () => {
            const shown = await Promise.all(
              joining.map((member) => getJson<{ data: { content: string } }>(member, query).catch(() => undefined)),
            );
            return shown.flatMap((answer, i) => (answer?.data.content === "x" ? [] : [`${joining[i]?.name} lacks it`]));
          });
          await quiet(
            stage,
            cluster.members,
            "DURABLE_DATA_APART",
            "MEMBER_NO_VOTER",
            "MAJORITY_LOST",
            "LEADER_LACKING",
          );
          await client.deregister("joined", address);
          client.kill();
          return `the first was ready in ${ms(readyMs)}; all three UP ${ms(formedMs)} after the others were ready, with its data (${ms(tookMs)} after the registration)`;
        } finally {
          await cluster.dispose();
        }
      },
    },
  ],
};
