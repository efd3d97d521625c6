import type { Effect } from "./events.ts";
import { type Base, type Change, COUNTER_MAX, type Contents, compareVersions, type Entry, type Head } from "./model.ts";
import { answered, bury, overdue, restart, settle } from "./orphans.ts";
import { announce, enqueue } from "./queues.ts";
import { inReach, isOwn, isOwnLive, type Peer, speaks, type Turn } from "./state.ts";

/**
 * A peer sends a client, or a part of what it publishes. A part that builds on something else than what is held here is
 * no more than news that there is something newer.
 *
 * @returns whether this member needs the whole.
 */
export function hearChange(turn: Turn, from: Peer, change: Change): boolean {
  const { base, contents } = change;
  const fits = base === undefined || buildsOn(change, base, turn.state.table.get(change.id));
  return fits ? hear(turn, from, change, contents, base) : hear(turn, from, change);
}

function buildsOn({ kind, version }: Change, base: Base, entry: Entry | undefined): boolean {
  if (entry === undefined || entry.gone !== undefined || entry.kind !== kind) return false;
  const { owner, incarnation, counter } = entry.version;
  const same = owner === version.owner && incarnation === version.incarnation;
  return same && counter === base.counter && entry.contentHash === base.contentHash;
}

/**
 * A peer says what it knows of a client. What is newer is taken, what is older here is not touched, and whoever is
 * behind is told.
 *
 * @param contents  undefined in listings and for clients that are gone.
 * @returns whether this member needs the contents to take it.
 */
export function hear(turn: Turn, from: Peer, head: Head, contents?: Contents, base?: Base): boolean {
  const { state } = turn;
  if (head.version.counter > COUNTER_MAX) return false;
  const entry = state.table.get(head.id);
  const order = entry === undefined ? 1 : compareVersions(head, entry);
  if (isOwn(state, head.version) && order > 0 && !(entry === undefined && head.gone !== undefined)) {
    overrule(turn, head, entry);
    return false;
  }
  if (order === 0 && head.answers) answered(turn, head.id);
  if (isOwnLive(state, entry)) {
    // Others gave it up, perhaps for a newer client that has not come here yet: nobody has to say anything.
    if (order > 0 && head.gone === "lost" && isLeft(state, entry)) return false;
    if (order > 0 && yields(turn, entry, head)) return take(turn, from, head, entry, contents, base);
    if (order > 0) renumber(turn, entry, head.version.counter + 1, head.gone === "removed" ? head.version.counter : 0);
    else if (order < 0 || head.contentHash !== entry.contentHash) enqueue(turn, from, head.id);
    return false;
  }
  if (order > 0 && entry !== undefined && unaware(turn, entry, head)) {
    const version = { owner: state.self, incarnation: state.incarnation, counter: head.version.counter + 1 };
    bury(turn, entry, { version, gone: "removed", ageMs: turn.now - entry.madeAt }, "removed");
    announce(turn, head.id);
    return false;
  }
  if (entry === undefined || order > 0)
    return mayTake(turn, from, head, entry) && take(turn, from, head, entry, contents, base);
  if (order < 0) {
    // Its owner knows better than we do what it wrote before: this is a late message, unless we gave its client up.
    const late = from.id === entry.version.owner && inReach(state, entry.version) && entry.gone !== "lost";
    // What took its place is on its way there, or found by the digests that go to whoever comes in reach.
    const replaced = entry.superseded && turn.now - Math.max(entry.madeAt, from.reachedAt) < SILENT_MS;
    if (!late && !replaced && (entry.gone !== undefined || !inReach(state, entry.version)))
      enqueue(turn, from, head.id);
    return false;
  }
  if (entry.gone !== undefined) return false;
  if (head.contentHash === entry.contentHash) return false;
  // One version with two contents: the owner is right, and without it everybody takes the same of the two.
  const right = inReach(state, head.version) ? from.id === head.version.owner : head.contentHash > entry.contentHash;
  return right && take(turn, from, head, entry, contents, base);
}

const SURE_MS = 3_000;
/** In which a member that is told of a client that took the place of another one gives that up by itself. */
const SILENT_MS = 3_000;

/**
 * Whether a change was made before a removal that it did not know of, by a member that went on counting meanwhile. The
 * time that the message took makes it look later, never earlier: in doubt the client stays.
 */
function unaware({ state, now }: Turn, entry: Entry, head: Head): boolean {
  if (entry.kind !== "address" || entry.gone !== "removed" || head.gone !== undefined) return false;
  // One that wrote both cannot have made the change after the removal, however late a message looks that waited.
  if (entry.version.owner === head.version.owner && entry.version.incarnation > head.version.incarnation) return true;
  const earlierMs = entry.madeAt - (now - head.ageMs);
  // Who removed it knows when that was: what comes after that looks later.
  if (isOwn(state, entry.version) || head.after < entry.version.counter) return earlierMs > 0;
  // The removal that it comes after may be another one; by this much no message makes things look later.
  return earlierMs > SURE_MS;
}

/** A live client is told by its owner, and by others only while the owner is not in reach, or while this member loads. */
function mayTake(turn: Turn, from: Peer, head: Head, entry: Entry | undefined): boolean {
  const { state, now } = turn;
  if (head.gone === "removed") return true;
  // Its owner speaks here, so it is not lost; the owner will contradict.
  if (head.gone === "lost") return entry === undefined || entry.gone !== undefined || state.orphans.has(head.id);
  // What is held beyond that, because it has another patience than most, does not come back: it is judged by that.
  if (!state.orphans.has(head.id) && overdue(turn, head.version)) {
    const given = entry ?? entryOf(head, now);
    bury(turn, given, { version: head.version, gone: "lost" }, "lost");
    enqueue(turn, from, head.id);
    return false;
  }
  return from.id === head.version.owner || !inReach(state, head.version) || state.load !== undefined;
}

/** @returns whether the contents are missing. */
function take(
  turn: Turn,
  from: Peer,
  head: Head,
  held: Entry | undefined,
  contents: Contents | undefined,
  base: Base | undefined,
): boolean {
  const { state, now, effects } = turn;
  const { id, kind, version, contentHash, gone, answers, after, ageMs } = head;
  if (gone !== undefined) {
    const asked = gone === "removed" && head.asked === true;
    const grave = { version, gone, asked, ageMs };
    bury(turn, held ?? entryOf({ ...head, gone }, now), grave, asked ? "deregistered" : gone);
    return false;
  }
  if (contents === undefined) return true;
  const entry = held?.kind === kind ? held : entryOf(head, now);
  if (held !== undefined && entry !== held) bury(turn, held, { version: held.version, gone: "lost" }, "lost");
  const madeAt = now - ageMs;
  state.table.put(entry, now, { version, contentHash, gone: undefined, answers, after, madeAt, superseded: false });
  const apply: Effect = { type: "apply", clientId: id, kind, version, contentHash, contents, from: from.id };
  effects.push(base === undefined ? apply : { ...apply, base });
  const before = state.orphans.get(id);
  settle(turn, entry);
  if (before !== undefined && state.orphans.has(id)) {
    if (speaks(state, version)) restart(turn, entry);
    // Naming goes on showing a copy as it did.
    else if (before.stage === "unhealthy") turn.marks.set(id, answers ? "trusted" : "unhealthy");
  }
  if (kind === "address" && state.ownerOf(id) === state.self) effects.push({ type: "takeOver", clientIds: [id] });
  return false;
}

/** An entry that is not in the table yet. */
export function entryOf({ id, kind, version, contentHash, gone, answers, after, ageMs }: Head, now: number): Entry {
  return {
    id,
    kind,
    version,
    contentHash,
    // Live entries begin as gone, so that taking one in is the change that naming hears of.
    gone: gone ?? "lost",
    answers,
    after,
    madeAt: now - ageMs,
    superseded: false,
  };
}

/** Whether its connection ended, and what it left is kept for the grace. */
function isLeft({ naming }: Turn["state"], { id, kind }: Entry): boolean {
  return kind === "connection" && naming.isLeft?.(id) === true;
}

/**
 * Whether a client that is owned here is given away: one of a connection if that is not open here, and an address client
 * that was heard elsewhere since (the ring differs between members for a while, and between the sides of a partition for
 * long). Where it was heard last, it is owned.
 */
function yields({ state, now }: Turn, entry: Entry, head: Head): boolean {
  if (entry.kind !== "address") return isLeft(state, entry);
  if (head.gone === "lost") return state.orphans.has(entry.id);
  const heardAt = state.naming.heardAt(entry.id);
  return heardAt === undefined || now - heardAt > head.ageMs;
}

/** Somebody holds more of this member's own than this member does: nobody can know it better. */
function overrule(turn: Turn, head: Head, entry: Entry | undefined): void {
  const { state, now } = turn;
  const counter = head.version.counter + 1;
  if (isOwnLive(state, entry)) {
    renumber(turn, entry, counter);
    return;
  }
  const version = { ...head.version, counter };
  bury(turn, entry ?? entryOf({ ...head, gone: "removed" }, now), { version, gone: "removed" }, "removed");
  announce(turn, head.id);
}

/**
 * An own client gets a version above one that is about, with the contents it has.
 *
 * @param after  the removal that it overrules, if that is what is about.
 */
export function renumber(turn: Turn, entry: Entry, counter: number, after = 0): void {
  const { state, now, effects } = turn;
  const version = { owner: state.self, incarnation: state.incarnation, counter };
  const madeAt = Math.max(entry.madeAt, state.naming.heardAt(entry.id) ?? entry.madeAt);
  state.table.put(entry, now, { version, madeAt, after: Math.max(entry.after, after) });
  effects.push({ type: "renumber", clientId: entry.id, version });
  announce(turn, entry.id);
}
