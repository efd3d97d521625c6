import { minutes, seconds } from "../../lib/units.ts";
import type { PeerFact } from "../../membership/facts.ts";
import type { GroupFacts, LeftBehindFact } from "../facts.ts";
import type { FindingCode } from "../finding.ts";
import { groupNamed, isForming, isIn, majorityOf, namesText, ofGroup } from "../group-view.ts";
import { aboutSelf, named, type Observed, peerBy, peersOf, type Row, type View } from "../view.ts";
import { clockText, count } from "../words.ts";

/** A learner that has got no further for so long gets no further at present. */
const LEARNS_NOTHING_MS = seconds(2);

/** Findings about who is in the group, beside who is a member. */
export const VOTER_ROWS = {
  // F17, F24, F55
  MEMBER_NO_VOTER: {
    severity: "warning",
    area: "cp",
    title: "A member is no voter",
    means:
      "It serves clients, and passes durable changes on, but counts for no majority: the group bears fewer losses than it has members.",
    why: "A member asks to be taken in by itself, first as a learner. It has not been taken in, does not catch up, or an operator removed it.",
    fix: "Nothing if an operator removed it. Else order it with `nacre raft add`, whose answer says what keeps it out; `nacre raft status` shows how far a learner has come. If no member is in a group, the one that was to begin it is lost: begin one anew with `nacre raft recover --empty` at a member that is stopped.",
    afterMs: seconds(8),
    find: (view) => {
      const { group, members } = view.facts;
      if (group === undefined || members === undefined || isForming(view, group)) return [];
      if (group.leader === undefined && isIn(group, group.self)) return [];
      const own = group.voters.includes(group.self) ? undefined : outsider(view, group, group.self);
      // Who is outside does not know who is inside by now.
      const peers = isIn(group, group.self) ? peersOf(view) : [];
      const others = peers.map((peer) => (isToVote(peer, group) ? outsider(view, group, peer.id) : undefined));
      return [own, ...others].filter((each) => each !== undefined);
    },
  },

  // F13, F20, F21, S17
  VOTER_NO_MEMBER: {
    severity: "warning",
    area: "cp",
    title: "A voter is no member any more",
    means:
      "It still counts: more than half of all voters have to agree, those that are gone among them. The group bears fewer losses than it seems to.",
    why: "Voters change by an operator's order alone, and never because of a list or a file. The member was taken off the list, or was started anew with an empty data folder, which makes it another member; one whose place another voter has taken is removed by itself.",
    fix: "Remove it with `nacre cluster forget`, or bring it back with its data folder.",
    afterMs: seconds(5),
    find: (view) => {
      const { group, members } = view.facts;
      if (group === undefined || members === undefined) return [];
      return group.voters.flatMap((id): Observed[] => {
        const gone = id === group.self ? undefined : whyGone(view, peerBy(view, id));
        if (gone === undefined) return [];
        const { address } = groupNamed(view, id);
        const sentence = `${address} is one of ${count(group.voters.length, "voter")} and no member any more (${gone}), and ${majorityOf(group.voters.length)} voters have to agree; run nacre cluster forget ${id}, or bring it back with its data folder.`;
        return [{ key: id, members: [groupNamed(view, id)], sentence }];
      });
    },
  },

  VOTERS_EVEN: {
    severity: "info",
    area: "cp",
    title: "The number of voters is even",
    means: "Nothing is wrong: the group bears no more losses than with one voter fewer, and has one more to lose.",
    why: "There are two, four or six members. More than half of them have to agree.",
    fix: "Add a member, or take one away; three and five are usual.",
    // Members come and go one by one.
    afterMs: minutes(5),
    find: (view) => {
      const { voters = [], learners = [] } = view.facts.group ?? {};
      const { length } = voters;
      if (length === 0 || length % 2 === 1 || learners.length > 0) return [];
      const loss = length === 2 ? "the loss of neither" : `the loss of ${length / 2 - 1}`;
      const sentence = `The group has ${length} voters and bears ${loss}, as ${length - 1} would; add a member, or take one away.`;
      return [
        ofGroup(
          sentence,
          voters.map((id) => groupNamed(view, id)),
          undefined,
        ),
      ];
    },
  },

  // F19
  LEFT_BEHIND: {
    severity: "info",
    area: "cp",
    title: "A data folder holds what a member left behind",
    means:
      "Its group went on without the member. What it held before was set aside, as the only copy perhaps, and it has what its group holds.",
    why: "An operator let another member go on alone (`nacre raft recover`), or restored a backup into the cluster (`nacre restore`), and this one came back later.",
    fix: "If a change is missed, serve the folder alone, with `nacre start --data FOLDER --port PORT`, and move its configurations with `nacre import --from` that server, or take a `nacre backup` of it. Then, or if nothing is missed, remove the folder: the finding ends within ten seconds.",
    afterMs: 0,
    find: (view) =>
      (view.facts.group?.leftBehind ?? []).map(({ folder, at, holds }): Observed => {
        const when = at === undefined ? "" : ` at ${clockText(at)}`;
        const sentence = `${view.self.address} set aside what it held before it took up its group, in ${folder}${when} (${holdingsText(holds)}); look at it with nacre start --data ${folder} --port PORT, move what is missed with nacre import --from http://127.0.0.1:PORT, and remove the folder.`;
        return { key: folder, ...(at !== undefined && { since: at }), members: aboutSelf(view), sentence };
      }),
  },
} as const satisfies Partial<Record<FindingCode, Row>>;

function holdingsText(holds: LeftBehindFact["holds"]): string {
  if (holds === undefined) return "what is in it was not noted";
  const { configs, namespaces, persistentInstances } = holds;
  return `${count(configs, "configuration")}, ${count(namespaces, "namespace")}, ${count(persistentInstances, "persistent instance")}`;
}

/** It runs here for good, and does not vote. */
function isToVote({ id, state, origin, leaving, replacedBy }: PeerFact, { voters }: GroupFacts): boolean {
  return (
    state === "UP" && origin !== "delisted" && leaving === "no" && replacedBy === undefined && !voters.includes(id)
  );
}

function outsider(view: View, group: GroupFacts, id: string): Observed | undefined {
  const one = groupNamed(view, id);
  const about = (why: string): Observed => ({
    key: id,
    members: [one],
    sentence: `${one.address} is a member and no voter: ${why}.`,
  });
  if (group.voters.length === 0)
    return about(
      "it knows of no group of durable data; look at nacre raft status, and if no member is in one, because the one that was to begin it is lost, stop this one and run nacre raft recover --empty",
    );
  if (!group.learners.includes(id))
    return about("the group of durable data has not taken it in; order it with nacre raft add unless it was removed");
  // How far it has come, its leader knows alone.
  const follower = group.followers.find((each) => each.id === id);
  const progress = view.memory.group.followers.get(id);
  if (follower === undefined || progress === undefined) return undefined;
  if (follower.lag > 0 && view.now - progress.movedAt < LEARNS_NOTHING_MS) return undefined;
  const how =
    follower.lag === 0
      ? "has all that the leader has, and is not made one"
      : `lacks ${count(follower.lag, "entry", "entries")} and has taken nothing since ${clockText(progress.movedAt)}`;
  return about(
    `as a learner of ${namesText([groupNamed(view, group.self)])} it ${how}; look at its disk and at the link to it`,
  );
}

/** A clause; undefined for a voter that is a member, or may yet be found. */
function whyGone(view: View, peer: PeerFact | undefined): string | undefined {
  if (peer === undefined)
    return (view.facts.members?.unfound ?? []).length > 0 ? undefined : "nobody knows an address of it";
  const { replacedBy, leaving, origin, state, unlistedAt } = peer;
  if (replacedBy !== undefined)
    return `another one with another data folder, ${replacedBy}, answers at ${groupNamed(view, replacedBy).address}`;
  if (state !== "DOWN") return undefined;
  if (leaving === "forever") return "it left";
  if (origin !== "delisted") return undefined;
  return `it is off the list since ${clockText(unlistedAt ?? peer.since)}, and ${named(peer).address} does not answer`;
}
