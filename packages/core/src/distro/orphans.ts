import type { Millis } from "../lib/units.ts";
import type { ClientId, Entry, MemberId, Version } from "./model.ts";
import { announce } from "./queues.ts";
import { type DistroState, headOf, isOwnLive, type LostOwner, type Orphan, send, speaks, type Turn } from "./state.ts";

/** Orphans that wait for the end of an isolation are looked at this often. */
const WAIT_MS = 1_000;

function lifeOf({ owner, incarnation }: Version): string {
  return `${owner}/${incarnation}`;
}

/** Since when nobody speaks for what was written in that life. */
export function lostOwner(turn: Turn, version: Version): LostOwner {
  const { state, now } = turn;
  const held = state.lost.get(lifeOf(version));
  if (held !== undefined) return held;
  const lost: LostOwner = { since: now, held: false };
  state.lost.set(lifeOf(version), lost);
  return lost;
}

export function mayRemoveLost({ isolated, keepUntil }: DistroState, now: Millis): boolean {
  return !isolated && now >= keepUntil;
}

/** Whether a copy would come back that everybody had time to give up. */
export function overdue(turn: Turn, version: Version): boolean {
  const { state, now } = turn;
  if (speaks(state, version) || !mayRemoveLost(state, now)) return false;
  return now - lostOwner(turn, version).since >= state.options.expiryMs;
}

/**
 * Looks at who speaks for a live client after anything changed about it: its owner in the life in which it wrote it,
 * and for an address client the ring too. Without either it is an orphan, and its time runs.
 */
export function settle(turn: Turn, entry: Entry): void {
  const { state, now, marks } = turn;
  if (entry.gone !== undefined) {
    state.orphans.delete(entry.id);
    return;
  }
  const held = state.orphans.get(entry.id);
  let since: Millis | undefined;
  if (!speaks(state, entry.version)) since = lostOwner(turn, entry.version).since;
  else if (entry.kind === "address") {
    const owner = state.ownerOf(entry.id);
    if (owner !== undefined && owner !== entry.version.owner) since = now;
  }
  if (since === undefined) {
    if (held === undefined) return;
    state.orphans.delete(entry.id);
    if (entry.answers) state.table.put(entry, now, { answers: false });
    marks.set(entry.id, "trusted");
  } else if (entry.superseded) giveUp(turn, entry, "superseded");
  else if (held === undefined) {
    const orphan: Orphan = { entry, since, stage: "grace" };
    state.orphans.set(entry.id, orphan);
    state.orphansAt = Math.min(state.orphansAt, dueAt(state, orphan, now));
    marks.set(entry.id, "unconfirmed");
  }
}

/** Nobody speaks for it and its time is over, or another client has taken its place. */
export function giveUp(turn: Turn, entry: Entry, cause: "lost" | "superseded"): void {
  bury(turn, entry, { version: entry.version, gone: "lost" }, cause);
  announce(turn, entry.id);
}

export interface Grave {
  readonly version: Version;
  readonly gone: "removed" | "lost";
  readonly asked?: boolean;
  readonly ageMs?: Millis;
}

/** Makes an entry a tombstone of this version, and has naming drop what it held. */
export function bury(
  turn: Turn,
  entry: Entry,
  { version, gone, asked = false, ageMs = 0 }: Grave,
  cause: "removed" | "deregistered" | "lost" | "superseded",
): void {
  const { state, now, effects, marks } = turn;
  if (entry.gone === undefined) effects.push({ type: "forget", clientId: entry.id, cause, owner: entry.version.owner });
  state.table.put(entry, now, {
    version,
    gone,
    asked,
    contentHash: 0,
    answers: false,
    madeAt: now - ageMs,
    superseded: false,
  });
  state.orphans.delete(entry.id);
  marks.delete(entry.id);
}

/** A member came, went, or came back in another life: its clients are orphans now, or are no longer. */
export function ownerChanged(turn: Turn, owner: MemberId): void {
  const { state } = turn;
  const { incarnation } = state.peers.get(owner) ?? { incarnation: 0 };
  const entries: Entry[] = [];
  for (const bucket of state.table.owned(owner)?.buckets ?? [])
    if (bucket !== undefined) entries.push(...bucket.values());
  for (const entry of entries) settle(turn, entry);
  const present: Version = { owner, incarnation, counter: 0 };
  if (!speaks(state, present)) lostOwner(turn, present);
  else {
    release(turn, present);
    state.lost.delete(lifeOf(present));
  }
  hold(turn, entries);
}

/** Says how many removals wait, once per life of an owner. */
export function hold(turn: Turn, entries: Iterable<Entry>): void {
  const { state, effects } = turn;
  const counts = new Map<string, { readonly version: Version; clients: number }>();
  for (const { id, version } of entries) {
    if (speaks(state, version) || !state.orphans.has(id)) continue;
    const counted = counts.get(lifeOf(version)) ?? { version, clients: 0 };
    counted.clients++;
    counts.set(lifeOf(version), counted);
  }
  for (const { version, clients } of counts.values()) {
    const lost = lostOwner(turn, version);
    if (lost.held) continue;
    lost.held = true;
    const { owner, incarnation } = version;
    effects.push({ type: "hold", owner, incarnation, clients, until: lost.since + state.options.expiryMs });
  }
}

function release({ state, effects }: Turn, { owner, incarnation }: Version): void {
  const lost = state.lost.get(`${owner}/${incarnation}`);
  if (lost?.held !== true) return;
  lost.held = false;
  effects.push({ type: "release", owner, incarnation });
}

/** When the orphan is to be looked at again. */
function dueAt(state: DistroState, { stage, since }: Orphan, now: Millis): Millis {
  const { graceMs, probeMs, expiryMs } = state.options;
  if (stage === "grace") return since + graceMs - probeMs;
  const goneAt = state.isolated
    ? Math.max(since + expiryMs, now + WAIT_MS)
    : Math.max(since + expiryMs, state.keepUntil);
  return stage === "probing" ? Math.min(since + graceMs, goneAt) : goneAt;
}

/** Moves orphans on: probed before the grace ends, unhealthy after it, gone when their time is over. */
export function tickOrphans(turn: Turn): void {
  const { state, now, effects, marks } = turn;
  const { options, orphans } = state;
  if (now < state.orphansAt) return;
  const probes: ClientId[] = [];
  let nextAt = Number.POSITIVE_INFINITY;
  for (const orphan of orphans.values()) {
    const { entry, since } = orphan;
    const ageMs = now - since;
    if (orphan.stage === "grace" && ageMs >= options.graceMs - options.probeMs) {
      orphan.stage = "probing";
      // One member probes; all do while no ring says which.
      if ((state.ownerOf(entry.id) ?? state.self) === state.self && ageMs < options.graceMs) probes.push(entry.id);
    }
    if (orphan.stage === "probing" && ageMs >= options.graceMs) {
      orphan.stage = "unhealthy";
      if (!entry.answers) marks.set(entry.id, "unhealthy");
    }
    if (ageMs >= options.expiryMs && mayRemoveLost(state, now)) giveUp(turn, entry, "lost");
    else nextAt = Math.min(nextAt, dueAt(state, orphan, now));
  }
  state.orphansAt = nextAt;
  if (probes.length > 0) effects.push({ type: "probe", clientIds: probes, withinMs: options.probeMs });
  forgetLost(turn);
}

/** Ends holds that have nothing left to hold, and drops lives so old that no tombstone remembers them either. */
function forgetLost(turn: Turn): void {
  const { state, now } = turn;
  const waiting = new Set<string>();
  let last: Version | undefined;
  for (const { entry } of state.orphans.values()) {
    // Orphans of one life mostly follow each other.
    const { version } = entry;
    if (last?.owner !== version.owner || last.incarnation !== version.incarnation) waiting.add(lifeOf(version));
    last = version;
  }
  for (const [life, lost] of state.lost) {
    if (waiting.has(life)) continue;
    const at = life.lastIndexOf("/");
    release(turn, { owner: life.slice(0, at), incarnation: Number(life.slice(at + 1)), counter: 0 });
    if (now - lost.since >= state.options.tombstoneMs) state.lost.delete(life);
  }
  // Without orphans there is no next look; one more, to forget.
  if (state.orphans.size === 0 && state.lost.size > 0) state.orphansAt = now + state.options.tombstoneMs;
}

/** An orphan of which an instance answers stays healthy until its time is over. */
export function answered(turn: Turn, id: ClientId): Entry | undefined {
  const { state, now, marks } = turn;
  const entry = state.table.get(id);
  const orphan = state.orphans.get(id);
  if (entry === undefined || orphan === undefined || entry.answers) return undefined;
  state.table.put(entry, now, { answers: true });
  if (orphan.stage === "unhealthy") marks.set(id, "trusted");
  return entry;
}

/** The ring changed: who takes over, who hands over. */
export function ringChanged(turn: Turn): void {
  const { state, now, effects } = turn;
  const taken: ClientId[] = [];
  const given = new Map<MemberId, Entry[]>();
  for (const entry of [...state.table.live()]) {
    if (entry.kind !== "address") continue;
    settle(turn, entry);
    const owner = state.ownerOf(entry.id);
    if (owner === state.self && !isOwnLive(state, entry)) taken.push(entry.id);
    if (owner === undefined || owner === state.self || !isOwnLive(state, entry)) continue;
    const list = given.get(owner) ?? [];
    given.set(owner, list);
    list.push(entry);
  }
  if (taken.length > 0) effects.push({ type: "takeOver", clientIds: taken });
  for (const [to, entries] of given) {
    effects.push({ type: "handOver", clientIds: entries.map(({ id }) => id), to });
    for (let at = 0; at < entries.length; at += state.options.batchItemsMax) {
      const heads = entries.slice(at, at + state.options.batchItemsMax).map((entry) => headOf(entry, now));
      send(turn, to, { type: "handOver", heads });
    }
  }
}
