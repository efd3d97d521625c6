import { type Millis, seconds } from "../lib/units.ts";
import { loadText } from "./catalogue/ap.ts";
import { unlistedText } from "./catalogue/list.ts";
import type { DiagnosisFacts, GroupFacts } from "./facts.ts";
import type { Area, Finding, FindingCode } from "./finding.ts";
import { groupNamed } from "./group-view.ts";
import { newMemory } from "./memory.ts";
import { type View, viewOf } from "./view.ts";
import { clockText, count } from "./words.ts";

export const SUBSYSTEMS = [
  "members",
  "ap",
  "cp",
  "config",
  "store",
  "disk",
  "clock",
] as const satisfies readonly Area[];
export type Subsystem = (typeof SUBSYSTEMS)[number];

/**
 * `ok`: does all it should. `limited`: works, with the reason. `starting`: will work by itself in a moment. `failed`:
 * does not work. `off`: this server does not have it.
 */
export type SubsystemState = "ok" | "limited" | "starting" | "failed" | "off";

export interface SubsystemReadiness {
  readonly state: SubsystemState;
  readonly since: Millis;
  /** Why, where there is something to say. */
  readonly reason: string | undefined;
  readonly fix: string | undefined;
}

export interface ReadinessReport {
  /** Whether this member may be sent traffic. */
  readonly ready: boolean;
  /** When not: what is wrong, with members, ports and the next step, in one sentence. */
  readonly sentence: string | undefined;
  readonly subsystems: { readonly [S in Subsystem]: SubsystemReadiness };
}

/** Why a member lets nobody in, and which part of it does not. */
interface Gate {
  readonly part: Subsystem | undefined;
  readonly state: "starting" | "failed";
  readonly since: Millis;
  readonly reason: string;
  readonly fix: string;
}

/** Three elections. */
const ELECTED_MS = seconds(6);
const SEND_ELSEWHERE = "Send requests to another member.";

/**
 * Whether this member may be sent traffic, and how each of its parts does, from the same facts as the findings.
 *
 * @param findings what `diagnose` found in these facts; a part with one is at best limited.
 */
export function readinessOf(facts: DiagnosisFacts, findings: readonly Finding[], now: Millis): ReadinessReport {
  const view = viewOf(facts, newMemory(), now);
  const gates = gatesOf(view);
  const [first] = gates;
  return {
    ready: first === undefined,
    sentence: first?.reason,
    subsystems: Object.fromEntries(SUBSYSTEMS.map((part) => [part, partOf(view, part, gates, findings)])) as {
      [S in Subsystem]: SubsystemReadiness;
    },
  };
}

/** What keeps clients out, the first to be told first. */
function gatesOf(view: View): Gate[] {
  const { process: own, members, distro, group } = view.facts;
  const { self, now } = view;
  const gates: Gate[] = [];
  if (own.stage === "stopping")
    gates.push({
      part: undefined,
      state: "failed",
      since: now,
      reason: "This member is stopping; send requests to another one, or start it again.",
      fix: SEND_ELSEWHERE,
    });
  const { status, since: setAt = now } = own.statusSet ?? {};
  if (status === "DOWN" || status === "PAUSED")
    gates.push({
      part: undefined,
      state: "failed",
      since: setAt,
      reason: `An operator set the status of ${self.address} to ${status} at ${clockText(setAt)}; clear the switch overriddenServerStatus to end that.`,
      fix: "Clear the switch overriddenServerStatus.",
    });
  if (members?.self.state === "STARTING") gates.push(unlistedGate(view));
  if (distro !== undefined && distro.ready === undefined) {
    const since = now - (distro.load?.forMs ?? now - own.startedAt);
    const what = distro.load === undefined ? (distro.waitingFor ?? "it has not begun to load") : loadText(view);
    gates.push({
      part: "ap",
      state: "starting",
      since,
      reason: `Naming is not loaded at ${self.address} yet: ${what}${portsText(view)}.`,
      fix: "Wait; if it takes long, see that the other members run and that their member ports are open to this one.",
    });
  }
  if (group?.trust === "stateLost") gates.push(renewingGate(view, group));
  else if (own.stage === "starting" && group?.catchingUp !== undefined)
    gates.push({
      part: "cp",
      state: "starting",
      since: own.startedAt,
      reason: `Durable data is not up to date at ${self.address} yet: ${group.catchingUp}; if that stays, it serves what it has within ten seconds.`,
      fix: "Wait; if it takes long, look at nacre raft status of the other members.",
    });
  if (gates.length === 0 && own.stage === "starting")
    gates.push({
      part: undefined,
      state: "starting",
      since: own.startedAt,
      reason: "Nacre is starting; it will be ready in a moment.",
      fix: "Wait.",
    });
  return gates;
}

function unlistedGate(view: View): Gate {
  const { lookup, process: own } = view.facts;
  const part = "members";
  const since = own.startedAt;
  const unlisted = unlistedText(view);
  if (unlisted !== undefined)
    return {
      part,
      state: "failed",
      since,
      reason: unlisted,
      fix: "Add this member to the list, or set `nacos.server.ip`.",
    };
  const why =
    lookup?.error === undefined
      ? "its own address is not known yet"
      : `the list of members cannot be read from ${lookup.where} (${lookup.error})`;
  return {
    part,
    state: "starting",
    since,
    reason: `This member is not a member yet: ${why}; it will be as soon as the list names an address of this machine.`,
    fix: "See that the list can be read and names this member.",
  };
}

function renewingGate(view: View, { leader }: GroupFacts): Gate {
  const from = leader === undefined ? "a leader" : groupNamed(view, leader).address;
  return {
    part: "cp",
    state: "starting",
    since: view.now,
    reason: `Durable data at ${view.self.address} differs from that of most voters, although all have applied the same log; it is ready when it has taken a snapshot of ${from}, which it does by itself.`,
    fix: `${SEND_ELSEWHERE} If it takes long, look at nacre raft status.`,
  };
}

/** Which ports must be open, where that may be what is wrong. */
function portsText({ facts: { members, distro, process: own } }: View): string {
  if (members === undefined) return "";
  const { reached, expected } = members.reach;
  return reached === expected || distro?.load?.refused !== undefined
    ? ""
    : `; if that stays, open port ${own.port + members.portOffset} between the members`;
}

function partOf(view: View, part: Subsystem, gates: readonly Gate[], findings: readonly Finding[]): SubsystemReadiness {
  const { facts } = view;
  const { startedAt: since } = facts.process;
  const gate = gates.find((each) => each.part === part);
  if (gate !== undefined) return { state: gate.state, since: gate.since, reason: gate.reason, fix: gate.fix };
  // Of findings the gravest and oldest come first; a notice limits nothing.
  const finding = findings.find(({ area, severity }) => area === part && severity !== "info");
  if (finding !== undefined) {
    const fails = FAILED.has(finding.code);
    return { state: fails ? "failed" : "limited", since: finding.since, reason: finding.sentence, fix: finding.fix };
  }
  return { fix: undefined, since, ...calm(view, part) };
}

/** With these a part does nothing that it should. */
const FAILED: ReadonlySet<FindingCode> = new Set<FindingCode>([
  "DISK_WRITES_FAIL",
  "STORE_FAILS",
  "ISOLATED",
  "GROUP_NOT_FORMED",
  "MAJORITY_LOST",
  "LEADER_LACKING",
  "APPLY_STOPPED",
]);

type Calm = Pick<SubsystemReadiness, "state" | "reason"> & { readonly fix?: string };

function calm(view: View, part: Subsystem): Calm {
  const { facts } = view;
  const others = (facts.members?.peers.length ?? 0) + (facts.members?.unfound.length ?? 0);
  switch (part) {
    case "members":
      if (facts.members === undefined) return { state: "ok", reason: "a single member, standalone" };
      return { state: "ok", reason: others === 0 ? "a cluster of one member" : count(others, "other member") };
    case "ap":
      return { state: "ok", reason: facts.distro?.ready === undefined ? undefined : HOW[facts.distro.ready] };
    case "cp":
      if (facts.group !== undefined) return calmGroup(view, facts.group);
      if (facts.members === undefined) return { state: "ok", reason: "a single member leads its own log" };
      return { state: "off", reason: "this member keeps nothing on disk, so it is in no group" };
    case "config":
      if (facts.group !== undefined) return calmConfig(facts.group);
      if (others === 0) return { state: "ok", reason: undefined };
      return {
        state: "limited",
        reason: "changes of durable data are refused while there are other members; reads go on",
        fix: "Start it with a data folder.",
      };
    default:
      return { state: "ok", reason: undefined };
  }
}

function calmGroup(view: View, { self, leader, voters }: GroupFacts): Calm {
  if (leader === undefined) {
    const isNew = view.now - view.facts.process.startedAt < ELECTED_MS;
    return { state: isNew ? "starting" : "failed", reason: "no leader is known, so durable changes are refused" };
  }
  if (view.facts.members === undefined) return { state: "ok", reason: "a single member leads its own log" };
  if (leader === self) return { state: "ok", reason: `leads ${count(voters.length, "voter")}` };
  const vote = voters.includes(self) ? "" : " without a vote";
  return {
    state: "ok",
    reason: `follows ${groupNamed(view, leader).address}${vote}; ${count(voters.length, "voter")}`,
  };
}

// F48
function calmConfig({ leader }: GroupFacts): Calm {
  if (leader !== undefined) return { state: "ok", reason: undefined };
  return {
    state: "limited",
    reason: "changes of durable data are refused while there is no leader; reads go on",
    fix: "See the part cp.",
  };
}

// F03, F04
const HOW = {
  loaded: "loaded from the other members",
  cold: "a cold start: no member held data, and new registrations are served",
  alone: "nobody else was found when it started: ready without a load",
  late: "served what it had after 30 s, and has been made equal since",
} as const;
