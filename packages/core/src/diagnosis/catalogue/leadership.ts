import { seconds } from "../../lib/units.ts";
import { remembers } from "../../raft/model.ts";
import type { FindingCode } from "../finding.ts";
import { groupNamed, isForming, isIn, majorityOf, namesText, ofGroup, reachText, voterReach } from "../group-view.ts";
import { isPresent, named, peersOf, type Row } from "../view.ts";
import { clockText, count, listText } from "../words.ts";

const CHANGES_MIN = 4;
/** A leader that has kept its place for so long does not flap at present. */
const STEADY_MS = seconds(20);

/** Findings about whether the group of voters can decide. */
export const LEADERSHIP_ROWS = {
  // F35
  GROUP_NOT_FORMED: {
    severity: "error",
    area: "cp",
    title: "Too few listed members have come together to begin",
    means:
      "Durable changes are refused with this reason. Ephemeral registrations, heartbeats, subscriptions and reads go on.",
    why: "A new cluster takes its first durable change when more than half of the list are voters, so that two halves which do not see each other cannot both begin. Members of the list were not started, or cannot be reached.",
    fix: "Start the members that are named, open the member port (main port + 1001) between all of them, or take them off the list.",
    afterMs: seconds(4),
    find: (view) => {
      const { group, members } = view.facts;
      if (group === undefined || !isForming(view, group)) return [];
      const { voters, votersNeeded } = group;
      const unfound = (members?.unfound ?? []).map(({ address }) => ({ id: undefined, address }));
      const others = peersOf(view).filter(({ id }) => !voters.includes(id));
      const away = [...others.filter((peer) => !isPresent(peer)).map(named), ...unfound];
      const lacking = away.length > 0 ? away : others.map(named);
      const who = lacking.length === 0 ? "no other member is known" : `${namesText(lacking)} ${are(lacking)} lacking`;
      const has = voters.length === 0 ? "no voter yet" : count(voters.length, "voter");
      const sentence = `The group has ${has} and takes no durable change before it has ${votersNeeded}; ${who}: start the members of the list and open their member ports, or take them off it.`;
      return [ofGroup(sentence, lacking, undefined)];
    },
  },

  // F15, F19, F35, F41, S21, S39
  MAJORITY_LOST: {
    severity: "error",
    area: "cp",
    title: "Too few voters are in reach to decide",
    means:
      "Durable changes are refused at once, with this reason, so that nothing is promised which could be lost. Ephemeral registrations, heartbeats and subscriptions go on, and so do reads of what was committed.",
    why: "More than half of the voters have to agree. So many processes, machines or links are down that no half of them is left.",
    fix: "Start one of the members that are named, or mend the network to it; nothing else is to be done. Only if they are lost for good: stop this member and let it go on alone with `nacre raft recover`; what others had acknowledged and this one lacks is lost by that.",
    afterMs: seconds(2),
    find: (view) => {
      const { group } = view.facts;
      if (group === undefined || group.leader !== undefined || !isIn(group, group.self)) return [];
      if (view.facts.process.stage === "stopping") return [];
      const reach = voterReach(view, group);
      if (reach.lost.length === 0 || reach.reached.length >= reach.needed) return [];
      const since = Math.max(view.memory.group.leaderlessSince ?? view.now, ...reach.lost.map((one) => one.since ?? 0));
      const sentence = `${view.self.address} reaches ${reachText(reach)} and ${reach.needed} are needed, so durable changes are refused since ${clockText(since)}: ${listText(reach.lost.map(({ text }) => text))}; start one of them, or run nacre raft recover if they are lost for good.`;
      const lost = reach.lost.map(({ named }) => named);
      return [ofGroup(sentence, lost, since)];
    },
  },

  // F14, F48
  LEADER_LACKING: {
    severity: "error",
    area: "cp",
    title: "Voters know no leader",
    means: "Durable changes wait for a leader, and are refused when none comes in time. Everything else goes on.",
    why: "A leader is elected within two seconds where more than half of the voters reach each other. They reach this member, and not each other; their disks take nothing; or voters that lost their files may not vote.",
    fix: "Look at `nacre raft status` of each voter, at their disks and at the links between them. Restarting voters one by one does no harm.",
    // Three elections (CP-11).
    afterMs: seconds(6),
    goneMs: seconds(1),
    find: (view) => {
      const { group } = view.facts;
      const since = view.memory.group.leaderlessSince;
      if (group === undefined || !isIn(group, group.self) || since === undefined) return [];
      const reach = voterReach(view, group);
      if (reach.reached.length < majorityOf(group.voters.length)) return [];
      const lost = remembers(group.trust) ? "" : " and, having lost files, does not vote";
      const sentence = `${view.self.address} knows no leader since ${clockText(since)}, although it reaches ${reachText(reach)}${lost}, so its durable changes are refused; look at disks and links of the voters with nacre raft status.`;
      return [
        ofGroup(
          sentence,
          reach.reached.map((id) => groupNamed(view, id)),
          since,
        ),
      ];
    },
  },

  LEADER_FLAPS: {
    severity: "warning",
    area: "cp",
    title: "The leader changes again and again",
    means: "Each change holds durable changes up for one or two seconds. None is lost.",
    why: "Leaders do not reach more than half of the voters within a second, again and again: the network loses much, or their machines or disks stand still.",
    fix: "Look at the load, the disks and the network of the members that are named. Longer election timeouts only hide it.",
    afterMs: 0,
    find: (view) => {
      const { group } = view.facts;
      const { changes } = view.memory.group;
      const last = changes.at(-1);
      if (group?.leader === undefined || last === undefined) return [];
      if (changes.length < CHANGES_MIN || view.now - last.at >= STEADY_MS) return [];
      const ids = [...new Set(changes.map(({ from }) => from))];
      const before = ids.map((id) => groupNamed(view, id)).sort((a, b) => (a.address < b.address ? -1 : 1));
      const sentence = `${count(changes.length, "leader")} lost ${changes.length === 1 ? "its place" : "their place"} within a minute without having stopped, the last at ${clockText(last.at)}, and ${groupNamed(view, group.leader).address} leads now; look at the load, the disks and the network of ${namesText(before)}.`;
      return [ofGroup(sentence, before, changes[0]?.at)];
    },
  },
} as const satisfies Partial<Record<FindingCode, Row>>;

function are({ length }: { readonly length: number }): string {
  return length === 1 ? "is" : "are";
}
