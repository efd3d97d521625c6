import type { ClientId, Entry, Head, MemberId } from "./model.ts";
import { hold, restart, restore, settle } from "./orphans.ts";
import { headOf, isOwnLive, type Review, reachable, send, speaks, type Turn } from "./state.ts";
import { BUCKETS } from "./wide-map.ts";

/**
 * What concerns all clients at once is done bucket by bucket, `stepItemsMax` clients per step: some at once, the rest
 * with the ticks that are due until it is done. Clients that come or change meanwhile are judged by themselves, with
 * what holds then, so it does not matter whether their bucket is still to come.
 */
export function begin(turn: Turn, review: Review): void {
  const { reviews } = turn.state;
  const key = review.type === "owner" ? `owner ${review.owner}` : review.type;
  // The same once more begins again, at the end of those that wait.
  reviews.delete(key);
  reviews.set(key, review);
  if (reviews.size === 1) advance(turn);
}

/** Does a part of what waits. */
export function advance(turn: Turn): void {
  const { state } = turn;
  const { reviews, options } = state;
  let left = options.stepItemsMax;
  for (const [key, review] of reviews) {
    left -= review.type === "restore" ? restoreNext(turn, review, left) : reviewNext(turn, review, left);
    if (review.at < endOf(review)) return;
    reviews.delete(key);
    if (review.type === "owner") hold(turn, review.owner);
    if (review.type === "restore") hold(turn, state.self);
    if (left <= 0) return;
  }
}

function ownerOf(review: Review, self: MemberId): MemberId {
  return review.type === "owner" ? review.owner : self;
}

function endOf(review: Review): number {
  return review.type === "restore" ? review.journal.length : BUCKETS;
}

function restoreNext(turn: Turn, review: Extract<Review, { type: "restore" }>, itemsMax: number): number {
  const heads = review.journal.slice(review.at, review.at + itemsMax);
  review.at += heads.length;
  for (const head of heads) restore(turn, head);
  return heads.length;
}

/** @returns how many clients were looked at: whole buckets, as many as fit, but one at least. */
function reviewNext(turn: Turn, review: Exclude<Review, { type: "restore" }>, itemsMax: number): number {
  const { table, self } = turn.state;
  const owners = review.type === "ring" ? [...table.owners()].map(([owner]) => owner) : [ownerOf(review, self)];
  // Listed first: what is settled may leave its bucket.
  const entries: Entry[] = [];
  for (; review.at < BUCKETS; review.at++) {
    const clients = owners.reduce((sum, owner) => sum + table.bucketSize(owner, review.at), 0);
    if (entries.length > 0 && entries.length + clients > itemsMax) break;
    for (const owner of owners) entries.push(...table.bucket(owner, review.at));
  }
  if (review.type === "owner") for (const entry of entries) settleAnew(turn, entry);
  if (review.type === "ring") displace(turn, entries);
  if (review.type === "unconfirmed") tellUnconfirmed(turn, entries);
  return entries.length;
}

/** An owner came or went. When it is back, what it owns is as it says, although the ring wants it elsewhere. */
function settleAnew(turn: Turn, entry: Entry): void {
  settle(turn, entry);
  if (turn.state.orphans.has(entry.id) && speaks(turn.state, entry.version)) restart(turn, entry);
}

/** The ring changed: who takes over, who hands over. */
function displace(turn: Turn, entries: readonly Entry[]): void {
  const { state, now, effects } = turn;
  const taken: ClientId[] = [];
  const given = new Map<MemberId, Entry[]>();
  // Copies that were expected to beat here while the ring named this member: their silence means nothing any more.
  const released = new Map<MemberId, ClientId[]>();
  for (const entry of entries) {
    if (entry.kind !== "address") continue;
    const wasDisplaced = state.orphans.has(entry.id);
    settle(turn, entry);
    const owner = state.ownerOf(entry.id);
    // One that was owned here all along may have been silent since it was to beat elsewhere.
    if (owner === state.self && (wasDisplaced || !isOwnLive(state, entry))) taken.push(entry.id);
    if (owner === undefined || owner === state.self) continue;
    if (!isOwnLive(state, entry)) {
      const ids = released.get(owner) ?? [];
      released.set(owner, ids);
      ids.push(entry.id);
      continue;
    }
    const list = given.get(owner) ?? [];
    given.set(owner, list);
    list.push(entry);
  }
  if (taken.length > 0) effects.push({ type: "takeOver", clientIds: taken });
  for (const [to, clientIds] of released) effects.push({ type: "handOver", clientIds, to });
  for (const [to, list] of given) {
    effects.push({ type: "handOver", clientIds: list.map(({ id }) => id), to });
    for (const heads of batches(
      list.map((entry) => headOf(entry, now)),
      state.options.batchItemsMax,
    ))
      send(turn, to, { type: "handOver", heads });
  }
}

/** What this member published in its earlier life and still serves, so that peers know of it at once. */
function tellUnconfirmed(turn: Turn, entries: readonly Entry[]): void {
  const { state, now } = turn;
  const told = entries.filter(({ id }) => state.orphans.has(id)).map((entry) => headOf(entry, now));
  for (const heads of batches(told, state.options.batchItemsMax))
    for (const peer of state.peers.values())
      if (reachable(peer)) send(turn, peer.id, { type: "marks", mark: "unconfirmed", heads });
}

function batches(heads: readonly Head[], itemsMax: number): Head[][] {
  const all: Head[][] = [];
  for (let at = 0; at < heads.length; at += itemsMax) all.push(heads.slice(at, at + itemsMax));
  return all;
}
