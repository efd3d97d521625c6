/** Members that end and come back under a fleet of real SDKs. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { TcpProxy } from "@nacre/testkit/tcp-proxy";
import { connectionsOf } from "../lib/looks.ts";
import type { MemberProcess } from "../lib/member-process.ts";
import { type Act, bound, isLong, ms } from "../lib/scenario.ts";
import type { Stage } from "../lib/stage.ts";

/** How long after a fault the views are looked at, for what shows up late. */
const LATE_MS = 7000;
/** Members write down what their clients publish a moment after they have answered: no write waits for a disk. */
const JOURNAL_MS = 500;
const TELL_MS = 600;
/** A member that stops tells its clients at once, as long as they are few, and ends what is left 3 s later (Go's). */
const MOVE_MS = 3500;
/** SDKs say again what they published in rounds of 3 s. */
const REDO_MS = 3000;

/** Nothing that lived all along was ever missing, in what members and applications were shown. */
function nothingShrank(stage: Stage, from: number): string {
  const now = performance.now();
  const { history } = stage;
  const viewers = [...stage.cluster.members.map(({ name }) => name), ...stage.quickApps];
  const scope = { from, services: ["apps", "beats"] };
  const { missing } = history.measure(now, 0, { ...scope, viewers });
  assert.deepEqual(history.faults({ missingMaxMs: 0, ghostMaxMs: bound(1000) }, now, { ...scope, viewers }), []);
  assert.deepEqual(history.measure(now, 0, scope).empty, []);
  return `longest absence of a live instance ${ms(missing.ms)}`;
}

function noFailures(stage: Stage, from: number): string {
  const failures = stage.beats.failedSince(from);
  const stopping = failures.filter(({ isStopping }) => isStopping).length;
  assert.deepEqual(
    failures.filter(({ isStopping }) => !isStopping),
    [],
  );
  return stopping === 0 ? "no failed HTTP call" : `${stopping} HTTP calls sent to another member, none failed`;
}

type Counts = ReadonlyMap<string, number>;

const EVEN_MAX_MS = 300_000;
const SLOW_CLIENTS = /Rust|Python/;
const SLOW_MAX_MS = 40_000;

/** Until each client is connected to one of these, with the time that each took. */
async function reconnected(
  stage: Stage,
  before: Counts,
  since: number,
  maxMs: number,
  members = stage.cluster.running,
): Promise<string> {
  const tookMs = new Map<string, number>();
  await stage.until(
    SLOW_MAX_MS,
    async () => {
      const now: Counts = await connectionsOf(members).catch(() => new Map());
      const at = performance.now() - since;
      for (const [version, count] of before)
        if ((now.get(version) ?? 0) < count) tookMs.delete(version);
        else if (!tookMs.has(version)) tookMs.set(version, at);
      return [...before.keys()]
        .filter((version) => !tookMs.has(version))
        .map((version) => `${version} is not connected`);
    },
    since,
  );
  const late = [...tookMs].filter(([version, took]) => took > maxMs && !SLOW_CLIENTS.test(version));
  assert.deepEqual(late, [], `not within ${ms(maxMs)}`);
  const name = (version: string) => version.replace("Nacos-", "").replace("-Client:", " ");
  const worst = [...tookMs].sort(([, x], [, y]) => x - y).map(([version, took]) => `${name(version)} ${ms(took)}`);
  return worst.join(", ");
}

function sum(counts: Counts): number {
  return [...counts.values()].reduce((total, count) => total + count, 0);
}

/** Connections of clients at each member. */
function shares({ cluster }: Stage): Promise<number[]> {
  return Promise.all(cluster.members.map(async (each) => sum(await connectionsOf([each]))));
}

/** Those of Python may be away for minutes of their own accord. */
const AWAY = /Python/;

/**
 * Until each client of before is connected and no member has more than one above the average: two minutes of quiet, one of
 * watching, then one a second.
 */
async function even(stage: Stage, before: Counts): Promise<number> {
  return stage.until(EVEN_MAX_MS, async () => {
    const now = await connectionsOf(stage.cluster.running);
    const counts = await shares(stage);
    const missing = [...before]
      .filter(([version, count]) => !AWAY.test(version) && (now.get(version) ?? 0) < count)
      .map(([version, count]) => `of ${version} ${now.get(version) ?? 0} of ${count} are connected`);
    const isEven = Math.max(...counts) <= sum(before) / counts.length + 1;
    return isEven ? missing : [...missing, `connections are ${counts.join(", ")}`];
  });
}

/** The member whose end most applications notice. */
async function busiest(stage: Stage): Promise<MemberProcess> {
  const counts = await shares(stage);
  return stage.cluster.at(counts.indexOf(Math.max(...counts)));
}

async function comeBack(stage: Stage, member: MemberProcess): Promise<number> {
  const tookMs = await member.start();
  await stage.cluster.formed();
  return tookMs;
}

export const fleet: Act = {
  name: "a fleet of SDKs",
  hasSdks: true,
  scenarios: [
    {
      id: "S05",
      fault: "a client is reset on a live owner",
      required: "gone for the owner's subscribers within 0.3 s, for all within 0.6 s",
      reference: "0.6 s, 1.8 s",
      async run(stage) {
        const owner = stage.cluster.at(0);
        const [host = "", port] = owner.grpc.split(":");
        const proxy = await TcpProxy.listen({ to: { host, port: Number(port) } });
        try {
          const address = stage.address();
          const client = await stage.lightAt("s05", [`127.0.0.1:${proxy.address.port}`]);
          await client.register("guests", address);
          await stage.shows(true, "guests", address, bound(1000), performance.now());
          const resetAt = performance.now();
          client.ended(resetAt);
          proxy.link.refuse();
          const [ownerMs, allMs] = await Promise.all([
            stage.shows(false, "guests", address, bound(300), resetAt, [owner]),
            stage.shows(false, "guests", address, bound(600), resetAt),
          ]);
          client.kill();
          return `owner ${ms(ownerMs)}, all ${ms(allMs)}`;
        } finally {
          await proxy.close();
        }
      },
    },
    {
      id: "S01",
      fault: "kill -9 one of three",
      required: "SDKs reconnect within 1 s; no list shrinks; no 5xx after 3 s",
      reference: "lists may shrink; HTTP 500 for 10-20 s",
      async run(stage) {
        const victim = await busiest(stage);
        const others = stage.cluster.members.filter((member) => member !== victim);
        await stage.settled(bound(5000));
        const before = await connectionsOf(stage.cluster.running);
        const from = performance.now();
        await victim.kill();
        const reconnects = await reconnected(stage, before, from, bound(1000));
        const address = stage.address();
        const writer = await stage.light("s01", others[0] as MemberProcess);
        const writtenAt = performance.now();
        await writer.register("guests", address);
        const seenMs = await stage.shows(true, "guests", address, bound(1000), writtenAt, others);
        await pause(LATE_MS);
        const late = noFailures(stage, from + bound(3000));
        const shrank = nothingShrank(stage, from);
        await writer.deregister("guests", address);
        writer.kill();
        const startMs = await comeBack(stage, victim);
        await stage.settled(bound(6000));
        nothingShrank(stage, from);
        return `reconnected: ${reconnects}; a write is seen by the others after ${ms(seenMs)}; ${shrank}; ${late} after 3 s; back in ${ms(startMs)}`;
      },
    },
    {
      id: "S02",
      fault: "TERM one of three",
      required: "no error, no list change; connections moved before the exit",
      reference: "broken connections, possibly an empty push",
      async run(stage) {
        const leaver = await busiest(stage);
        await stage.settled(bound(5000));
        const before = await connectionsOf(stage.cluster.running);
        const from = performance.now();
        const others = stage.cluster.members.filter((member) => member !== leaver);
        const [stopMs, reconnects] = await Promise.all([
          leaver.terminate(),
          reconnected(stage, before, from, bound(MOVE_MS), others),
        ]);
        await pause(LATE_MS);
        const said = [noFailures(stage, from), nothingShrank(stage, from)];
        const startMs = await comeBack(stage, leaver);
        await stage.settled(bound(6000));
        nothingShrank(stage, from);
        return `stopped in ${ms(stopMs)}; connected elsewhere after: ${reconnects}; ${said.join("; ")}; back in ${ms(startMs)}`;
      },
    },
    {
      id: "S07",
      fault: "owner and client are killed together",
      required: "unhealthy within 15 s and the 0.6 s that telling takes, gone within 45 s",
      reference: "healthy for up to 185 s",
      async run(stage) {
        const owner = stage.cluster.at(2);
        const others = stage.cluster.members.filter((member) => member !== owner);
        const address = stage.address();
        const client = await stage.light("s07", owner);
        await client.register("guests", address);
        await stage.settled(bound(5000));
        const from = performance.now();
        client.abandon();
        await owner.kill();
        client.kill();
        await stage.shows(false, "guests", address, bound(45_000), from, others);
        const now = performance.now();
        const healthyMs = (stage.history.lastShown("guests", address, now, true) ?? from) - from;
        const goneMs = (stage.history.lastShown("guests", address, now) ?? from) - from;
        assert.ok(healthyMs <= bound(15_000) + TELL_MS, `shown as healthy for ${ms(healthyMs)}`);
        const shrank = nothingShrank(stage, from);
        await comeBack(stage, owner);
        await stage.settled(bound(6000));
        return `unhealthy after ${ms(healthyMs)}, gone after ${ms(goneMs)}; ${shrank}`;
      },
    },
    {
      id: "S08",
      fault: "the owner is killed; its client moves, then deregisters",
      required: "gone everywhere within 1 s",
      reference: "up to 185 s",
      async run(stage) {
        const owner = stage.cluster.at(0);
        const others = stage.cluster.members.filter((member) => member !== owner);
        const address = stage.address();
        const client = await stage.light("s08", owner);
        await client.register("guests", address);
        await stage.settled(bound(5000));
        const from = performance.now();
        await owner.kill();
        await stage.until(bound(3000), () =>
          client.at === undefined || client.at === owner.grpc ? ["it has not moved"] : [],
        );
        await client.deregister("guests", address);
        const goneMs = await stage.shows(false, "guests", address, bound(1000), performance.now(), others);
        await comeBack(stage, owner);
        await stage.settled(bound(6000));
        await pause(LATE_MS);
        // Neither the copy of its first life nor the journal of the owner brings it back.
        const faults = stage.history.faults({ missingMaxMs: bound(3000), ghostMaxMs: bound(1000) }, performance.now(), {
          from,
          services: ["guests"],
        });
        assert.deepEqual(faults, []);
        client.kill();
        return `gone after ${ms(goneMs)}, and stays away when the owner is back`;
      },
    },
    {
      id: "S03",
      fault: "rolling restart of all three, 10 s apart",
      required: "no error, no list change; connections even again within 5 min",
      reference: "ghosts for 180 s, connections uneven",
      async run(stage) {
        await stage.settled(bound(5000));
        // Right after the restarts a client may be counted twice, or not at all.
        const clients = await connectionsOf(stage.cluster.running);
        const from = performance.now();
        const stopsMs: number[] = [];
        for (const member of stage.cluster.members) {
          stopsMs.push(await member.terminate());
          await comeBack(stage, member);
          await pause(isLong ? 10_000 : REDO_MS);
        }
        await stage.settled(bound(6000));
        await pause(LATE_MS);
        noFailures(stage, from);
        nothingShrank(stage, from);
        const before = await shares(stage);
        let evened = "";
        if (isLong) {
          const evenMs = await even(stage, clients);
          evened = `, even after ${ms(evenMs)}: ${(await shares(stage)).join(", ")}`;
          // Those that were sent elsewhere last have to be kept until they have said again what they publish.
          await stage.settled(bound(SLOW_MAX_MS));
          await pause(LATE_MS);
        }
        const said = [noFailures(stage, from), nothingShrank(stage, from)];
        return `stops took ${stopsMs.map(ms).join(", ")}; ${said.join("; ")}; connections then ${before.join(", ")}${evened}`;
      },
    },
    {
      id: "S04",
      fault: "all three are killed and started together",
      required: "ready within 10 s; all instances back within 6 s after clients have reconnected; none lost",
      reference: "30 s and more; instances may be lost",
      async run(stage) {
        await stage.settled(bound(5000));
        const { members } = stage.cluster;
        const before = await connectionsOf(members);
        const from = performance.now();
        await Promise.all(members.map((member) => member.kill()));
        await Promise.all(members.map((member) => member.start()));
        const readyMs = performance.now() - from;
        assert.ok(readyMs <= bound(10_000), `ready after ${ms(readyMs)}`);
        const readyAt = performance.now();
        // SDKs wait longer with each try in vain; that is theirs.
        const reconnects = await reconnected(stage, before, readyAt, SLOW_MAX_MS);
        const backMs = await stage.settled(bound(6000));
        await pause(LATE_MS);
        await stage.cluster.formed();
        await stage.settled(bound(1000));
        // From the first list on that any of them showed.
        const { missing, empty } = stage.history.measure(performance.now(), 0, { from, services: ["apps", "beats"] });
        assert.deepEqual(empty, []);
        assert.ok(missing.ms <= bound(1000), `${missing.where} was missing for ${ms(missing.ms)}`);
        return `ready after ${ms(readyMs)}, clients connected after: ${reconnects}; all instances back ${ms(backMs)} after that; longest absence in any list ${ms(missing.ms)}`;
      },
    },
    {
      id: "S04b",
      fault: "full restart while one member holds older copies",
      required: "no registration is lost or replaced by the older copy; nothing that was removed comes back",
      reference: "instances lost until their clients restart",
      async run(stage) {
        const [old, ...others] = stage.cluster.members as [MemberProcess, ...MemberProcess[]];
        await stage.settled(bound(5000));
        const [removed, moved, fresh] = [stage.address(), stage.address(), stage.address()];
        const client = await stage.light("s04b", others[0] as MemberProcess, others.slice(1));
        await client.register("guests", removed);
        await stage.settled(bound(3000));
        const from = performance.now();
        // What it holds, and journals, is older from here on.
        await old.kill();
        await client.deregister("guests", removed);
        await client.register("guests", moved);
        await pause(JOURNAL_MS);
        await Promise.all(others.map((member) => member.kill()));
        // It is the first that is back: whoever loads from it loads what is old.
        await Promise.all([old.start(), ...others.map((member) => member.start())]);
        const late = await stage.light("s04b-late", old, []);
        await late.register("apps", fresh);
        await stage.cluster.formed();
        const backMs = await stage.settled(bound(8000));
        await pause(LATE_MS);
        await stage.settled(bound(1000));
        const now = performance.now();
        const ghostMs = (stage.history.lastShown("guests", removed, now) ?? from) - from;
        assert.ok(!stage.history.alive("guests", now).includes(removed));
        await client.deregister("guests", moved);
        await late.deregister("apps", fresh);
        client.kill();
        late.kill();
        return `all equal ${ms(backMs)} after the members had met; the removed instance was shown for ${ms(ghostMs)} in all`;
      },
    },
  ],
};
