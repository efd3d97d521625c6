import { hear } from "./merge.ts";
import type { OwnerDigest } from "./messages.ts";
import type { ClientId, Entry, Head, MemberId } from "./model.ts";
import { enqueue } from "./queues.ts";
import { type DistroState, headOf, inReach, type Peer, reachable, send, type Turn } from "./state.ts";
import { BUCKETS } from "./wide-map.ts";

/** Every `digestMs`, one message per peer. */
export function tickDigests(turn: Turn): void {
  const { state, now } = turn;
  if (state.readyHow === undefined) return;
  for (const peer of state.peers.values()) {
    if (!reachable(peer) || peer.digestAt > now) continue;
    peer.digestAt = now + state.options.digestMs;
    sendDigest(turn, peer);
  }
}

export function sendDigest(turn: Turn, peer: Peer): void {
  const { state } = turn;
  send(turn, peer.id, { type: "digest", loaded: state.readyHow !== undefined, owners: state.table.digest() });
}

/** Owners of whom this peer may tell us, or we it: each of the two, and whoever is not in reach. All while loading. */
function concerns(state: DistroState, peer: Peer, owner: MemberId): boolean {
  if (owner === state.self || owner === peer.id || state.load !== undefined) return true;
  return state.peers.get(owner)?.state !== "up";
}

/** @returns the owners of whom the two hold different clients. */
export function compareDigest(turn: Turn, peer: Peer, theirs: readonly OwnerDigest[]): MemberId[] {
  const { state, now } = turn;
  const unequal: MemberId[] = [];
  let difference = "";
  peer.differences.clear();
  const counts = new Map(theirs.map((digest) => [digest.owner, digest]));
  const owners = new Set([...counts.keys(), ...[...state.table.owners()].map(([owner]) => owner)]);
  for (const owner of owners) {
    if (!concerns(state, peer, owner)) continue;
    const { count = 0, hash = 0 } = counts.get(owner) ?? {};
    const ours = state.table.owned(owner);
    if (count === (ours?.count ?? 0) && hash === (ours?.hash ?? 0)) continue;
    unequal.push(owner);
    difference += `${owner} ${count} ${hash} ${ours?.count} ${ours?.hash} `;
    peer.differences.set(owner, count - (ours?.count ?? 0));
  }
  if (unequal.length === 0) {
    peer.equalAt = now;
    peer.differsSince = undefined;
  } else peer.differsSince ??= now;
  if (difference !== peer.difference) peer.differenceSince = difference === "" ? undefined : now;
  peer.difference = difference;
  return unequal;
}

/** What it holds now nobody knows. */
export function forgetDifference(peer: Peer): void {
  peer.differsSince = undefined;
  peer.difference = "";
  peer.differenceSince = undefined;
  peer.differences.clear();
}

/** Shows the hashes of an owner's buckets, so that the peer lists those that are unequal. */
export function sendBuckets(turn: Turn, peer: Peer, owner: MemberId, from = 0): void {
  const hashes = turn.state.table.owned(owner)?.hashes ?? new Uint32Array(BUCKETS);
  send(turn, peer.id, { type: "buckets", owner, from, hashes: [...hashes.subarray(from)] });
}

export function list(turn: Turn, peer: Peer, owner: MemberId, from: number, theirs: readonly number[]): void {
  const { state, now } = turn;
  const hashes = state.table.owned(owner)?.hashes;
  const buckets: number[] = [];
  const heads: Head[] = [];
  let next: number | undefined;
  for (let bucket = from; bucket < BUCKETS; bucket++) {
    if ((hashes?.[bucket] ?? 0) === (theirs[bucket - from] ?? 0)) continue;
    if (heads.length >= state.options.listingMax) {
      next = bucket;
      break;
    }
    buckets.push(bucket);
    for (const entry of state.table.bucket(owner, bucket)) heads.push(headOf(entry, now));
  }
  send(turn, peer.id, { type: "listing", owner, buckets, heads, next });
}

/** What they have and we need is fetched; what we have and they do not list is sent. */
export function compareListing(
  turn: Turn,
  peer: Peer,
  owner: MemberId,
  buckets: readonly number[],
  heads: readonly Head[],
): ClientId[] {
  const { state } = turn;
  const theirs = new Set<ClientId>();
  const wanted: ClientId[] = [];
  for (const head of heads) {
    theirs.add(head.id);
    if (hear(turn, peer, head)) wanted.push(head.id);
  }
  for (const bucket of buckets)
    for (const entry of state.table.bucket(owner, bucket))
      if (!theirs.has(entry.id) && mayTell(state, entry)) enqueue(turn, peer, entry.id);
  if (wanted.length > 0) send(turn, peer.id, { type: "fetch", ids: wanted });
  return wanted;
}

function mayTell(state: DistroState, entry: Entry): boolean {
  return entry.version.owner === state.self || !inReach(state, entry.version);
}
