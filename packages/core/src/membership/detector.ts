import { type Millis, minutes } from "../lib/units.ts";
import type { MemberState } from "./frames.ts";
import { worksSince } from "./probes.ts";
import type { Member, Membership, Out } from "./state.ts";

/** Moves every member to the state that what is known of it amounts to. */
export function judgeAll(state: Membership, now: Millis, out: Out): void {
  for (const member of state.members.values()) judge(state, member, now, out);
}

export function judge(state: Membership, member: Member, now: Millis, out: Out): void {
  const { to, cause } = stateOf(state, member, now);
  // Which direction fails may change while it is suspected; of a death the first cause is the one to tell.
  if (to === member.state && to === "SUSPICIOUS") member.cause = cause;
  if (to === member.state) return;
  const from = member.state;
  member.departures = member.departures.filter((at) => now - at < minutes(1));
  if (from === "UP" && to !== "LEAVING" && !isAnew(member)) member.departures.push(now);
  if (to === "DOWN") member.beatsInRow = 0;
  member.state = to;
  member.since = now;
  member.cause = cause;
  out.push({ type: "memberChanged", id: member.id, from, to, cause });
}

/** Started so fast that nobody missed it: it has not left, it has not come yet. */
function isAnew({ answeredAt, probedAt }: Member): boolean {
  return answeredAt === undefined || probedAt === undefined;
}

interface Judgement {
  readonly to: MemberState;
  readonly cause: string;
}

function stateOf(state: Membership, member: Member, now: Millis): Judgement {
  const stay: Judgement = { to: member.state, cause: member.cause };
  const found = foundDead(state, member, now);
  if (found !== undefined) return { to: "DOWN", cause: found };
  const silent = silence(state, member, now);
  if (isExcused(state, member, now) && (silent !== undefined || member.state === "UP")) return leaves(member) ?? stay;
  if (silent !== undefined) return { to: "DOWN", cause: silent };
  // A hearing that comes after a death must repeat before it counts.
  if (member.state === "DOWN" && member.beatsInRow < state.options.answersForUp) return stay;
  const leaving = leaves(member);
  if (leaving !== undefined) return leaving;
  if (member.starting) return { to: "STARTING", cause: "it does not know its own address yet" };
  const answers = worksSince(state, member.answeredAt, now);
  const probes = worksSince(state, member.probedAt, now);
  if (answers && probes) return mayBeUp(state, member, now) ? { to: "UP", cause: "both directions work" } : WATCHED;
  if (member.state === "STARTING" && now - member.knownAt < state.options.silentMs) return stay;
  return { to: "SUSPICIOUS", cause: oneWay(member, answers, probes) };
}

function leaves(member: Member): Judgement | undefined {
  return member.leaving === "no" ? undefined : { to: "LEAVING", cause: "it said that it stops" };
}

/** Alive and in reach, so it is not DOWN; but not UP before it has held. */
const WATCHED: Judgement = { to: "SUSPICIOUS", cause: "both directions work, but not for long enough" };

function oneWay(member: Member, answers: boolean, probes: boolean): string {
  if (probes) return `its probes come, but it does not answer (${member.lastError ?? "no answer"})`;
  if (answers) return "it answers, but its own probes do not come";
  return `only others hear it (${member.lastError ?? "no answer"})`;
}

/** That it is dead was found out, and not before the last pause of this process. */
function foundDead(state: Membership, member: Member, now: Millis): string | undefined {
  if (member.replacedBy !== undefined) return `its address belongs to member ${member.replacedBy} now`;
  if (!isRefused(state, member, now)) return undefined;
  return `${farewell(member)}its machine refuses (${member.lastError ?? "connection refused"})`;
}

function silence(state: Membership, member: Member, now: Millis): string | undefined {
  if (now - member.heardAt < state.options.downMs) return undefined;
  return `${farewell(member)}nobody in reach has heard it for ${state.options.downMs / 1000} s (${member.lastError ?? "no answer"})`;
}

/** Nobody is judged by what this process could not hear while it stood still; who was heard after it is (M8). */
function isExcused({ holdUntil, pause }: Membership, { heardAt }: Member, now: Millis): boolean {
  return now < holdUntil && pause !== undefined && heardAt <= pause.at;
}

function farewell(member: Member): string {
  return member.leaving === "no" ? "" : "it said that it stops, and ";
}

/** Its machine says that nobody listens, no link of it is left, and those who were asked have not found it (M5). */
function isRefused(state: Membership, member: Member, now: Millis): boolean {
  const { refusedAt, asked } = member;
  const pausedAt = state.pause?.at ?? Number.NEGATIVE_INFINITY;
  if (refusedAt === undefined || refusedAt <= pausedAt || member.out !== undefined || member.ins.size > 0) return false;
  if (asked === undefined || asked.at < refusedAt) return false;
  return asked.waiting.size === 0 || now - asked.at >= state.options.probeTimeoutMs;
}

/** A member seen for the first time is UP at once; one that was lost answers some times first, and does not flap (M9). */
function mayBeUp(state: Membership, member: Member, now: Millis): boolean {
  if (member.state === "UP") return true;
  if (member.departures.length === 0 && member.state !== "DOWN" && member.state !== "SUSPICIOUS") return true;
  const lately = member.departures.filter((at) => now - at < minutes(1)).length;
  return member.answersInRow >= state.options.answersForUp && lately < state.options.flipsPerMinuteMax;
}
