import type { FindingCode, Named } from "./finding.ts";

/** While one of `by` holds, none of `hides` is told: they follow from it. */
export interface Hiding {
  readonly by: readonly FindingCode[];
  readonly hides: readonly FindingCode[];
  /**
   * `sameMember`: only where the two are about a member in common, this one aside. `samePair`: where they are about the
   * same members, whoever they are.
   */
  readonly where: "sameMember" | "samePair" | "anywhere";
  readonly why: string;
}

const REFUSED = ["CLUSTER_FOREIGN", "IDENTITY_DIFFERS", "PROTOCOL_OLD", "DATA_FOLDER_COPIED"] as const;
const NO_LINK = ["LINK_ONE_WAY", "LINK_BROKEN"] as const;
/** What follows when a member cannot be talked with. */
const DISTANT = [
  "NAMING_NOT_LOADED",
  "NAMING_LOADED_LATE",
  "COPIES_DIFFER",
  "PEER_BEHIND",
  "OWNER_LOST",
  "FORWARDING_FAILS",
  "PORT_CLOSED",
  "LINK_SLOW",
] as const;

/** What follows when members cannot talk with each other enough to decide. */
const UNDECIDED = ["MAJORITY_LOST", "LEADER_LACKING", "LEADER_FLAPS"] as const;
/** What follows for one that the others cannot talk with. */
const OUTSIDE = ["VOTER_BEHIND", "MEMBER_NO_VOTER"] as const;

/** One cause gives one finding (G3). Read from the most specific cause to the vaguest. */
export const HIDING: readonly Hiding[] = [
  {
    by: REFUSED,
    hides: [
      "MEMBER_NOT_FOUND",
      "MEMBER_DOWN",
      "MEMBER_UNLISTED",
      "LIST_DIFFERS",
      "ISOLATED",
      "GROUP_NOT_FORMED",
      ...NO_LINK,
      ...DISTANT,
      ...UNDECIDED,
      ...OUTSIDE,
    ],
    where: "sameMember",
    why: "who is refused is not a member, and looks like one that is away",
  },
  {
    by: ["SELF_UNLISTED"],
    hides: ["NAMING_NOT_LOADED", "LIST_DIFFERS", "MEMBER_UNLISTED", "SELF_ADDRESS_CHOSEN", "MEMBER_NO_VOTER"],
    where: "anywhere",
    why: "a member without an address is not loaded, and is unlisted for others",
  },
  {
    by: ["LOOKUP_FAILS"],
    hides: ["NO_OTHER_MEMBER", "LIST_EMPTIED", "LIST_DIFFERS", "NAMING_NOT_LOADED"],
    where: "anywhere",
    why: "without a list nobody is known, and an old list is an other list",
  },
  {
    by: ["LIST_EMPTIED", "NO_OTHER_MEMBER"],
    hides: ["LIST_LINES_BAD"],
    where: "anywhere",
    why: "their sentences name the lines",
  },
  {
    by: ["LIST_DIFFERS"],
    hides: ["MEMBER_UNLISTED"],
    where: "anywhere",
    why: "what one list lacks is what makes a member unlisted there",
  },
  {
    by: ["MEMBER_NOT_FOUND", "HOST_UNRESOLVED"],
    hides: ["NO_OTHER_MEMBER"],
    where: "anywhere",
    why: "there is another member, and it is not found",
  },
  {
    by: ["MEMBER_REPLACED"],
    hides: ["MEMBER_DOWN", "MEMBER_NOT_FOUND", "OWNER_LOST"],
    where: "sameMember",
    why: "the member that was there is gone for good",
  },
  {
    by: ["PROCESS_PAUSED"],
    hides: ["MEMBER_DOWN", "MEMBER_FLAPS", "LEADER_FLAPS", "VOTER_BEHIND", ...NO_LINK, ...DISTANT],
    where: "sameMember",
    why: "who stands still looks dead to others; in the view of one member this never applies",
  },
  {
    by: ["MEMBER_FLAPS"],
    hides: ["MEMBER_DOWN", "LEADER_FLAPS", ...OUTSIDE, ...NO_LINK, ...DISTANT],
    where: "sameMember",
    why: "each break looks like a death or a cut for a moment",
  },
  {
    by: ["ISOLATED"],
    hides: ["MEMBER_DOWN", "MEMBER_NOT_FOUND", "MEMBER_STOPPED", ...UNDECIDED, ...OUTSIDE, ...NO_LINK, ...DISTANT],
    where: "sameMember",
    why: "from inside a cut, the others look dead",
  },
  {
    by: ["MAJORITY_LOST", "GROUP_NOT_FORMED"],
    hides: [
      "MEMBER_DOWN",
      "MEMBER_NOT_FOUND",
      "MEMBER_STOPPED",
      "VOTER_NO_MEMBER",
      ...DISTANT.filter((code) => code !== "PORT_CLOSED"),
    ],
    where: "sameMember",
    why: "its sentence says who is away, and since when",
  },
  {
    by: ["MAJORITY_LOST", "LEADER_LACKING"],
    hides: ["LEADER_FLAPS", "MEMBER_NO_VOTER", "VOTERS_EVEN"],
    where: "anywhere",
    why: "without a leader nobody is taken in",
  },
  {
    by: ["GROUP_NOT_FORMED"],
    hides: ["MEMBER_NO_VOTER", "VOTERS_EVEN", ...UNDECIDED],
    where: "anywhere",
    why: "who is to be taken in, before anything is decided, is what it says",
  },
  {
    by: ["VOTER_NO_MEMBER"],
    hides: ["MEMBER_REPLACED", "MEMBER_NO_VOTER", "MEMBER_STOPPED", "MEMBER_DOWN"],
    where: "sameMember",
    why: "it is to be removed, or to be brought back, and who has its address votes beside it",
  },
  {
    by: ["MEMBER_NO_VOTER", "VOTER_NO_MEMBER"],
    hides: ["VOTERS_EVEN"],
    where: "anywhere",
    why: "with that one, or without, their number is another one",
  },
  {
    by: ["MEMBER_DOWN", "MEMBER_NOT_FOUND", "MEMBER_STOPPED"],
    hides: [...OUTSIDE, ...DISTANT],
    where: "sameMember",
    why: "a member that is away takes nothing; what becomes of its clients is part of its sentence",
  },
  {
    by: ["MEMBER_DOWN", "MEMBER_NOT_FOUND", "MEMBER_STOPPED", "ISOLATED", ...REFUSED],
    hides: ["CONNECTIONS_UNEVEN"],
    where: "anywhere",
    why: "clients are where members are",
  },
  {
    by: NO_LINK,
    hides: ["MEMBER_DOWN", ...UNDECIDED, ...OUTSIDE, ...DISTANT],
    where: "sameMember",
    why: "what has to go round a broken link is late; and of two members the deaf one takes the other for dead",
  },
  {
    by: ["PORT_CLOSED"],
    hides: [...OUTSIDE, ...DISTANT.filter((code) => code !== "PORT_CLOSED")],
    where: "sameMember",
    why: "what a member cannot be asked for comes late, or not at all",
  },
  {
    by: ["LINK_ONE_WAY"],
    hides: ["LINK_BROKEN"],
    where: "samePair",
    why: "the side that hears nothing takes the link for broken",
  },
  {
    by: ["NAMING_NOT_LOADED", "NAMING_LOADED_LATE"],
    hides: ["COPIES_DIFFER", "PEER_BEHIND"],
    where: "anywhere",
    why: "a member that has not loaded everything differs from all others",
  },
  {
    by: ["PEER_BEHIND"],
    hides: ["COPIES_DIFFER", "FORWARDING_FAILS", "LINK_SLOW"],
    where: "sameMember",
    why: "what has not been taken differs",
  },
  {
    by: ["PEER_BEHIND"],
    hides: ["QUEUE_NEARLY_FULL"],
    where: "anywhere",
    why: "what a member does not take waits",
  },
  {
    by: ["CLIENTS_NOT_BACK"],
    hides: ["OWNER_LOST"],
    where: "sameMember",
    why: "the member itself knows best who has not come back",
  },
  {
    by: ["DISK_WRITES_FAIL"],
    hides: ["DISK_NEARLY_FULL", "DISK_SLOW", "STORE_FAILS"],
    where: "anywhere",
    why: "a full disk is nearly full as well, and its sentence says what is wrong with it",
  },
  {
    by: ["LOG_DAMAGED"],
    hides: ["LEADER_LACKING", "STATE_DIFFERS", ...OUTSIDE],
    where: "sameMember",
    why: "who has lost files does not vote, and fetches them",
  },
  {
    by: ["LOG_DAMAGED"],
    hides: OUTSIDE,
    where: "samePair",
    why: "the same, where it tells of itself",
  },
  {
    by: ["VOTER_BEHIND"],
    hides: ["LEADER_LACKING"],
    where: "sameMember",
    why: "there is a leader, which that one does not hear",
  },
  {
    by: ["DISK_WRITES_FAIL", "DISK_SLOW", "STORE_FAILS", "APPLY_STOPPED"],
    hides: ["VOTER_BEHIND", "LEADER_LACKING", "LEADER_FLAPS"],
    where: "sameMember",
    why: "who cannot write neither keeps up nor leads",
  },
  {
    by: ["DISK_WRITES_FAIL", "DISK_NEARLY_FULL", "APPLY_STOPPED"],
    hides: ["SNAPSHOT_LATE"],
    where: "anywhere",
    why: "a snapshot needs room, and entries that were applied",
  },
  {
    by: ["CLOCK_DIFFERS"],
    hides: ["CLOCK_JUMPED"],
    where: "anywhere",
    why: "the jump is what made the difference",
  },
];

/** What a rule needs to know of a finding. */
export interface Told {
  readonly code: FindingCode;
  readonly members: readonly Named[];
}

/** @param self  id of the member that says both; undefined where several do. */
export function isHidden(told: Told, others: Iterable<Told>, self: string | undefined): boolean {
  for (const other of others)
    for (const { by, hides, where } of HIDING) {
      if (!by.includes(other.code) || !hides.includes(told.code)) continue;
      if (where === "anywhere") return true;
      if (where === "sameMember" && share(told.members, other.members, self)) return true;
      if (where === "samePair" && told.members.every((one) => other.members.some((two) => isSame(one, two))))
        return true;
    }
  return false;
}

function share(some: readonly Named[], others: readonly Named[], self: string | undefined): boolean {
  return some.some((one) => (one.id === undefined || one.id !== self) && others.some((other) => isSame(one, other)));
}

/** One that is known by its address alone is who else has it. */
export function isSame(one: Named, other: Named): boolean {
  return (one.id !== undefined && one.id === other.id) || one.address === other.address;
}
