import { minutes, seconds } from "../../lib/units.ts";
import type { PeerFact } from "../../membership/facts.ts";
import type { FindingCode, Named } from "../finding.ts";
import {
  isPresent,
  linkError,
  memberPortAt,
  memberPortOf,
  named,
  namedBy,
  type Observed,
  pairKey,
  peersOf,
  type Row,
  type View,
} from "../view.ts";
import { clockText, count, durationText, listText } from "../words.ts";

const STOPPED_FOR_LONG_MS = minutes(5);
const FLIPS_MIN = 2;
/** A member whose direction has not changed for this long does not flap at present. */
const FLAPPING_MS = seconds(6);
const SLOW_MS = 500;
/** A death looks like a broken link until nobody has heard of the member for long enough. */
const LINK_LOST_MS = seconds(5);

/** Findings about members that are not there, and about the network between members. */
export const REACH_ROWS = {
  // F01, F26
  MEMBER_NOT_FOUND: {
    severity: "error",
    area: "members",
    title: "Nobody is found at a listed address",
    means: "A member of the list was never seen since this one started. What it should hold is held by fewer.",
    why: "It was not started, its member port (main port + 1001) is closed to this machine, or the list has a wrong address.",
    fix: "Start the member, open its member port between all members, or take the address off the list.",
    afterMs: seconds(4),
    find: (view) =>
      (view.facts.members?.unfound ?? []).map(({ address, since, errors }) => ({
        key: address,
        since,
        members: [{ id: undefined, address }],
        sentence: `Nobody was found at ${address} since ${clockText(since)} (${linkError(view, errors)}); start the member there, open port ${memberPortOf(view, address)} between the members, or take it off the list.`,
      })),
  },

  // F07, S01
  MEMBER_DOWN: {
    severity: "error",
    area: "members",
    title: "A member is down",
    means:
      "Registrations, subscriptions and reads go on at the others. Clients of the lost member connect to them; instances that do not come back are unhealthy after 15 s and gone after 45 s.",
    why: "Its process or machine ended, or nobody in reach can reach it any more. A member that is stopped says so before, and is not told as down.",
    fix: "Start it again; it loads what it missed. If it does not come back, take it off the list, and out of the group with `nacre cluster forget` at another one.",
    afterMs: seconds(2),
    find: (view) =>
      peersOf(view).flatMap((peer): Observed[] => {
        const { id, state, since, cause, leaving, replacedBy, origin } = peer;
        if (state !== "DOWN" || leaving !== "no" || replacedBy !== undefined || origin === "delisted") return [];
        const sentence = `${named(peer).address} is down since ${clockText(since)}: ${cause}; ${reachText(view)}${orphanText(view, id)}; start it again, or take it off the list.`;
        return [{ key: id, since, members: [named(peer)], sentence }];
      }),
  },

  MEMBER_STOPPED: {
    severity: "warning",
    area: "members",
    title: "A member was stopped and has not come back",
    means: "Nothing was lost: it handed its clients over. What all members hold is held by fewer.",
    why: "It was stopped on purpose more than five minutes ago, and the list still names it.",
    fix: "Start it again. If it does not come back, take it off the list, and out of the group with `nacre cluster forget` at another one.",
    afterMs: 0,
    find: (view) =>
      peersOf(view).flatMap((peer): Observed[] => {
        const { id, state, since, leaving, origin } = peer;
        if (state !== "DOWN" || leaving !== "restart" || origin !== "listed") return [];
        if (view.now - since < STOPPED_FOR_LONG_MS) return [];
        const sentence = `${named(peer).address} said that it stops, is away since ${clockText(since)}, and is still in the list; start it again, or take it off the list.`;
        return [{ key: id, since, members: [named(peer)], sentence }];
      }),
  },

  MEMBER_REPLACED: {
    severity: "info",
    area: "members",
    title: "Another member answers at an address",
    means: "The member that was there is gone with its data folder; the new one loads what the cluster holds.",
    why: "It was started with an empty data folder, or another machine has its address now.",
    fix: "Nothing if that was meant: the earlier one is forgotten after five minutes. Else stop the new one and start the earlier one with its own data folder.",
    afterMs: seconds(2),
    find: (view) =>
      peersOf(view).flatMap((peer): Observed[] => {
        if (peer.replacedBy === undefined) return [];
        const by = namedBy(view, peer.replacedBy);
        // That one is gone as well: nobody answers in its place any more.
        if (by.address === by.id) return [];
        const since = peer.replacedAt ?? peer.since;
        const sentence = `At ${by.address} member ${by.id} answers in place of ${peer.id} since ${clockText(since)}, so its data folder is another one; nothing is to be done if that was meant.`;
        return [{ key: peer.id, since, members: [{ id: peer.id, address: peer.id }, by], sentence }];
      }),
  },

  // F08
  MEMBER_FLAPS: {
    severity: "warning",
    area: "members",
    title: "A member comes and goes",
    means:
      "It stays the owner of its clients and in the ring meanwhile, so clients notice little. It counts as up when it has held for a minute.",
    why: "The network between the two loses much, or one of the machines is overloaded.",
    fix: "Look at the network between the two and at the load of both machines.",
    afterMs: 0,
    find: (view) =>
      peersOf(view).flatMap((peer): Observed[] => {
        const changedAt = view.memory.directions.get(peer.id)?.changedAt ?? Number.NEGATIVE_INFINITY;
        if (peer.flips < FLIPS_MIN || view.now - changedAt >= FLAPPING_MS) return [];
        const sentence = `The link between ${view.self.address} and ${named(peer).address} broke ${count(peer.flips, "time")} within a minute; look at the network between the two and at their load.`;
        return [{ key: pairKey(view.self.id, peer.id), members: [view.self, named(peer)], sentence }];
      }),
  },

  // F41, S09
  ISOLATED: {
    severity: "error",
    area: "members",
    title: "This member is cut off from most others",
    means:
      "It serves what it holds, which grows old, removes nothing because a member is lost, and refuses durable changes. Clients should be at members that see each other.",
    why: "The network between this member and most of the others is cut. Members whose machines answer that nobody listens are told as down instead.",
    fix: "Mend the network between the members named; their member port is the main port + 1001. All data is made equal again within seconds.",
    afterMs: seconds(2),
    find: (view) => {
      const { members } = view.facts;
      if (members?.reach.minoritySince === undefined) return [];
      const silent = silentOnes(view);
      // Of two members that do not hear each other nobody can say which one is cut off.
      if (silent.length < 2) return [];
      const { reached, expected, minoritySince } = members.reach;
      const { group } = view.facts;
      const refuses = group !== undefined && group.leader === undefined ? ", and refuses durable changes" : "";
      const sentence = `${view.self.address} reaches ${reached - 1} of ${expected - 1} other members since ${clockText(minoritySince)} (no answer from ${listText(silent.map(({ address }) => address))}); it serves what it holds, which grows old${refuses}: mend the network between them.`;
      const key = silent.map(({ address }) => address).join("|");
      return [{ key, since: minoritySince, members: silent, sentence }];
    },
  },

  // F08, S11
  LINK_ONE_WAY: {
    severity: "error",
    area: "members",
    title: "Members reach each other in one direction only",
    means: "Changes reach one of the two late, over others. The member stays in the ring; nothing flaps.",
    why: "A firewall or a security group lets connections through in one direction.",
    fix: "Let the first member open connections to the member port (main port + 1001) of the second.",
    afterMs: seconds(3),
    find: (view) =>
      peersOf(view).flatMap((peer): Observed[] => {
        if (!isPresent(peer) || (peer.direction !== "in" && peer.direction !== "out")) return [];
        // Its machine answers, and so does this one's: that is a port, not a way.
        if (peer.direction === "in" ? isShut(peer) : view.facts.members?.portOpen === false) return [];
        const [from, to] = peer.direction === "in" ? [view.self, named(peer)] : [named(peer), view.self];
        const error = peer.direction === "in" ? ` (${linkError(view, peer.errors)})` : "";
        const sentence = `${from.address} cannot reach ${memberPortAt(view, to.address)}${error} since ${clockText(peer.since)}, while ${to.address} reaches ${from.address}; let connections through from ${from.address} to port ${memberPortOf(view, to.address)}.`;
        return [{ key: `${from.id}>${to.id}`, since: peer.since, members: [from, to], sentence }];
      }),
  },

  LINK_BROKEN: {
    severity: "error",
    area: "members",
    title: "Two members cannot reach each other, and others reach both",
    means: "Changes go from one to the other over a third, later than usual.",
    why: "The route between the two is cut, or the member port (main port + 1001) is closed both ways.",
    fix: "Mend the route between the two; open the member port in both directions.",
    afterMs: LINK_LOST_MS,
    find: (view) =>
      peersOf(view).flatMap((peer): Observed[] => {
        if (peer.state !== "SUSPICIOUS" || peer.direction !== "none") return [];
        const by = peer.heardFrom === peer.id ? "another member" : namedBy(view, peer.heardFrom).address;
        const sentence = `${view.self.address} and ${named(peer).address} do not reach each other since ${clockText(peer.since)} (${linkError(view, peer.errors)}), and ${by} hears both; open port ${memberPortOf(view, named(peer).address)} between the two in both directions.`;
        return [
          { key: pairKey(view.self.id, peer.id), since: peer.since, members: [view.self, named(peer)], sentence },
        ];
      }),
  },

  LINK_SLOW: {
    severity: "warning",
    area: "members",
    title: "A member answers slowly",
    means: "Changes reach it late. Slower still, and it counts as suspicious.",
    why: "The members are far apart, the network is full, or one of the machines is overloaded.",
    fix: "Look at the network and the load of both; members belong into one region.",
    afterMs: seconds(2),
    goneMs: seconds(1),
    find: (view) =>
      peersOf(view).flatMap((peer): Observed[] => {
        if (!isPresent(peer) || peer.rttMs === undefined || peer.rttMs < SLOW_MS) return [];
        const sentence = `A message from ${view.self.address} to ${named(peer).address} and back takes ${durationText(peer.rttMs)} at best; look at the network between the two and at their load.`;
        return [{ key: pairKey(view.self.id, peer.id), members: [view.self, named(peer)], sentence }];
      }),
  },

  // F26
  PORT_CLOSED: {
    severity: "error",
    area: "members",
    title: "A member runs, but its member port is closed",
    means:
      "Others hear it, and tell it what changes over the connections that it makes. It cannot be probed, so it counts as suspicious.",
    why: "A firewall, a security group or a container does not let the port through, or `nacre.cluster.port.enabled=false` keeps it closed.",
    fix: "Open the port that is named: the main port + 1001, between all members.",
    afterMs: seconds(2),
    find: (view) => {
      const { self } = view;
      const others = peersOf(view).flatMap((peer): Observed[] => {
        if (!isPresent(peer) || peer.direction !== "in" || !isShut(peer)) return [];
        const { id, since } = peer;
        const { address } = named(peer);
        const sentence = `${address} runs, but nobody listens at its member port ${memberPortOf(view, address)} (${linkError(view, peer.errors)}) since ${clockText(since)}; set nacre.cluster.port.enabled=true there, or let its firewall take connections from ${self.address}.`;
        return [{ key: id, since, members: [named(peer)], sentence }];
      });
      const present = peersOf(view).filter(isPresent).map(named);
      if (view.facts.members?.portOpen !== false || present.length === 0) return others;
      const sentence = `${self.address} does not open its member port ${memberPortOf(view, self.address)}, so the others cannot reach it; set nacre.cluster.port.enabled=true there.`;
      return [...others, { key: self.id, members: [self, ...present], sentence }];
    },
  },
} as const satisfies Partial<Record<FindingCode, Row>>;

/** Its machine answers that nobody listens there. */
function isShut({ errors }: PeerFact): boolean {
  return errors.some(({ refused }) => refused === true);
}

/** Members that should answer and do not, without their machines refusing. */
function silentOnes(view: View): Named[] {
  const peers = peersOf(view).filter(
    ({ state, direction, refused, leaving, replacedBy }) =>
      (state === "DOWN" || direction === "none") && !refused && leaving === "no" && replacedBy === undefined,
  );
  const unfound = (view.facts.members?.unfound ?? []).filter(({ refused }) => !refused);
  const all = [...peers.map(named), ...unfound.map(({ address }) => ({ id: undefined, address }))];
  return all.sort((a, b) => (a.address < b.address ? -1 : 1));
}

function reachText({ facts: { members } }: View): string {
  if (members === undefined) return "";
  const { reached, expected, minoritySince } = members.reach;
  const rest =
    minoritySince === undefined ? "registrations and reads go on" : "nothing that is lost is removed meanwhile";
  return `${reached} of ${expected} members are in reach, ${rest}`;
}

/** What becomes of the clients of a lost member. */
export function orphanText({ facts: { distro } }: View, owner: PeerFact["id"]): string {
  const lives = (distro?.orphans ?? []).filter((orphan) => orphan.owner === owner);
  const sum = (of: "clients" | "probing" | "unhealthy" | "answering"): number =>
    lives.reduce((all, life) => all + life[of], 0);
  if (sum("clients") === 0) return "";
  const stages = [
    ...(sum("probing") > 0 ? [`${sum("probing")} being probed`] : []),
    ...(sum("answering") > 0 ? [`${sum("answering")} answering`] : []),
    ...(sum("unhealthy") > 0 ? [`${sum("unhealthy")} unhealthy`] : []),
  ];
  return `; ${count(sum("clients"), "client")} of it ${sum("clients") === 1 ? "is" : "are"} kept for now${stages.length === 0 ? "" : ` (${stages.join(", ")})`}`;
}
