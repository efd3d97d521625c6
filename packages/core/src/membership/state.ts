import { type Millis, minutes, seconds } from "../lib/units.ts";
import type { Address } from "./address.ts";
import type { Effect, LinkId } from "./events.ts";
import type { Listed, MemberId, MemberState, Protocol, RefusalCode, Sight } from "./frames.ts";
import { EMPTY_LIST, type MemberList } from "./member-list.ts";
import type { Derived } from "./self.ts";

export interface MembershipOptions {
  readonly probeMs: Millis;
  /** Between probes of a member that did not answer the last one or is not UP. */
  readonly urgentProbeMs: Millis;
  /** A probe without an answer for this long counts as missed, and others are asked. */
  readonly probeTimeoutMs: Millis;
  /** A direction that carried nothing for this long does not work. */
  readonly silentMs: Millis;
  /** A member that nobody in reach has heard for this long is DOWN. */
  readonly downMs: Millis;
  /** An address at which nobody was found for this long, although it was called, counts as out of reach. */
  readonly unfoundMs: Millis;
  /** A link that brought no answer for this long is closed and opened anew. */
  readonly linkSilentMs: Millis;
  readonly redialMs: Millis;
  /** After a refusal by a member: it is for people to end it. */
  readonly refusedRedialMs: Millis;
  /** Answers in a row before a member that was lost is UP. */
  readonly answersForUp: number;
  /** How often a member may stop being UP within a minute; after that it waits until the minute is over. */
  readonly flipsPerMinuteMax: number;
  /** For how long a member must be in or out before the ring follows. */
  readonly ringStableMs: Millis;
  /** For how long the text of a list must stay the same before it counts. */
  readonly listStableMs: Millis;
  /** A member that no list here names is forgotten when it was DOWN for this long. */
  readonly forgetMs: Millis;
  /** A gap between events as long as this is a pause of this process. */
  readonly pauseMs: Millis;
  readonly pauseHoldMaxMs: Millis;
  /** Fewer than a majority in reach for this long: isolated. */
  readonly isolatedMs: Millis;
  /** A new cluster id that a majority shares stands after this long, when not all were there to agree at once. */
  readonly settleMs: Millis;
  readonly resolveRetryMs: Millis;
  readonly resolveAgainMs: Millis;
  /** When nobody answers where the name leads: its member may have another address by now. */
  readonly resolveUnfoundMs: Millis;
  readonly membersMax: number;
}

export const MEMBERSHIP_DEFAULTS: MembershipOptions = {
  probeMs: seconds(1),
  urgentProbeMs: 300,
  probeTimeoutMs: seconds(1),
  silentMs: 2500,
  downMs: seconds(3),
  unfoundMs: seconds(4),
  linkSilentMs: seconds(4),
  redialMs: seconds(1),
  refusedRedialMs: seconds(3),
  answersForUp: 3,
  flipsPerMinuteMax: 2,
  ringStableMs: seconds(3),
  listStableMs: 500,
  forgetMs: minutes(5),
  pauseMs: seconds(1),
  pauseHoldMaxMs: seconds(30),
  isolatedMs: seconds(10),
  settleMs: seconds(30),
  resolveRetryMs: seconds(1),
  resolveAgainMs: seconds(30),
  resolveUnfoundMs: seconds(5),
  membersMax: 200,
};

/** What a member is started with. */
export interface Start {
  readonly id: MemberId;
  readonly incarnation: number;
  readonly epoch: number;
  readonly clusterId: string;
  /** As it was persisted; false for a cluster id that was only just drawn. */
  readonly settled: boolean;
  readonly holdsData: boolean;
  /** As they were persisted: through whom this member joined. */
  readonly joined: readonly Address[];
  readonly protocol: Protocol;
  /** Of this program, for people. */
  readonly version: string;
  readonly fingerprint: string;
  /** The main port. */
  readonly port: number;
  /** What an operator says this member's host is; wins over what is detected, unless only a detected one is listed. */
  readonly host: string | undefined;
}

/** One address that this member calls, or would. */
export interface Dial {
  readonly address: Address;
  phase: "idle" | "connecting" | "open";
  link: LinkId | undefined;
  nextAt: Millis;
  /** Since when nobody has been found there, or it was first looked for. */
  since: Millis;
  /** Who was last found there. */
  memberId: MemberId | undefined;
  /** It leads back to this member. */
  isSelf: boolean;
  /** The last try was refused by the machine: nobody listens. */
  refused: boolean;
  /** Of the last failure; undefined once a link stands. */
  error: string | undefined;
  /** Why whoever answered there last is no member of this cluster; undefined when that was not so. */
  refusal: string | undefined;
}

export interface Link {
  readonly id: LinkId;
  /** Of a link that this member opened. */
  readonly dial: Dial | undefined;
  memberId: MemberId | undefined;
  openedAt: Millis;
  answeredAt: Millis;
  nextProbeAt: Millis;
  nextSeq: number;
  /** Probes under way: when each left, and whether it already counts as missed. */
  readonly pending: Map<number, { readonly sentAt: Millis; missed: boolean }>;
}

/** An indirect probe that is under way. */
export interface Asked {
  readonly at: Millis;
  readonly waiting: Set<MemberId>;
  readonly denials: Map<MemberId, string>;
}

export interface Member {
  readonly id: MemberId;
  epoch: number;
  addresses: readonly Address[];
  incarnation: number;
  beat: number;
  state: MemberState;
  since: Millis;
  cause: string;
  readonly knownAt: Millis;
  /** When its newest sign of life came here, and through whom. */
  heardAt: Millis;
  heardFrom: MemberId;
  answeredAt: Millis | undefined;
  probedAt: Millis | undefined;
  answersInRow: number;
  /** Signs of life since it was DOWN. */
  beatsInRow: number;
  /** Its machine refused since the last sign of life. */
  refusedAt: Millis | undefined;
  asked: Asked | undefined;
  /** Who answers at its only address now. */
  replacedBy: MemberId | undefined;
  replacedAt: Millis | undefined;
  leaving: "no" | "restart" | "forever";
  /** It says that it is not ready to be a member yet. */
  starting: boolean;
  out: LinkId | undefined;
  readonly ins: Set<LinkId>;
  /** When it stopped being UP, within the last minute. */
  departures: Millis[];
  inRing: boolean;
  /** Since when it is the other way round from `inRing`. */
  ringChangeAt: Millis | undefined;
  row: readonly Sight[];
  rowAt: Millis | undefined;
  listHash: string;
  list: readonly Listed[] | undefined;
  listAt: Millis | undefined;
  /** Since when no list here names it; and whether one did. */
  unlistedAt: Millis | undefined;
  wasListed: boolean;
  /** Round trips and what the clocks differed by, newest last. */
  readonly offsets: { readonly rttMs: Millis; offsetMs: Millis }[];
  /** How far its beats were ahead of the time here at least, and when that was seen. */
  lead: { readonly ms: Millis; readonly at: Millis } | undefined;
  pausedMs: Millis;
  protocol: Protocol | undefined;
  version: string;
  /** Another start of it that speaks, and does not count (M17). */
  rival: { readonly since: Millis; heardAt: Millis } | undefined;
  lastError: string | undefined;
}

export interface Refused {
  readonly id: MemberId;
  readonly addresses: readonly Address[];
  readonly code: RefusalCode;
  readonly sentence: string;
  readonly since: Millis;
  readonly at: Millis;
  /** This process is the copy. */
  readonly givesWay: boolean;
}

/** An indirect probe: of whom, who asked over which link, the beat that was known then. */
export interface Favour {
  readonly target: MemberId;
  readonly link: LinkId;
  readonly beat: number;
  readonly until: Millis;
}

export interface Membership {
  readonly options: MembershipOptions;
  readonly start: Start;
  readonly startedAt: Millis;
  clusterId: string;
  /** The greatest that was heard of. */
  epoch: number;
  settled: boolean;
  holdsData: boolean;
  majorityAt: Millis | undefined;
  selfState: "STARTING" | "UP" | "LEAVING";
  selfAddress: Address | undefined;
  leavingForever: boolean;
  selfInRing: boolean;
  /** When this member was first ready. */
  upAt: Millis | undefined;
  lastBeat: number;
  localIps: readonly string[];
  list: MemberList;
  listSource: string;
  /** Undefined until a list, or that there is none, was read once. */
  listReadAt: Millis | undefined;
  listPending: { readonly text: string | undefined; readonly source: string; readonly since: Millis } | undefined;
  /** Since when the list reads empty although it was not. */
  listEmptiedAt: Millis | undefined;
  /** The lines of what was read last, also when it does not count. */
  lastRead: MemberList;
  /** Undefined when something that it follows from has changed. */
  derived: Derived | undefined;
  readonly joined: Set<Address>;
  /** Operators who wait for what comes of `join`. */
  readonly joining: Set<Address>;
  readonly names: Map<string, { ips: readonly string[]; error: string | undefined; nextAt: Millis; since: Millis }>;
  readonly dials: Map<Address, Dial>;
  readonly links: Map<LinkId, Link>;
  readonly members: Map<MemberId, Member>;
  /** The start in which each was DOWN that was forgotten last: at most `membersMax`. Late news of it is no news. */
  readonly forgotten: Map<MemberId, number>;
  /** By member; of several that show one id, by start. */
  readonly refused: Map<string, Refused>;
  /** Indirect probes that this member makes for others. */
  readonly favours: Favour[];
  ring: readonly MemberId[];
  clockOffsetMs: Millis;
  lastEventAt: Millis | undefined;
  /** Nobody goes DOWN before this moment. */
  holdUntil: Millis;
  pause: { readonly at: Millis; readonly lengthMs: Millis } | undefined;
  isolatedAt: Millis | undefined;
  /** When this member last had no other one. */
  aloneAt: Millis | undefined;
  round: number;
}

/** Effects of the step that is under way. */
export type Out = Effect[];

export function newMembership(start: Start, now: Millis, options: Partial<MembershipOptions> = {}): Membership {
  return {
    options: { ...MEMBERSHIP_DEFAULTS, ...options },
    start,
    startedAt: now,
    clusterId: start.clusterId,
    epoch: start.epoch,
    settled: start.settled || start.holdsData,
    holdsData: start.holdsData,
    majorityAt: undefined,
    selfState: "STARTING",
    selfAddress: undefined,
    leavingForever: false,
    selfInRing: false,
    upAt: undefined,
    lastBeat: 0,
    localIps: [],
    list: EMPTY_LIST,
    listSource: "",
    listReadAt: undefined,
    listPending: undefined,
    listEmptiedAt: undefined,
    lastRead: EMPTY_LIST,
    derived: undefined,
    joined: new Set(start.joined),
    joining: new Set(),
    names: new Map(),
    dials: new Map(),
    links: new Map(),
    members: new Map(),
    forgotten: new Map(),
    refused: new Map(),
    favours: [],
    ring: [],
    clockOffsetMs: 0,
    lastEventAt: undefined,
    holdUntil: now,
    pause: undefined,
    isolatedAt: undefined,
    aloneAt: undefined,
    round: 0,
  };
}

export function newMember(id: MemberId, now: Millis): Member {
  return {
    id,
    epoch: 0,
    addresses: [],
    incarnation: 0,
    beat: -1,
    state: "STARTING",
    since: now,
    cause: "found",
    knownAt: now,
    heardAt: now,
    heardFrom: id,
    answeredAt: undefined,
    probedAt: undefined,
    answersInRow: 0,
    beatsInRow: 0,
    refusedAt: undefined,
    asked: undefined,
    replacedBy: undefined,
    replacedAt: undefined,
    leaving: "no",
    starting: false,
    out: undefined,
    ins: new Set(),
    departures: [],
    inRing: false,
    ringChangeAt: undefined,
    row: [],
    rowAt: undefined,
    listHash: "",
    list: undefined,
    listAt: undefined,
    unlistedAt: undefined,
    wasListed: false,
    offsets: [],
    lead: undefined,
    pausedMs: 0,
    protocol: undefined,
    version: "",
    rival: undefined,
    lastError: undefined,
  };
}
