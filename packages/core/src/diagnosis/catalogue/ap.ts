import type { PeerFacts as DistroPeer } from "../../distro/facts.ts";
import { seconds } from "../../lib/units.ts";
import type { FindingCode, Named } from "../finding.ts";
import { lifeKey } from "../memory.ts";
import {
  aboutSelf,
  linkError,
  named,
  namedBy,
  type Observed,
  pairKey,
  peerBy,
  peersOf,
  type Row,
  type View,
} from "../view.ts";
import { clockText, count, durationText, listText } from "../words.ts";

/** A load that has got on within this time is no fault, however much there is to load. */
const LOAD_STILL_MS = seconds(5);
/** Digests until what is repaired is repaired. */
const REPAIR_DIGESTS = 2;
const BEHIND_CLIENTS = 1000;
const TAKEN_NONE_MS = seconds(4);
/** Removals of lost clients may be late by this: their owner may be back, and there may be many. */
const LATE_MS = seconds(10);

/** Findings about copies of what clients publish, and about what has none. */
export const AP_ROWS = {
  // F01, F04, F42, F43
  NAMING_NOT_LOADED: {
    severity: "error",
    area: "ap",
    title: "Naming is not loaded",
    means:
      "This member lets no client in yet, so that none is shown lists that lack instances. After 30 s it serves what it has, unless most of the listed members refuse it.",
    why: "A member that is up does not send what it holds: it hangs, or its member port (main port + 1001) lets nothing through.",
    fix: "Look at the members that are named: whether they run, and whether their member port is open to this one.",
    afterMs: seconds(1),
    goneMs: seconds(1),
    find: (view) => {
      const { distro } = view.facts;
      const load = distro?.load;
      if (distro === undefined || load === undefined || distro.ready !== undefined) return [];
      // Who refuses it, and why, is a finding of its own.
      if (load.refused !== undefined) return [];
      const stillMs = view.now - (view.memory.load?.at ?? view.now);
      if (Math.min(stillMs, load.forMs) < LOAD_STILL_MS) return [];
      const awaited = distro.peers.filter(isAwaited).map(({ id }) => namedBy(view, id));
      const sentence = `Naming is not loaded at ${view.self.address} after ${durationText(load.forMs)}: ${loadText(view)}; see that the members named run and that their member ports are open to it.`;
      return [{ key: view.self.id, since: view.now - load.forMs, members: awaited, sentence }];
    },
  },

  // F01, F43
  NAMING_LOADED_LATE: {
    severity: "warning",
    area: "ap",
    title: "A member serves although it has not loaded everything",
    means: "Lists of this member may lack instances until it has compared itself with the members that are named.",
    why: "Loading took longer than 30 s, after which a member serves what it has.",
    fix: "As for `NAMING_NOT_LOADED`. What is missing comes by itself.",
    afterMs: seconds(1),
    find: (view) => {
      const { distro } = view.facts;
      if (distro?.ready !== "late") return [];
      const missing = distro.peers.filter((peer) => peer.reachable && peer.equalForMs === undefined);
      if (missing.length === 0) return [];
      const members = missing.map(({ id }) => namedBy(view, id));
      const sentence = `${view.self.address} serves without having loaded all that ${listText(members.map(({ address }) => address))} ${members.length === 1 ? "holds" : "hold"}; it goes on comparing: see that they run and that their member ports are open to it.`;
      return [{ key: view.self.id, members, sentence }];
    },
  },

  // F06, F31
  COPIES_DIFFER: {
    severity: "error",
    area: "ap",
    title: "Members hold different copies",
    means: "Consumers at one member see instances that those at another do not see.",
    why: "Members compare what they hold every two seconds and repair what differs; here the same difference stays.",
    fix: "Restart the member that lacks something: it loads everything anew. Please report it with the answer of `nacre doctor --json`.",
    afterMs: seconds(1),
    find: (view) => {
      const { peers = [], times: { digestMs = 0 } = {} } = view.facts.distro ?? {};
      const repairedMs = REPAIR_DIGESTS * digestMs;
      return peers.flatMap((peer): Observed[] => {
        const { id, reachable, sameDifferenceForMs: forMs, differences } = peer;
        if (!reachable || forMs === undefined || forMs < repairedMs) return [];
        const other = namedBy(view, id);
        const parts = differences.map(({ owner, more }) => differenceText(view, other, owner, more));
        const sentence = `${view.self.address} and ${other.address} differ since ${clockText(view.now - forMs)}: ${listText(parts)}; it is not repaired by itself: restart the one that lacks something.`;
        return [{ key: pairKey(view.self.id, id), since: view.now - forMs, members: [view.self, other], sentence }];
      });
    },
  },

  // F45, F46
  PEER_BEHIND: {
    severity: "warning",
    area: "ap",
    title: "A member takes changes too slowly",
    means:
      "Consumers at that member see changes late. Nothing is lost: what waits is one entry per client, and digests repair the rest.",
    why: "The member is overloaded or stands still, or the network to it is full.",
    fix: "Look at the load of the member that is named. If it takes nothing at all, restart it.",
    afterMs: seconds(2),
    goneMs: seconds(2),
    find: (view) =>
      (view.facts.distro?.peers ?? []).flatMap((peer): Observed[] => {
        const backlog = view.memory.backlogs.get(peer.id);
        if (!peer.reachable || backlog === undefined || backlog.waiting === 0) return [];
        const stillMs = view.now - backlog.movedAt;
        if (peer.pending < BEHIND_CLIENTS && stillMs < TAKEN_NONE_MS) return [];
        const other = namedBy(view, peer.id);
        const behind =
          peer.pending === 0 ? "has not acknowledged changes" : `is ${count(peer.pending, "client")} behind`;
        const rate =
          stillMs >= TAKEN_NONE_MS
            ? `has taken nothing since ${clockText(backlog.movedAt)}`
            : `takes ${backlog.perSecond} a second`;
        const sentence = `${other.address} ${behind} what ${view.self.address} tells it and ${rate}; look at its load.`;
        return [{ key: `${view.self.id}>${peer.id}`, members: [other], sentence }];
      }),
  },

  // F09, F11
  OWNER_LOST: {
    severity: "warning",
    area: "ap",
    title: "Clients lost the member that they were at",
    means:
      "Their instances stay in lists for 15 s, are then unhealthy unless they answer a probe, and are gone after 45 s; HTTP clients that agreed on heartbeats further apart are waited for longer. Removals are held back meanwhile, so that lists do not shrink because of a restart.",
    why: "A member was started anew without having been stopped first, several were stopped together, or one was forgotten.",
    fix: "Nothing: clients come back by themselves. Stop members one after the other, with TERM rather than KILL, so that they hand their clients over first.",
    afterMs: seconds(5),
    goneMs: seconds(1),
    find: (view) => {
      const { orphans = [], times: { expiryMs = 0 } = {} } = view.facts.distro ?? {};
      return orphans.flatMap((life): Observed[] => {
        const { owner, incarnation, clients, probing, answering, unhealthy, lostForMs } = life;
        if (owner === view.self.id || lostForMs === undefined || clients === 0) return [];
        // The clients of a planned stop were handed over; those that have not come back after all are told of.
        if (view.memory.planned.has(lifeKey(owner, incarnation)) && unhealthy === 0) return [];
        const since = view.now - lostForMs;
        const member = namedBy(view, owner);
        const rest =
          lostForMs < expiryMs + LATE_MS
            ? `what does not come back is removed at ${clockText(since + expiryMs)}`
            : "what agreed on heartbeats that are further apart is waited for";
        const sentence = `${count(clients, "client")} that ${clients === 1 ? "was" : "were"} at ${member.address} lost it at ${clockText(since)} (${probing} being probed, ${answering} answering, ${unhealthy} unhealthy); ${rest}: nothing is to be done.`;
        return [{ key: lifeKey(owner, incarnation), since, members: [member], sentence }];
      });
    },
  },

  // F28, F29
  FORWARDING_FAILS: {
    severity: "warning",
    area: "ap",
    title: "Writes of HTTP clients cannot be passed on",
    means: "This member serves these clients itself until their owner can be reached: no heartbeat is lost.",
    why: "The member that owns them is up and does not answer calls in time.",
    fix: "Look at the load of the member that is named.",
    afterMs: seconds(1),
    find: (view) =>
      view.facts.forwarding.map(({ to, since, error, clients }) => {
        const member = namedBy(view, to);
        return {
          key: `${view.self.id}>${to}`,
          since,
          members: [member],
          sentence: `${view.self.address} cannot pass writes of HTTP clients on to ${member.address} since ${clockText(since)} (${error}) and serves ${count(clients, "client")} in its place; look at the load of ${member.address}.`,
        };
      }),
  },

  // F12
  CLIENTS_NOT_BACK: {
    severity: "warning",
    area: "clients",
    title: "Clients have not come back after a restart",
    means: "Their instances are shown as unhealthy, and are removed 45 s after the restart.",
    why: "They ended while this member was away, lost its address, or are of a version that does not register again by itself.",
    fix: "Look at the applications: whether they run, and whether they name this cluster's present addresses. Nacos clients before 1.4.2 can stop registering for good and should be upgraded.",
    afterMs: seconds(1),
    goneMs: seconds(1),
    find: (view) => {
      // Of its present life those are orphans that another member is to take over, and has not heard yet.
      const lives = (view.facts.distro?.orphans ?? []).filter(
        ({ owner, unhealthy, lostForMs }) => owner === view.self.id && unhealthy > 0 && lostForMs !== undefined,
      );
      if (lives.length === 0) return [];
      const unhealthy = lives.reduce((sum, life) => sum + life.unhealthy, 0);
      const lostForMs = Math.max(...lives.map((life) => life.lostForMs ?? 0));
      const sentence = `${count(unhealthy, "client")} of before the restart of ${view.self.address} ${unhealthy === 1 ? "has" : "have"} not come back within ${durationText(lostForMs)} and ${unhealthy === 1 ? "is" : "are"} shown as unhealthy; look whether these applications run.`;
      return [{ key: view.self.id, since: view.now - lostForMs, members: aboutSelf(view), sentence }];
    },
  },

  DURABLE_DATA_APART: {
    severity: "warning",
    area: "cp",
    title: "A member that keeps nothing on disk holds durable data that the others lack",
    means:
      "Who asks another member for those configurations, namespaces and persistent instances is answered that there are none, nobody can change them, and they are gone when this member stops.",
    why: "A server without a data folder votes in no group. They were made while it was alone, and others were added since.",
    fix: "Start it with a data folder (`--data`), and copy them into the cluster with `nacre import` before.",
    afterMs: seconds(2),
    find: (view) => {
      const { durable, group } = view.facts;
      const others = peersOf(view).filter(({ state }) => state === "UP");
      if (group !== undefined || durable === undefined || others.length === 0) return [];
      const { configs, namespaces, persistentInstances } = durable;
      const held = [
        ...(configs > 0 ? [count(configs, "configuration")] : []),
        ...(namespaces > 0 ? [count(namespaces, "namespace")] : []),
        ...(persistentInstances > 0 ? [count(persistentInstances, "persistent instance")] : []),
      ];
      if (held.length === 0) return [];
      const names = listText(others.map((peer) => named(peer).address));
      const sentence = `${view.self.address} keeps nothing on disk, so it is in no group, and holds ${listText(held)}, which ${names} ${others.length === 1 ? "answers" : "answer"} without; copy them with nacre import, and start it with a data folder.`;
      return [{ key: view.self.id, members: aboutSelf(view), sentence }];
    },
  },
} as const satisfies Partial<Record<FindingCode, Row>>;

/** Still to give something to a member that loads. */
function isAwaited({ reachable, loadStage }: DistroPeer): boolean {
  return reachable && loadStage !== "compared" && loadStage !== "notLoaded";
}

/** How far the load is with each other member, in words. */
export function loadText(view: View): string {
  const { distro, members } = view.facts;
  if (distro?.load === undefined) return distro?.waitingFor ?? "";
  if (distro.load.refused !== undefined)
    return `members of the list refuse it, and it lets no client in until they do not (${distro.load.refused})`;
  const parts = distro.peers.map((peer) => `${namedBy(view, peer.id).address} ${stageText(view, peer)}`);
  for (const { address, errors } of members?.unfound ?? [])
    parts.push(`nobody was found at ${address} (${linkError(view, errors)})`);
  const startedAt = view.now - distro.load.forMs;
  const what = parts.length === 0 ? (distro.waitingFor ?? "the members are not known yet") : listText(parts);
  return `${what}; at ${clockText(startedAt + distro.times.loadMaxMs)} it serves what it has`;
}

function stageText(view: View, peer: DistroPeer): string {
  const load = view.facts.distro?.load;
  const known: Named | undefined = namedBy(view, peer.id);
  if (!peer.reachable) return `is not in reach (${linkError(view, peerBy(view, known?.id ?? "")?.errors ?? [])})`;
  if (load?.source === peer.id) return `has given ${load.clients} of ${count(load.clientsExpected, "client")}`;
  if (peer.loadStage === "notLoaded") return "has not loaded either";
  if (peer.loadStage === "unasked") return "has not answered";
  return peer.loadStage === "compared" ? "is done" : "is being compared";
}

function differenceText(view: View, other: Named, owner: string, more: number): string {
  const of = namedBy(view, owner).address;
  if (more === 0) return `clients of ${of} are not the same`;
  const lacking = more > 0 ? view.self.address : other.address;
  return `${lacking} lacks ${count(Math.abs(more), "client")} of ${of}`;
}
