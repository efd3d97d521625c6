import type { Millis } from "../lib/units.ts";
import { sendBuckets, sendDigest } from "./digests.ts";
import { hear, hearChange } from "./merge.ts";
import type { Cursor, Loaded } from "./messages.ts";
import type { Change, ClientId, Head } from "./model.ts";
import { begin } from "./reviews.ts";
import { type DistroState, headOf, type Load, type Peer, reachable, send, type Turn } from "./state.ts";
import { BUCKETS } from "./wide-map.ts";

const FIRST: Cursor = { bucket: 0, after: "" };
/** Retries of one question are this far apart at most. */
const RETRY_MAX_MS = 2_000;

export function startLoad({ state, now }: Turn): void {
  const { loadRetryMs } = state.options;
  state.load = {
    startedAt: now,
    source: undefined,
    cursor: FIRST,
    wholly: true,
    cold: false,
    wasRefused: false,
    retryAt: now,
    retryMs: loadRetryMs,
    chunks: 0,
    clients: 0,
    reason: "",
  };
}

/** Looks at how far the load is, and takes the next step of it. Called at the end of each event while one runs. */
export function advanceLoad(turn: Turn): void {
  const { state, now } = turn;
  const { load } = state;
  if (load === undefined) return;
  const peers = [...state.peers.values()];
  const present = peers.filter(reachable);
  // They stand without this member, which has nothing of theirs: whoever asked it would be shown an empty list.
  if (state.refused !== undefined) {
    load.wasRefused = true;
    return say(turn, load, state.refused);
  }
  if (now - load.startedAt >= state.options.loadMaxMs)
    return finish(turn, "late", `not loaded in time: ${why(turn, load, peers)}`);
  if (state.reviews.has("restore")) return say(turn, load, "the journal of clients is being read");
  if (!state.membersKnown) return say(turn, load, "the list of members is not read yet");
  if (waitsForThoseThatRefused(load, peers)) return say(turn, load, "those that refused it are not in reach");
  if (peers.length === 0) return finish(turn, "alone", "nobody else was found");
  const undecided = peers.some((peer) => isUndecided(turn, peer));
  const source = chooseSource(turn, load, present);
  const wasCold = load.cold;
  load.cold = source === undefined && load.cursor !== undefined && !undecided && present.every(isCold);
  // Who was compared may have loaded meanwhile; and nothing is expected any more of who has not.
  if (wasCold && !load.cold) askAnew(turn, peers);
  ask(turn, peers);
  if (source !== undefined) request(turn, load, source);
  if (load.cold) {
    // All of them have just started, and each has only what its own clients published: a list that is shown has to
    // have the others' too.
    compareRest(turn, present);
    if (present.every(({ loadStage }) => loadStage === "compared"))
      return finish(turn, "cold", present.length === 0 ? "no other member is up" : "no member has loaded");
  }
  if (load.cursor === undefined) {
    compareRest(turn, present);
    const isDone = (peer: Peer): boolean =>
      peer.loadStage === "compared" || peer.loadStage === "notLoaded" || isCutOff(turn, peer);
    if (present.every(isDone) && !undecided)
      return finish(turn, "loaded", `${load.clients} clients in ${load.chunks} chunks`);
  }
  say(turn, load, why(turn, load, peers));
}

/** Who refused it may only be starting again: that nobody is in reach does not say that nobody stands. */
function waitsForThoseThatRefused({ wasRefused }: Load, peers: readonly Peer[]): boolean {
  return wasRefused && !peers.some(reachable);
}

function isCold({ loadStage }: Peer): boolean {
  return loadStage === "notLoaded" || loadStage === "comparing" || loadStage === "compared";
}

/** When the load has something to do by itself. */
export function loadAt({ load, refused, membersKnown, peers, options }: DistroState): Millis {
  if (load === undefined || refused !== undefined) return Number.POSITIVE_INFINITY;
  let at = load.startedAt + options.loadMaxMs;
  if (!membersKnown || waitsForThoseThatRefused(load, [...peers.values()])) return at;
  if (load.source !== undefined && load.cursor !== undefined) at = Math.min(at, load.retryAt);
  for (const peer of peers.values()) {
    const isDone = reachable(peer) ? isLookedAt(peer) : peer.state === "down";
    if (!isDone) at = Math.min(at, peer.loadAskAt);
  }
  return at;
}

function isLookedAt({ loadStage }: Peer): boolean {
  return loadStage === "compared" || loadStage === "offered";
}

/** Who cannot be asked now, however far it has come, is looked at again as often. */
function ask(turn: Turn, peers: readonly Peer[]): void {
  for (const peer of peers) {
    if (peer.loadAskAt > turn.now) continue;
    const isAsked = peer.loadStage === "unasked" || peer.loadStage === "notLoaded";
    if (reachable(peer) && !isAsked) continue;
    peer.loadAskAt = turn.now + turn.state.options.loadRetryMs;
    if (reachable(peer)) send(turn, peer.id, { type: "loadAsk" });
  }
}

/** Membership cannot say yet whether it is there. One that says for longer that it starts has nothing that is shown. */
function isUndecided({ state, now }: Turn, { state: peerState, stateAt }: Peer): boolean {
  return peerState === "unknown" && now - stateAt < state.options.unlinkedMaxMs;
}

function askAnew({ now }: Turn, peers: readonly Peer[]): void {
  for (const peer of peers) {
    if (peer.loadStage !== "comparing" && peer.loadStage !== "compared") continue;
    peer.loadStage = "unasked";
    peer.loadAskAt = now;
    peer.listing.clear();
    peer.fetching.clear();
  }
}

/**
 * It is alive, but nothing can be asked of it: whoever it can be heard by has what it owns. Where nobody else has loaded
 * it is waited for all the same, as nobody else may have that.
 */
function isCutOff({ state, now }: Turn, { unlinkedAt }: Peer): boolean {
  return unlinkedAt !== undefined && now - unlinkedAt >= state.options.unlinkedMaxMs;
}

/** The one with the most clients; when a source goes, the next one goes on where it stopped. */
function chooseSource(turn: Turn, load: Load, present: readonly Peer[]): Peer | undefined {
  const { state, now } = turn;
  if (load.cursor === undefined) return undefined;
  const offering = present.filter((peer) => peer.loadStage === "offered" && !isCutOff(turn, peer));
  const held = offering.find(({ id }) => id === load.source);
  if (held !== undefined) return held;
  const [best] = offering.sort((a, b) => b.loadClients - a.loadClients || (a.id < b.id ? -1 : 1));
  load.source = best?.id;
  if (best === undefined) return undefined;
  load.wholly = load.cursor === FIRST;
  load.retryAt = now;
  load.retryMs = state.options.loadRetryMs;
  return best;
}

function request(turn: Turn, load: Load, source: Peer): void {
  if (load.cursor === undefined || load.retryAt > turn.now) return;
  load.retryAt = turn.now + load.retryMs;
  load.retryMs = Math.min(RETRY_MAX_MS, load.retryMs * 2);
  send(turn, source.id, { type: "loadRequest", cursor: load.cursor });
}

/** Everything is here that one peer had: what the others have beyond it is found by digests. */
function compareRest(turn: Turn, present: readonly Peer[]): void {
  const isCompared = turn.state.load?.cold === true ? "notLoaded" : "offered";
  for (const peer of present) {
    if (peer.loadStage !== isCompared && (peer.loadStage !== "comparing" || peer.loadAskAt > turn.now)) continue;
    peer.loadStage = "comparing";
    peer.listing.clear();
    peer.fetching.clear();
    peer.loadAskAt = turn.now + 2 * turn.state.options.loadRetryMs;
    send(turn, peer.id, { type: "digestAsk" });
  }
}

/** A digest of a peer that is being compared: nothing differs, or these owners do. */
export function compareLoaded(turn: Turn, peer: Peer, unequal: readonly string[]): void {
  // A second digest while the first one is looked at changes nothing.
  if (peer.loadStage !== "comparing" || peer.listing.size > 0 || peer.fetching.size > 0) return;
  if (unequal.length === 0) peer.loadStage = "compared";
  for (const owner of unequal) {
    peer.listing.add(owner);
    sendBuckets(turn, peer, owner);
  }
}

/** A part of a peer's difference was listed. */
export function listedForLoad(turn: Turn, peer: Peer, owner: string, last: boolean, wanted: readonly ClientId[]): void {
  if (peer.loadStage !== "comparing" || !peer.listing.has(owner)) return;
  peer.loadAskAt = turn.now + 2 * turn.state.options.loadRetryMs;
  for (const id of wanted) peer.fetching.add(id);
  if (last) peer.listing.delete(owner);
  settleCompared(peer);
}

/** Clients that were asked for came, or have gone meanwhile. */
export function fetchedForLoad(turn: Turn, peer: Peer, heads: readonly Head[]): void {
  if (peer.loadStage !== "comparing") return;
  peer.loadAskAt = turn.now + 2 * turn.state.options.loadRetryMs;
  for (const { id } of heads) peer.fetching.delete(id);
  settleCompared(peer);
}

function settleCompared(peer: Peer): void {
  if (peer.listing.size === 0 && peer.fetching.size === 0) peer.loadStage = "compared";
}

export function offered(peer: Peer, loaded: boolean, clients: number): void {
  peer.loadClients = clients;
  if (!loaded) peer.loadStage = "notLoaded";
  else if (peer.loadStage === "unasked" || peer.loadStage === "notLoaded") peer.loadStage = "offered";
}

/** Answers with the next chunk, or with "not loaded". */
export function serve(turn: Turn, peer: Peer, cursor: Cursor): void {
  const { state, now } = turn;
  if (state.readyHow === undefined) {
    send(turn, peer.id, { type: "loadOffer", loaded: false, clients: 0 });
    return;
  }
  const changes: Head[] = [];
  const removals: Head[] = [];
  let next: Cursor | undefined;
  for (let { bucket, after } = cursor; bucket < BUCKETS && next === undefined; bucket++, after = "") {
    for (const entry of state.table.sortedBucket(bucket)) {
      if (entry.id <= after) continue;
      (entry.gone === undefined ? changes : removals).push(headOf(entry, now));
      if (changes.length + removals.length < state.options.batchItemsMax) continue;
      next = { bucket, after: entry.id };
      break;
    }
  }
  send(turn, peer.id, { type: "loadChunk", cursor, changes, removals, next });
}

/** The chunk that was asked for; any other is late or came twice. */
export function loadChunk(turn: Turn, peer: Peer, chunk: Loaded<Change>): void {
  const { load } = turn.state;
  if (load === undefined || load.source !== peer.id || !sameCursor(load.cursor, chunk.cursor)) return;
  for (const change of chunk.changes) hearChange(turn, peer, change);
  for (const removal of chunk.removals) hear(turn, peer, removal);
  load.chunks++;
  load.clients += chunk.changes.length;
  load.cursor = chunk.next;
  load.retryAt = turn.now;
  load.retryMs = turn.state.options.loadRetryMs;
  if (chunk.next !== undefined) return;
  load.source = undefined;
  if (load.wholly) peer.loadStage = "compared";
}

function sameCursor(a: Cursor | undefined, b: Cursor): boolean {
  return a?.bucket === b.bucket && a.after === b.after;
}

function why(turn: Turn, load: Load, peers: readonly Peer[]): string {
  const told = peers.map((peer) => {
    if (!reachable(peer)) return `${peer.id} is ${peer.state === "down" ? "down" : "not seen yet"}`;
    if (peer.loadStage !== "compared" && isCutOff(turn, peer))
      return `no connection to ${peer.id} can be made, so it cannot be asked`;
    if (peer.id === load.source) return `fetching from ${peer.id}`;
    if (peer.loadStage === "notLoaded") return `${peer.id} has not loaded either`;
    if (peer.loadStage === "unasked") return `${peer.id} has not answered`;
    return peer.loadStage === "compared" ? `${peer.id} is done` : `comparing with ${peer.id}`;
  });
  return told.join(", ");
}

function say({ effects }: Turn, load: Load, reason: string): void {
  if (load.reason === reason) return;
  load.reason = reason;
  effects.push({ type: "notReady", reason });
}

function finish(turn: Turn, how: "loaded" | "cold" | "alone" | "late", reason: string): void {
  const { state, now, effects } = turn;
  state.load = undefined;
  state.readyHow = how;
  effects.push({ type: "ready", how, reason });
  begin(turn, { type: "unconfirmed", at: 0 });
  for (const peer of state.peers.values()) {
    peer.listing.clear();
    peer.fetching.clear();
    if (!reachable(peer)) continue;
    peer.digestAt = now + state.options.digestMs;
    sendDigest(turn, peer);
  }
}
