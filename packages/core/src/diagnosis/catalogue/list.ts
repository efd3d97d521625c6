import { seconds } from "../../lib/units.ts";
import { isIp } from "../../membership/address.ts";
import type { ListDifference } from "../../membership/facts.ts";
import type { BadLine } from "../../membership/member-list.ts";
import type { FindingCode, Named } from "../finding.ts";
import { aboutSelf, isPresent, named, namedBy, type Observed, peersOf, type Row, type View } from "../view.ts";
import { clockText, count, hostOf, listText, quoted } from "../words.ts";

/** Names are looked up again every 30 s: a member that came back under another address is listed by then. */
const RELISTED_MS = 40_000;

/** Findings about where the list of members comes from, and what it says. */
export const LIST_ROWS = {
  // F02
  NO_OTHER_MEMBER: {
    severity: "warning",
    area: "members",
    title: "Cluster mode, but no other member",
    means: "This member serves as a cluster of one. Nobody else holds a copy of what it holds.",
    why: "The member list is missing, empty, or none of its lines can be used. A list that names only this member is a cluster of one on purpose, and is not told.",
    fix: "Name the members in `cluster.conf`, one `host:port` per line, or in the option for the list; or start with `--mode standalone`. The list is read again by itself.",
    afterMs: seconds(8),
    find: ({ facts: { members, lookup }, self }) => {
      if (members === undefined || members.list.aloneSince === undefined || members.list.entries > 0) return [];
      const { badLines, badCount, aloneSince, source } = members.list;
      const where = lookup === undefined ? "no list of members is configured" : `${source || lookup.where} names none`;
      const bad = badCount === 0 ? "" : ` (${linesText(badLines, badCount)})`;
      const sentence = `${self.address} runs in cluster mode without another member since ${clockText(aloneSince)}, as ${where}${bad}; name the members, or start it standalone.`;
      return [{ key: self.id, since: aloneSince, members: [self], sentence }];
    },
  },

  LOOKUP_FAILS: {
    severity: "warning",
    area: "members",
    title: "The list of members cannot be read",
    means: "The members stay as they were. Members that are added or taken off meanwhile are not noticed.",
    why: "The file cannot be opened, or the address server does not answer, or answers with something else.",
    fix: "Do what the error says: let the server read the file, or bring the address server back. The list is read again by itself.",
    afterMs: seconds(4),
    find: (view) => {
      const { lookup } = view.facts;
      if (lookup?.error === undefined) return [];
      const { where, error, failures, failingSince, readAt } = lookup;
      const kept =
        readAt === undefined ? "it was never read" : `the members are those of ${clockText(readAt)} and are kept`;
      const since = failingSince === undefined ? "" : ` since ${clockText(failingSince)}`;
      const sentence = `${view.self.address} cannot read the list of members from ${where}${since} (${error}; ${count(failures, "try", "tries")}); ${kept}: make it readable again.`;
      return [{ key: where, since: failingSince, members: aboutSelf(view), sentence }];
    },
  },

  // S16
  LIST_EMPTIED: {
    severity: "warning",
    area: "members",
    title: "The list of members reads empty",
    means:
      "Nothing changes yet: the last list that named members is kept. A restart of this member would begin without it.",
    why: "The file was emptied or removed, or none of its lines can be used any more.",
    fix: "Put the members back into the list. To end a cluster, stop its members.",
    afterMs: seconds(2),
    find: ({ facts: { members }, self }) => {
      if (members?.list.emptiedAt === undefined) return [];
      const { emptiedAt, source, entries, badLines, badCount } = members.list;
      const bad = badCount === 0 ? "" : ` (${linesText(badLines, badCount)})`;
      const sentence = `${source} names no member since ${clockText(emptiedAt)}${bad}, so ${self.address} keeps the ${count(entries, "member")} of before; put them back into it.`;
      return [{ key: self.id, since: emptiedAt, members: [self], sentence }];
    },
  },

  // F02, S16
  LIST_LINES_BAD: {
    severity: "warning",
    area: "members",
    title: "Lines of the member list cannot be used",
    means: "The other lines count. A member that only a bad line names is not called by this one.",
    why: "A line is neither `host` nor `host:port`, often after an edit by hand or by a template.",
    fix: "Mend the lines that are named; each stands with its number and the rule that it breaks.",
    afterMs: seconds(2),
    find: ({ facts: { members }, self }) => {
      if (members === undefined || members.list.badCount === 0) return [];
      const { source, entries, badLines, badCount } = members.list;
      const sentence = `${source} of ${self.address}: ${linesText(badLines, badCount)}; the other ${count(entries, "entry", "entries")} count: mend it.`;
      return [{ key: self.id, members: [self], sentence }];
    },
  },

  // F23
  LIST_NAMES_TWICE: {
    severity: "info",
    area: "members",
    title: "A member is listed twice",
    means: "Nothing: members are told apart by their ids, so one that is named twice counts once.",
    why: "The list names it by a name and by an address, or by two of its addresses.",
    fix: "Keep one of the entries.",
    afterMs: seconds(2),
    find: (view) => {
      const doubles = view.facts.members?.list.doubles ?? [];
      if (doubles.length === 0) return [];
      const told = doubles.map(({ addresses }) => addresses.join(" and "));
      const sentence = `The list of ${view.self.address} names ${listText(told)}, which ${doubles.length === 1 ? "is one member" : "are one member each"}; keep one entry each.`;
      return [{ key: "", members: doubles.map(({ id }) => namedBy(view, id)), sentence }];
    },
  },

  // F24, F55
  LIST_DIFFERS: {
    severity: "warning",
    area: "members",
    title: "Members have different lists",
    means:
      "All members that any list names work together, but one that starts with the shorter list does not find all of them.",
    why: "The list was edited on some members only, one of them has an older file, or a member has another address now and a list names the one of before.",
    fix: "Make the lists equal. Order and spelling do not matter.",
    afterMs: seconds(2),
    find: (view) => {
      const differences = view.facts.members?.listDifferences ?? [];
      const [first] = differences;
      if (first === undefined) return [];
      const missing = new Set(
        differences.flatMap(({ missingHere, missingThere }) => [...missingHere, ...missingThere]),
      );
      const moments = differences.flatMap(({ since }) => (since === undefined ? [] : [since]));
      return [
        {
          key: "",
          since: moments.length === 0 ? undefined : Math.min(...moments),
          members: [
            ...differences.map(({ id }) => namedBy(view, id)),
            ...[...missing].map((each) => namedAt(view, each)),
          ],
          sentence: `The lists of members differ: ${lacksText(view, differences)}; make them equal.`,
        },
      ];
    },
  },

  // F56
  HOST_UNRESOLVED: {
    severity: "warning",
    area: "members",
    title: "The name of a member does not resolve",
    means: "A member that was found before stays a member. One that was not is missing until its name resolves.",
    why: "The name is misspelt, or its DNS record is published only once its machine or pod is ready.",
    fix: "Nothing while members start: names are asked for each second. Else check the name, and in Kubernetes set `publishNotReadyAddresses` on the headless service.",
    afterMs: seconds(6),
    find: (view) => {
      const hosts = (view.facts.members?.list.unresolved ?? []).filter(({ ips }) => !isAwayAt(view, ips));
      const [first] = hosts;
      if (first === undefined) return [];
      const since = Math.min(...hosts.map((host) => host.since));
      const names = listText(hosts.map(({ host }) => host));
      const sentence = `${view.self.address} cannot resolve ${names} since ${clockText(since)} (${first.error}) and asks again each second; check the name and its DNS record.`;
      return [{ key: "", since, members: hosts.map(({ host }) => ({ id: undefined, address: host })), sentence }];
    },
  },

  // F22
  SELF_UNLISTED: {
    severity: "error",
    area: "members",
    title: "This member is not in its own list",
    means: "It does not become ready: the others could not know under which address to call it.",
    why: "It was detected at another address than the list has (a second network card, a container, a VPN), or was left out of the list.",
    fix: "Add its address to the list, or set `nacos.server.ip` to the one that is in the list.",
    afterMs: 0,
    find: (view) => {
      const sentence = unlistedText(view);
      return sentence === undefined ? [] : [{ key: view.self.id, members: [view.self], sentence }];
    },
  },

  // F22
  SELF_ADDRESS_CHOSEN: {
    severity: "info",
    area: "members",
    title: "Another address than the first is used",
    means: "Nothing is wrong: of this machine's addresses the one that the list names is used.",
    why: "The machine has several networks, and the first address of it is not in the list.",
    fix: "Nothing. Setting `nacos.server.ip` says it for good and ends this notice.",
    afterMs: seconds(2),
    find: ({ facts: { members }, self }) => {
      if (members?.self.isSubstituted !== true) return [];
      // Several members on one machine, to try a cluster: nobody would give each its address.
      if (/^(127\.|\[?::1|localhost$)/.test(hostOf(self.address))) return [];
      const [first = ""] = members.self.detected;
      const sentence = `${first}, the first address of this machine, is not in ${members.list.source}, and ${self.address} is, so that one is used; nothing is to be done.`;
      return [{ key: self.id, members: [self], sentence }];
    },
  },

  // F21
  MEMBER_UNLISTED: {
    severity: "warning",
    area: "members",
    title: "A member runs that the list does not name",
    means: "It stays a member. After a restart of the others nobody would look for it.",
    why: "It was taken off the list while it runs, or it joined through a member without being added.",
    fix: "Add it to the list, or stop it.",
    afterMs: seconds(3),
    find: (view) => {
      const { facts, now } = view;
      if (facts.members === undefined || facts.members.list.entries === 0) return [];
      const { source } = facts.members.list;
      const hasNames = facts.members.self.listed.some((address) => !isIp(hostOf(address)));
      const unlisted = peersOf(view).flatMap((peer): Observed[] => {
        const { origin, unlistedAt, id } = peer;
        if (origin === "listed" || unlistedAt === undefined || !isPresent(peer)) return [];
        if (hasNames && now - unlistedAt < RELISTED_MS) return [];
        const { address } = named(peer);
        const verb = origin === "delisted" ? "is no longer in" : "is not in";
        const sentence = `${address} ${verb} ${source} of ${view.self.address} since ${clockText(unlistedAt)}, and runs as a member; add it, or stop it.`;
        return [{ key: id, since: unlistedAt, members: [named(peer)], sentence }];
      });
      if (!facts.members.self.isUnlisted || facts.members.self.state !== "UP") return unlisted;
      const sentence = `${view.self.address} is not in its own ${source}, and runs as a member; add it, or stop it.`;
      return [...unlisted, { key: view.self.id, members: [view.self], sentence }];
    },
  },
} as const satisfies Partial<Record<FindingCode, Row>>;

/** Undefined unless the list lacks this member. */
export function unlistedText({ facts: { members } }: View): string | undefined {
  if (members?.self.isUnlisted !== true || members.self.state !== "STARTING") return undefined;
  const { detected, listed } = members.self;
  return `None of this member's addresses (${listText(detected)}) is in ${members.list.source}, which names ${listText(listed)}; add one to it, or set nacos.server.ip to the one that it names.`;
}

/** Each list with what it lacks; lists that lack the same are told together. */
function lacksText(view: View, differences: readonly ListDifference[]): string {
  const here = new Set(differences.flatMap(({ missingHere }) => missingHere));
  const lists = [
    ...differences.map(({ id, missingThere }) => ({ who: namedBy(view, id).address, lacks: listText(missingThere) })),
    { who: view.self.address, lacks: listText([...here]) },
  ];
  const whoBy = new Map<string, string[]>();
  for (const { who, lacks } of lists) if (lacks !== "") whoBy.set(lacks, [...(whoBy.get(lacks) ?? []), who]);
  const parts = [...whoBy].map(([lacks, who]) =>
    who.length === 1 ? `that of ${who[0]} lacks ${lacks}` : `those of ${listText(who)} lack ${lacks}`,
  );
  return listText(parts);
}

function linesText(lines: readonly BadLine[], all: number): string {
  const [first] = lines;
  if (first === undefined) return count(all, "bad line");
  const more = all > 1 ? `, and ${count(all - 1, "more bad line")}` : "";
  return `line ${first.line} ${quoted(first.text)}: ${first.rule}${more}`;
}

/** Whether the member that was there is known to be away: then that is what there is to tell. */
function isAwayAt(view: View, ips: readonly string[]): boolean {
  return peersOf(view).some((peer) => !isPresent(peer) && peer.addresses.some((each) => ips.includes(hostOf(each))));
}

function namedAt(view: View, address: string): Named {
  const peer = peersOf(view).find(({ addresses }) => addresses.includes(address));
  return peer === undefined ? { id: undefined, address } : named(peer);
}
