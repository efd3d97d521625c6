import type { MemberId } from "./model.ts";

/**
 * Goes with every proposal: who made it, in which of its lives, and its number there from 1 on. Everything below `low` is
 * settled and never sent again.
 */
export interface Stamp {
  readonly member: MemberId;
  readonly life: number;
  readonly number: number;
  readonly low: number;
}

export interface SessionBounds {
  readonly membersMax: number;
  /** Numbers from `low` on: a member has no more unsettled proposals than that. */
  readonly numbersMax: number;
}

export const SESSION_BOUNDS: SessionBounds = { membersMax: 1_000, numbersMax: 65_536 };

interface Session {
  life: number;
  /** A session that ended is kept, so that a late entry cannot begin it again. */
  isOpen: boolean;
  low: number;
  /** What was applied from `low` on. */
  applied: Set<number>;
  /** In the log's time. */
  usedAt: number;
}

/** Part of the replicated state: the same on every member at the same index (R10). */
export interface Sessions {
  readonly bounds: SessionBounds;
  /** The newest of each member. */
  readonly newest: Map<MemberId, Session>;
}

/** A session as a row of a snapshot. */
export interface SessionRow {
  readonly member: MemberId;
  readonly life: number;
  readonly isOpen: boolean;
  readonly low: number;
  readonly applied: readonly number[];
  readonly usedAt: number;
}

/** `repeat`: it was applied or given up before, and is passed over. `ended`: it can never be applied any more. */
export type Admission = "apply" | "repeat" | "ended" | "tooFar";

export function newSessions(bounds: Partial<SessionBounds> = {}): Sessions {
  return { bounds: { ...SESSION_BOUNDS, ...bounds }, newest: new Map() };
}

/** A member begins a life; what its earlier ones still have on the way is over. */
export function openSession({ newest, bounds }: Sessions, member: MemberId, life: number, time: number): void {
  const before = newest.get(member);
  if (before !== undefined && before.life >= life) return;
  if (before === undefined && newest.size >= bounds.membersMax) forgetOldest(newest);
  newest.set(member, { life, isOpen: true, low: 1, applied: new Set(), usedAt: time });
}

/** The one that was not used for longest; of those that ended, if there are any. */
function forgetOldest(newest: Map<MemberId, Session>): void {
  const rank = ([member, { isOpen, usedAt }]: [MemberId, Session]) => [isOpen ? 1 : 0, usedAt, member] as const;
  const [oldest] = [...newest].map(rank).sort((a, b) => a[0] - b[0] || a[1] - b[1] || (a[2] < b[2] ? -1 : 1));
  if (oldest !== undefined) newest.delete(oldest[2]);
}

/** A member left for ever. */
export function endSession({ newest }: Sessions, member: MemberId): void {
  const session = newest.get(member);
  if (session === undefined) return;
  session.isOpen = false;
  session.applied = new Set();
}

/** Ends what was not used since `time`. */
export function expireSessions(sessions: Sessions, time: number): void {
  for (const [member, { usedAt }] of sessions.newest) if (usedAt < time) endSession(sessions, member);
}

/** What is to be done with a proposal that comes up in the log; with "apply" it counts as applied from here on. */
export function admit({ newest, bounds }: Sessions, { member, life, number, low }: Stamp, time: number): Admission {
  const session = newest.get(member);
  if (session === undefined || !session.isOpen || session.life !== life) return "ended";
  session.usedAt = Math.max(session.usedAt, time);
  settle(session, low);
  if (number < session.low || session.applied.has(number)) return "repeat";
  if (number >= session.low + bounds.numbersMax) return "tooFar";
  session.applied.add(number);
  return "apply";
}

/** What was to be applied was not, and comes again: applying it broke the machine. */
export function takeBack({ newest }: Sessions, { member, life, number }: Stamp): void {
  const session = newest.get(member);
  if (session?.life === life) session.applied.delete(number);
}

function settle(session: Session, low: number): void {
  const { applied } = session;
  if (low - session.low > applied.size) {
    for (const number of applied) if (number < low) applied.delete(number);
  } else for (let number = session.low; number < low; number++) applied.delete(number);
  session.low = Math.max(session.low, low);
}

/** Whether a proposal was applied; undefined when its session has ended or it is settled, so that nobody knows. */
export function wasApplied({ newest }: Sessions, { member, life, number }: Stamp): boolean | undefined {
  const session = newest.get(member);
  if (session === undefined || session.life !== life || !session.isOpen || number < session.low) return undefined;
  return session.applied.has(number);
}

/** In the order of members, and of numbers. */
export function sessionRows({ newest }: Sessions): SessionRow[] {
  const sessions = [...newest].sort(([a], [b]) => (a < b ? -1 : 1));
  return sessions.map(([member, { applied, ...rest }]) => ({
    member,
    ...rest,
    applied: [...applied].sort((a, b) => a - b),
  }));
}

export function loadSessions(rows: readonly SessionRow[], bounds: Partial<SessionBounds> = {}): Sessions {
  const sessions = newSessions(bounds);
  for (const { member, applied, ...rest } of rows) sessions.newest.set(member, { ...rest, applied: new Set(applied) });
  return sessions;
}
