/** Links that break between members that run. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { Random } from "@nacre/testkit/random";
import { TcpProxy } from "@nacre/testkit/tcp-proxy";
import { shownBy } from "../lib/cluster.ts";
import { findingOf, findingsOf } from "../lib/looks.ts";
import type { MemberProcess } from "../lib/member-process.ts";
import { type Act, bound, isLong, ms } from "../lib/scenario.ts";
import type { Stage } from "../lib/stage.ts";

const PARTITION_MS = isLong ? 60_000 : 16_000;
const ONE_WAY_MS = isLong ? 60_000 : 15_000;
const DISTURBED_MS = isLong ? 60_000 : 15_000;
const PAUSE_MS = 10_000;
/** How long the views are looked at for what shows up late. */
const LATE_MS = 7000;
const SEED = 20_261;

function three(stage: Stage): [MemberProcess, MemberProcess, MemberProcess] {
  return stage.cluster.members as [MemberProcess, MemberProcess, MemberProcess];
}

/** A finding with this code, and the milliseconds until it was there. */
async function found(stage: Stage, member: MemberProcess, code: string, maxMs: number, since: number): Promise<string> {
  let sentence = "";
  await stage.until(
    maxMs,
    async () => {
      const finding = await findingOf(member, code);
      sentence = finding?.sentence ?? "";
      const others = (await findingsOf(member)).map((each) => each.code).join(", ");
      return finding === undefined ? [`${member.name} does not say ${code} but ${others}`] : [];
    },
    since,
  );
  return sentence;
}

/** Breaks one direction between two members, and looks how all of them show each other. */
async function oneWay(
  stage: Stage,
  cut: (a: MemberProcess, b: MemberProcess) => void,
  codes: readonly string[],
): Promise<string> {
  const [a, b, c] = three(stage);
  await stage.settled(bound(5000));
  const from = performance.now();
  cut(a, b);
  try {
    const states = new Map<string, string>();
    const changes: string[] = [];
    let sentence = "";
    while (performance.now() < from + ONE_WAY_MS) {
      for (const member of [a, b, c])
        for (const { address, state } of await shownBy(member)) {
          const key = `${member.name} on ${address}`;
          const before = states.get(key);
          if (before !== undefined && before !== state) changes.push(`${key}: ${before} to ${state}`);
          states.set(key, state);
        }
      for (const member of [a, b, c])
        sentence ||= (await findingsOf(member)).find(({ code }) => codes.includes(code))?.sentence ?? "";
      await pause(200);
    }
    assert.deepEqual(
      changes.filter((change) => change.endsWith("DOWN")),
      [],
    );
    assert.ok(changes.length <= 4, changes.join("; "));
    assert.ok(sentence.includes(a.setup.host) && sentence.includes(b.setup.host), `${codes.join()}: <${sentence}>`);
    const faults = stage.history.faults({ missingMaxMs: 0, ghostMaxMs: 0 }, performance.now(), {
      from,
      services: ["beats"],
    });
    assert.deepEqual(faults, []);
    return `${changes.length} changes of state in ${ms(ONE_WAY_MS)}, none to DOWN; ${sentence}`;
  } finally {
    stage.cluster.mend();
    await stage.cluster.formed();
    await stage.settled(bound(6000));
  }
}

export const cuts: Act = {
  name: "links that break",
  setup: { hasProxies: true },
  scenarios: [
    {
      id: "S09",
      fault: "partition of one and two for 60 s",
      required: "both sides serve; the minority says so; equal within 6 s after it heals",
      reference: "serves; equal after 5-11 s",
      async run(stage) {
        const [a, b, c] = three(stage);
        const [old, left, right] = [stage.openAddress(), stage.openAddress(), stage.openAddress()];
        const clientOld = await stage.light("s09-old", a, []);
        const [clientA, clientB] = [await stage.light("s09-a", a, []), await stage.light("s09-b", b, [])];
        await clientOld.register("guests", old);
        await stage.settled(bound(5000));
        const links = stage.cluster.linksBetween([a], [b, c]);
        const from = performance.now();
        for (const link of links) link.stall();
        try {
          await clientA.register("guests", left);
          const leftMs = await stage.shows(true, "guests", left, bound(1000), performance.now(), [a]);
          await clientB.register("guests", right);
          const rightMs = await stage.shows(true, "guests", right, bound(1000), performance.now(), [b, c]);
          const said = await found(stage, a, "ISOLATED", bound(12_000), from);
          await pause(Math.max(0, from + PARTITION_MS - performance.now()));
          assert.equal(await findingOf(b, "ISOLATED"), undefined);
          assert.deepEqual(stage.beats.failedSince(from + bound(3000)), []);
          const healedAt = performance.now();
          stage.cluster.mend();
          const equalMs = await stage.settled(bound(6000), healedAt);
          // What lived before was shown on both sides all the time.
          const scope = { from, services: ["beats"] };
          const { missing, empty } = stage.history.measure(performance.now(), 0, scope);
          assert.deepEqual([missing.ms > bound(500) ? missing : "", ...empty], [""]);
          return `a write is seen on its side after ${ms(leftMs)} and ${ms(rightMs)}; no failed HTTP call after 3 s; the minority says: ${said}; equal ${ms(equalMs)} after ${ms(healedAt - from)} of partition`;
        } finally {
          stage.cluster.mend();
          await clientOld.deregister("guests", old);
          await clientA.deregister("guests", left);
          await clientB.deregister("guests", right);
          clientOld.kill();
          clientA.kill();
          clientB.kill();
          await stage.cluster.formed();
          await stage.settled(bound(6000));
        }
      },
    },
    {
      id: "S11",
      fault: "one member cannot connect to another one, which can connect to it",
      required: "nobody flaps, nobody is DOWN; a finding names the direction",
      reference: "UP and DOWN in turns",
      run: (stage) => oneWay(stage, (a, b) => stage.cluster.link(a, b).stall(), ["LINK_ONE_WAY"]),
    },
    {
      id: "S11b",
      fault: "nothing that one member sends arrives at another one, whose packets arrive",
      required: "nobody flaps, nobody is DOWN; a finding names both",
      reference: "UP and DOWN in turns",
      // Without answers no connection can be made in either direction.
      run: (stage) => oneWay(stage, (a, b) => stage.cluster.deafen(a, b), ["LINK_BROKEN", "MEMBER_FLAPS"]),
    },
    {
      id: "S12",
      fault: "links stall for up to 2 s, are slow and are reset, by a seed",
      required: "each member always shows its own clients; equal within 6 s afterwards; nothing comes back",
      reference: "older lists replace newer ones until the next verification",
      async run(stage) {
        const members = three(stage);
        await stage.settled(bound(5000));
        const clients = await Promise.all(members.map((member, i) => stage.light(`s12-${i}`, member, [])));
        const random = new Random(SEED);
        const from = performance.now();
        const until = from + DISTURBED_MS;
        const disturb = async () => {
          while (performance.now() < until) {
            const [one, other] = [random.pick(members), random.pick(members)];
            const link = stage.cluster.link(one, other);
            const what = random.below(4);
            if (what === 0) link.reset();
            else if (what === 1) link.up.delay(random.below(300));
            else {
              const way = what === 2 ? link.up : link.down;
              way.stall();
              setTimeout(() => way.mend(), random.below(2000));
            }
            await pause(random.below(400));
          }
        };
        let changes = 0;
        const churn = clients.map(async (client) => {
          while (performance.now() < until) {
            const address = stage.openAddress();
            await client.register("guests", address);
            await pause(50);
            await client.deregister("guests", address);
            changes += 2;
          }
          await client.register("guests", stage.openAddress());
        });
        await Promise.all([disturb(), ...churn]);
        const healedAt = performance.now();
        for (const one of members) for (const other of members) stage.cluster.link(one, other).up.delay(0);
        stage.cluster.mend();
        const equalMs = await stage.settled(bound(6000), healedAt);
        await pause(5000);
        await stage.settled(bound(1000));
        const { missing, empty } = stage.history.measure(performance.now(), 0, { from, services: ["beats"] });
        assert.deepEqual(empty, []);
        assert.ok(missing.ms <= bound(1000), `${missing.where} was missing for ${ms(missing.ms)}`);
        for (const client of clients) client.kill();
        await stage.cluster.formed();
        await stage.settled(bound(3000));
        return `${changes} changes in ${ms(DISTURBED_MS)}, seed ${SEED}; equal ${ms(equalMs)} afterwards; nothing came back`;
      },
    },
    {
      id: "S13",
      fault: "the message that removes an instance is lost",
      required: "gone within 3 s",
      reference: "180 s",
      async run(stage) {
        const [a, b, c] = three(stage);
        const address = stage.address();
        const client = await stage.light("s13", a, []);
        await client.register("guests", address);
        await stage.settled(bound(5000));
        const link = stage.cluster.link(a, c);
        link.up.silence();
        const before = link.up.lostBytes;
        const from = performance.now();
        client.kill();
        await stage.shows(false, "guests", address, bound(600), from, [a, b]);
        await stage.until(bound(3000), () => (link.up.lostBytes > before ? [] : ["nothing was lost yet"]));
        stage.cluster.mend();
        const goneMs = await stage.shows(false, "guests", address, bound(3000), from);
        await stage.cluster.formed();
        return `gone everywhere after ${ms(goneMs)}`;
      },
    },
    {
      id: "S14",
      fault: "a member stands still for 10 s",
      required: "none of its clients is removed; no 5xx by the others",
      reference: "SUSPICIOUS, the ring moves",
      async run(stage) {
        const [a, b, c] = three(stage);
        const address = stage.openAddress();
        const client = await stage.light("s14", b, []);
        await client.register("guests", address);
        const mover = await stage.light("s14-moves", b, [c]);
        await mover.register("guests", stage.openAddress());
        await stage.settled(bound(5000));
        const from = performance.now();
        b.freeze();
        await pause(PAUSE_MS / 2);
        // The frozen member reads of it when it goes on, before it hears from the others.
        mover.move();
        await pause(PAUSE_MS / 2);
        b.thaw();
        const thawedAt = performance.now();
        const viewers = [a.name, c.name];
        const now = performance.now();
        assert.deepEqual(stage.history.faults({ missingMaxMs: 0, ghostMaxMs: 0 }, now, { from, viewers }), []);
        const failures = stage.beats.failedSince(from).filter(({ member }) => member !== b.name);
        assert.deepEqual(failures, []);
        const equalMs = await stage.settled(bound(6000), thawedAt);
        await stage.cluster.formed();
        const formedMs = performance.now() - thawedAt;
        await pause(LATE_MS);
        assert.deepEqual(
          stage.history.faults({ missingMaxMs: 0, ghostMaxMs: bound(1000) }, performance.now(), { from: thawedAt }),
          [],
        );
        await client.deregister("guests", address);
        client.kill();
        mover.kill();
        return `nothing missing anywhere, no failed HTTP call at the others; equal ${ms(equalMs)} after it went on, all UP after ${ms(formedMs)}`;
      },
    },
    {
      id: "S06",
      fault: "the machine of a client loses power",
      required: "gone everywhere within 28 s",
      reference: "28 s and 1.2 s",
      async run(stage) {
        const [host = "", port] = three(stage)[0].grpc.split(":");
        const proxy = await TcpProxy.listen({ to: { host, port: Number(port) } });
        try {
          const address = stage.address();
          const client = await stage.lightAt("s06", [`127.0.0.1:${proxy.address.port}`]);
          await client.register("guests", address);
          await stage.settled(bound(5000));
          const from = performance.now();
          proxy.link.stall();
          client.ended(from);
          const goneMs = await stage.shows(false, "guests", address, bound(28_000), from);
          client.kill();
          return `gone everywhere after ${ms(goneMs)}`;
        } finally {
          await proxy.close();
        }
      },
    },
  ],
};
