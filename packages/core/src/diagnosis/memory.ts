import type { Millis } from "../lib/units.ts";
import type { Direction } from "../membership/facts.ts";
import type { MemberId } from "../membership/frames.ts";
import type { DiagnosisFacts } from "./facts.ts";
import { type GroupMemory, newGroupMemory, rememberGroup } from "./group-memory.ts";

const PLANNED_MAX = 400;

/** What diagnosis keeps from one set of facts to the next. */
export interface Memory {
  /** `id/incarnation` of lives that ended by plan; the oldest goes at the bound. */
  readonly planned: Set<string>;
  /** Which way each member was reached last, and when that changed. */
  readonly directions: Map<MemberId, { direction: Direction; changedAt: Millis }>;
  /** When loading last got on. */
  load: { readonly done: string; readonly at: Millis } | undefined;
  readonly backlogs: Map<MemberId, Backlog>;
  readonly group: GroupMemory;
}

/** What waits to be told to a member. */
export interface Backlog {
  readonly waiting: number;
  readonly at: Millis;
  /** When less waited than before, or nothing. */
  readonly movedAt: Millis;
  /** Clients taken per second since the last look; never below 0. */
  readonly perSecond: number;
}

export function newMemory(): Memory {
  return { planned: new Set(), directions: new Map(), load: undefined, backlogs: new Map(), group: newGroupMemory() };
}

export function lifeKey(id: MemberId, incarnation: number): string {
  return `${id}/${incarnation}`;
}

export function remember(memory: Memory, facts: DiagnosisFacts, now: Millis): void {
  const peers = facts.members?.peers ?? [];
  keepOnly(memory.directions, new Set(peers.map(({ id }) => id)));
  for (const { id, direction, leaving, incarnation } of peers) {
    if (leaving !== "no") memory.planned.add(lifeKey(id, incarnation));
    const known = memory.directions.get(id);
    if (known === undefined) memory.directions.set(id, { direction, changedAt: Number.NEGATIVE_INFINITY });
    else if (known.direction !== direction) Object.assign(known, { direction, changedAt: now });
  }
  for (const life of memory.planned) {
    if (memory.planned.size <= PLANNED_MAX) break;
    memory.planned.delete(life);
  }
  rememberDistro(memory, facts, now);
  rememberGroup(memory.group, facts, (id, incarnation) => memory.planned.has(lifeKey(id, incarnation)), now);
}

function rememberDistro(memory: Memory, { distro }: DiagnosisFacts, now: Millis): void {
  const load = distro?.load;
  const done = load && `${load.source} ${load.chunks} ${load.clients}`;
  if (done === undefined) memory.load = undefined;
  else if (memory.load?.done !== done) memory.load = { done, at: now };

  const peers = distro?.peers ?? [];
  keepOnly(memory.backlogs, new Set(peers.map(({ id }) => id)));
  for (const { id, pending, inFlight } of peers) {
    const waiting = pending + inFlight;
    const before = memory.backlogs.get(id);
    if (before?.at === now) continue;
    const fell = before !== undefined && waiting < before.waiting;
    const movedAt = before === undefined || waiting === 0 || fell ? now : before.movedAt;
    const perSecond = fell ? Math.round(((before.waiting - waiting) * 1000) / (now - before.at)) : 0;
    memory.backlogs.set(id, { waiting, at: now, movedAt, perSecond });
  }
}

function keepOnly(map: Map<MemberId, unknown>, ids: ReadonlySet<MemberId>): void {
  for (const id of map.keys()) if (!ids.has(id)) map.delete(id);
}
