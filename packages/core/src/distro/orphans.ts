import type { Millis } from "../lib/units.ts";
import { entryOf, renumber } from "./merge.ts";
import type { ClientId, Entry, Head, MemberId, Version } from "./model.ts";
import { lifeOf, type Orphan } from "./orphan-table.ts";
import { announce } from "./queues.ts";
import { begin } from "./reviews.ts";
import { type DistroState, isOwnLive, type LostOwner, type Patience, speaks, type Turn } from "./state.ts";

/** Orphans whose times differ by less are moved on together, because all are looked at for it. */
const SWEEP_MS = 100;
/** Of those that a step looks at, so many times as many as it may move on: a look is cheap. */
const LOOKS_PER_ITEM = 5;

const IMPATIENT: Patience = { timeoutMs: 0, deleteMs: 0 };

/** Since when nobody speaks for what was written in that life. */
export function lostOwner(turn: Turn, version: Version): LostOwner {
  const { state, now } = turn;
  const held = state.lost.get(lifeOf(version));
  if (held !== undefined) return held;
  const lost: LostOwner = { since: endOf(state, version) ?? now, held: false };
  state.lost.set(lifeOf(version), lost);
  return lost;
}

/** When that life ended at the latest, as far as it is known here: a life that nothing is held of is not remembered for ever. */
function endOf({ self, startedAt, peers }: DistroState, { owner, incarnation }: Version): Millis | undefined {
  if (owner === self) return startedAt;
  const peer = peers.get(owner);
  if (peer === undefined || incarnation > peer.incarnation) return undefined;
  return incarnation < peer.incarnation ? peer.bornAt : peer.stateAt;
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
    // Whoever told it may have it as an orphan that answers; here its owner speaks for it.
    if (entry.answers) state.table.put(entry, now, { answers: false });
    if (held === undefined) return;
    state.orphans.delete(entry.id);
    marks.set(entry.id, "trusted");
  } else if (isSuperseded(state, entry)) giveUp(turn, entry, "superseded");
  else if (held === undefined) {
    wake(state, state.orphans.add(entry, since));
    marks.set(entry.id, "unconfirmed");
  } else {
    state.orphans.update(entry.id);
    // Its patience may be another one, and its time over.
    wake(state, held);
  }
}

/** Sees to it that all are looked at when this one is due. */
function wake(state: DistroState, orphan: Orphan): void {
  state.orphansAt = Math.min(state.orphansAt, Math.max(dueAt(state, orphan), state.sweptAt + SWEEP_MS));
}

/** Whether a newer client stands for it now. */
export function isSuperseded({ naming }: DistroState, { id, superseded }: Entry): boolean {
  return superseded && naming.isSuperseded?.(id) !== false;
}

/**
 * An owner that the ring does not name, and that speaks, was heard of again: the time of its client begins anew. The
 * member that the ring names may be out of reach for whoever hears the client.
 */
export function restart(turn: Turn, entry: Entry): void {
  const { state, now, marks } = turn;
  state.orphans.restart(entry.id, now);
  const orphan = state.orphans.get(entry.id);
  if (orphan === undefined) return;
  wake(state, orphan);
  marks.set(entry.id, "unconfirmed");
}

/** What this member published before it started again: served, but nobody speaks for it until its client is back. */
export function restore(turn: Turn, head: Head): void {
  const { state, now } = turn;
  if (state.table.get(head.id) !== undefined) return;
  const entry = entryOf(head, now);
  state.table.put(entry, now, { gone: head.gone, answers: false });
  settle(turn, entry);
}

/**
 * Nobody speaks for it and its time is over, or another client has taken its place. The latter is told to nobody: who
 * heard of it before the client that took the place would show neither, and who has that client finds out alone.
 */
export function giveUp(turn: Turn, entry: Entry, cause: "lost" | "superseded"): void {
  bury(turn, entry, { version: entry.version, gone: "lost" }, cause);
  if (cause === "lost") announce(turn, entry.id);
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
    superseded: cause === "superseded",
  });
  state.orphans.delete(entry.id);
  marks.delete(entry.id);
}

/** A member came, went, or came back in another life: its clients are orphans now, or are no longer. */
export function ownerChanged(turn: Turn, owner: MemberId): void {
  const { state } = turn;
  const { incarnation } = state.peers.get(owner) ?? { incarnation: 0 };
  const present: Version = { owner, incarnation, counter: 0 };
  if (!speaks(state, present)) lostOwner(turn, present);
  else {
    release(turn, present);
    state.lost.delete(lifeOf(present));
  }
  begin(turn, { type: "owner", owner, at: 0 });
}

/** Says how many removals wait, once per life of an owner. */
export function hold(turn: Turn, owner: MemberId): void {
  const { state, effects } = turn;
  for (const { owner: of, incarnation, clients } of state.orphans.lives()) {
    const version = { owner: of, incarnation, counter: 0 };
    if (of !== owner || speaks(state, version)) continue;
    const lost = lostOwner(turn, version);
    if (lost.held) continue;
    lost.held = true;
    effects.push({ type: "hold", owner, incarnation, clients, until: lost.since + state.options.expiryMs });
  }
}

function release({ state, effects }: Turn, { owner, incarnation }: Version): void {
  const lost = state.lost.get(`${owner}/${incarnation}`);
  if (lost?.held !== true) return;
  lost.held = false;
  effects.push({ type: "release", owner, incarnation });
}

/** How long it is kept: an address client may have agreed on heartbeats that are further apart than members wait. */
function timesOf(
  { options }: DistroState,
  { patience }: Orphan,
): { readonly graceMs: Millis; readonly expiryMs: Millis } {
  const { timeoutMs, deleteMs } = patience ?? IMPATIENT;
  // Before the ring's member removes it, whoever hears it all the same gives it a new version.
  const graceMs = Math.max(options.graceMs, Math.min(timeoutMs, deleteMs));
  return { graceMs, expiryMs: Math.max(options.expiryMs, deleteMs) };
}

/** When the orphan is to be looked at again. The end of an isolation is such a moment too. */
function dueAt(state: DistroState, orphan: Orphan): Millis {
  const { options, isolated, keepUntil } = state;
  const { stage, since } = orphan;
  const { probeMs } = options;
  const { graceMs, expiryMs } = timesOf(state, orphan);
  if (stage === "grace") return since + graceMs - probeMs;
  if (stage === "awaited") return since + graceMs - probeMs / 2;
  const goneAt = isolated ? Number.POSITIVE_INFINITY : Math.max(since + expiryMs, keepUntil);
  return stage === "probing" ? Math.min(since + graceMs, goneAt) : goneAt;
}

/** Moves orphans on: probed before the grace ends, unhealthy after it, gone when their time is over. */
export function tickOrphans(turn: Turn): void {
  const { state, now, effects } = turn;
  const { options, orphans } = state;
  if (state.sweep === undefined) {
    if (now < state.orphansAt) return;
    state.sweep = { left: orphans.values(), nextAt: Number.POSITIVE_INFINITY };
    state.sweptAt = now;
    state.orphansAt = Number.POSITIVE_INFINITY;
  }
  const { sweep } = state;
  const probes: ClientId[] = [];
  let moved = 0;
  for (let looks = options.stepItemsMax * LOOKS_PER_ITEM; looks > 0 && moved < options.stepItemsMax; looks--) {
    const { value: orphan, done } = sweep.left.next();
    if (done === true) {
      state.sweep = undefined;
      state.orphansAt = Math.min(state.orphansAt, Math.max(sweep.nextAt, state.sweptAt + SWEEP_MS));
      forgetLost(turn);
      break;
    }
    if (moveOn(turn, orphan, probes)) moved++;
    if (orphans.has(orphan.entry.id)) sweep.nextAt = Math.min(sweep.nextAt, dueAt(state, orphan));
  }
  if (probes.length > 0) effects.push({ type: "probe", clientIds: probes, withinMs: options.probeMs });
}

/** @returns whether it is in another stage now. */
function moveOn(turn: Turn, orphan: Orphan, probes: ClientId[]): boolean {
  const { state, now, marks } = turn;
  const { entry, since, stage: before } = orphan;
  if (orphan.patience === undefined && entry.kind === "address")
    state.orphans.setPatience(entry.id, state.naming.patienceOf?.(entry.id) ?? IMPATIENT);
  const { probeMs } = state.options;
  const { graceMs, expiryMs } = timesOf(state, orphan);
  const ageMs = now - since;
  if (isHeard(state, entry, since)) {
    // With a version that others take, so that they count anew as well.
    renumber(turn, entry, entry.version.counter + 1);
    restart(turn, entry);
    return true;
  }
  let stage = before;
  if (stage === "grace" && ageMs >= graceMs - probeMs) {
    // One member probes; all do while no ring says which.
    stage = (state.ownerOf(entry.id) ?? state.self) === state.self ? "probing" : "awaited";
  }
  // The other one may have ended since, or count from later, as it has only just started.
  if (stage === "awaited" && ageMs >= graceMs - probeMs / 2) stage = "probing";
  if (stage === "probing" && before !== "probing" && !entry.answers && ageMs < graceMs) probes.push(entry.id);
  if (stage === "probing" && ageMs >= graceMs) {
    stage = "unhealthy";
    if (!entry.answers) marks.set(entry.id, "unhealthy");
  }
  const isOver = ageMs >= expiryMs && mayRemoveLost(state, now);
  if (isOver) giveUp(turn, entry, "lost");
  else if (stage !== before) state.orphans.update(entry.id, stage);
  return isOver || stage !== before;
}

/** Whether it speaks here, although the ring wants it elsewhere. */
function isHeard(state: DistroState, entry: Entry, since: Millis): boolean {
  return isOwnLive(state, entry) && (state.naming.heardAt(entry.id) ?? since) > since;
}

/** Ends holds that have nothing left to hold, and drops lives so old that no tombstone remembers them either. */
function forgetLost(turn: Turn): void {
  const { state, now } = turn;
  for (const [life, lost] of state.lost) {
    const at = life.lastIndexOf("/");
    const version: Version = { owner: life.slice(0, at), incarnation: Number(life.slice(at + 1)), counter: 0 };
    if (state.orphans.life(version) !== undefined) continue;
    release(turn, version);
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
  state.orphans.update(id);
  if (orphan.stage === "unhealthy") marks.set(id, "trusted");
  return entry;
}
