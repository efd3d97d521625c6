import type { Millis } from "../lib/units.ts";
import {
  compareDigest,
  compareListing,
  forgetDifference,
  list,
  sendBuckets,
  sendDigest,
  tickDigests,
} from "./digests.ts";
import type { Effect, Event, PeerState } from "./events.ts";
import {
  advanceLoad,
  compareLoaded,
  fetchedForLoad,
  listedForLoad,
  loadAt,
  loadChunk,
  offered,
  serve,
  startLoad,
} from "./load.ts";
import { entryOf, hear, hearChange } from "./merge.ts";
import type { Message } from "./messages.ts";
import type { Head } from "./model.ts";
import { answered, bury, giveUp, isSuperseded, ownerChanged, settle, tickOrphans } from "./orphans.ts";
import {
  acknowledged,
  announce,
  announcePart,
  enqueue,
  flush,
  flushAt,
  heard,
  sendAnew,
  stopSending,
} from "./queues.ts";
import { advance, begin } from "./reviews.ts";
import {
  type DistroState,
  headOf,
  inReach,
  isOwnLive,
  newPeer,
  type Peer,
  reachable,
  send,
  type Turn,
} from "./state.ts";

/** The only way in. @returns what the shell is to do, in this order. */
export function step(state: DistroState, event: Event, now: Millis): Effect[] {
  const turn: Turn = { state, now, effects: [], marks: new Map() };
  happen(turn, event);
  advanceLoad(turn);
  tellMarks(turn);
  flush(turn);
  return turn.effects;
}

/** When the shell should feed the next `tick`, at the latest. */
export function nextAt(state: DistroState): Millis {
  // Something is half done: at once, which is as soon as others had their turn.
  if (state.reviews.size > 0 || state.sweep !== undefined || state.expiring) return 0;
  let at = state.orphansAt;
  for (const peer of state.peers.values()) {
    at = Math.min(at, flushAt({ state }, peer));
    if (peer.credit > 0) for (const { retryAt } of peer.inFlight.values()) at = Math.min(at, retryAt);
    if (state.readyHow !== undefined && reachable(peer)) at = Math.min(at, peer.digestAt);
  }
  return Math.min(at, loadAt(state));
}

function happen(turn: Turn, event: Event): void {
  const { state, now } = turn;
  switch (event.type) {
    case "start":
      if (state.started) return;
      state.started = true;
      state.startedAt = now;
      startLoad(turn);
      return begin(turn, { type: "restore", journal: event.journal, at: 0 });
    case "changed":
      return changed(turn, event);
    case "removed":
      return removed(turn, event);
    case "superseded": {
      const entry = state.table.get(event.clientId);
      if (entry === undefined || entry.gone !== undefined) return;
      entry.superseded = true;
      if (state.orphans.has(entry.id) && isSuperseded(state, entry)) giveUp(turn, entry, "superseded");
      return;
    }
    case "applied": {
      const entry = state.table.get(event.clientId);
      if (entry === undefined || entry.gone !== undefined || isOwnLive(state, entry)) return;
      state.table.put(entry, now, { contentHash: event.contentHash });
      // What a bound keeps out, the whole would not bring either.
      if (event.part === true && inReach(state, entry.version))
        send(turn, entry.version.owner, { type: "fetch", ids: [entry.id] });
      return;
    }
    case "peer":
      return peerChanged(turn, event);
    case "peerRemoved": {
      const peer = state.peers.get(event.id);
      if (peer === undefined) return;
      if (peer.state !== "down") peer.stateAt = now;
      peer.state = "down";
      ownerChanged(turn, event.id);
      state.peers.delete(event.id);
      return;
    }
    case "membersKnown":
      state.membersKnown = true;
      return;
    case "refused":
      // The time for a load is for loading: it counts from when there is somebody to load from.
      if (event.reason === undefined && state.load !== undefined) state.load.startedAt = now;
      state.refused = event.reason;
      return;
    case "credit": {
      const peer = state.peers.get(event.peer);
      if (peer === undefined) return;
      peer.credit = event.batches ?? 0;
      if (event.batches === undefined) peer.unlinkedAt ??= now;
      else if (peer.unlinkedAt !== undefined) {
        peer.unlinkedAt = undefined;
        sendAnew(turn, peer);
        reached(turn, peer);
      }
      return;
    }
    case "received": {
      const peer = state.peers.get(event.from);
      // A member that is not in the list, or that was given up: whatever it says will be said again when it is back.
      // While the journal is read it could be taken for newer than what the journal says: it will be said again too.
      if (peer === undefined || peer.state === "down" || state.reviews.has("restore")) return;
      heard(turn, peer);
      return received(turn, peer, event.message);
    }
    case "ring":
      state.ownerOf = event.ownerOf;
      return begin(turn, { type: "ring", at: 0 });
    case "isolated":
      if (state.isolated && !event.isolated) state.keepUntil = now + state.options.settleMs;
      state.isolated = event.isolated;
      if (state.orphans.size > 0) state.orphansAt = now;
      return;
    case "probed":
      return probed(turn, event.answering);
    case "tick":
      advance(turn);
      tickOrphans(turn);
      tickDigests(turn);
      state.expiring = state.table.expire(now - state.options.tombstoneMs, state.options.stepItemsMax);
      return;
  }
}

function changed(turn: Turn, event: Extract<Event, { type: "changed" }>): void {
  const { state, now, effects } = turn;
  const { clientId: id, kind, contentHash, services } = event;
  const held = state.table.get(id);
  const own = isOwnLive(state, held);
  if (own && held.version.counter >= event.counter && held.contentHash === contentHash) return;
  const base = own ? { counter: held.version.counter, contentHash: held.contentHash } : undefined;
  const counter = Math.max(event.counter, (held?.version.counter ?? 0) + 1);
  const version = { owner: state.self, incarnation: state.incarnation, counter };
  const after = held?.gone === "removed" ? held.version.counter : (held?.after ?? 0);
  const head: Head = { id, kind, version, contentHash, gone: undefined, answers: false, after, ageMs: 0 };
  const entry = held?.kind === kind ? held : entryOf(head, now);
  if (held !== undefined && held !== entry) bury(turn, held, { version: held.version, gone: "lost" }, "lost");
  state.table.put(entry, now, {
    version,
    contentHash,
    gone: undefined,
    answers: false,
    after,
    madeAt: now,
    superseded: false,
  });
  if (counter !== event.counter) effects.push({ type: "renumber", clientId: id, version });
  settle(turn, entry);
  if (services === undefined || base === undefined) announce(turn, id);
  else announcePart(turn, id, services, base);
}

function removed(turn: Turn, { clientId, cause }: Extract<Event, { type: "removed" }>): void {
  const { state, now } = turn;
  const entry = state.table.get(clientId);
  // A member that stops says nothing: its clients connect to others, and these keep the copies meanwhile.
  if (entry === undefined || entry.gone !== undefined || cause === "leaving") return;
  const { owner, incarnation, counter } = entry.version;
  const own = isOwnLive(state, entry);
  const mine = { owner: state.self, incarnation: state.incarnation, counter: counter + 1 };
  // Silence towards a member that never heard the client is no proof: its owner may contradict.
  const gone = own || cause === "asked" ? "removed" : "lost";
  const version = gone === "removed" ? mine : { owner, incarnation, counter };
  const asked = gone === "removed" && cause === "asked";
  state.table.put(entry, now, { version, gone, asked, contentHash: 0, answers: false, madeAt: now, superseded: false });
  state.orphans.delete(clientId);
  announce(turn, clientId);
}

function peerChanged(turn: Turn, event: Extract<Event, { type: "peer" }>): void {
  const { state, now } = turn;
  if (event.id === state.self) return;
  const peer = state.peers.get(event.id) ?? newPeer(event.id, now);
  const before = { state: peer.state, incarnation: peer.incarnation };
  const fresh = !state.peers.has(event.id);
  state.peers.set(event.id, peer);
  peer.state = event.state;
  peer.incarnation = Math.max(peer.incarnation, event.incarnation);
  const reborn = before.incarnation !== 0 && before.incarnation !== peer.incarnation;
  if (peer.incarnation !== before.incarnation) peer.bornAt = now;
  if (peer.state !== before.state) peer.stateAt = now;
  if (peer.state === "down" || reborn) {
    stopSending(peer);
    forgetDifference(peer);
    peer.loadStage = "unasked";
    peer.loadAskAt = now;
    peer.listing.clear();
    peer.fetching.clear();
  }
  if (reachable(peer) && (reborn || NEARNESS[peer.state] > NEARNESS[before.state])) {
    peer.loadAskAt = now;
    reached(turn, peer);
  }
  const wasDown = before.state === "down";
  if (fresh || reborn || before.incarnation === 0 || wasDown !== (peer.state === "down")) ownerChanged(turn, peer.id);
}

const NEARNESS: Record<PeerState, number> = { unknown: 0, down: 0, suspicious: 1, up: 2 };

/** What it missed meanwhile, the digests show: at once. */
function reached(turn: Turn, peer: Peer): void {
  peer.reachedAt = turn.now;
  peer.digestAt = turn.now;
  tickDigests(turn);
}

function probed(turn: Turn, answering: readonly string[]): void {
  const { state, now } = turn;
  const heads: Head[] = [];
  for (const id of answering) {
    const entry = answered(turn, id);
    if (entry !== undefined) heads.push(headOf(entry, now));
  }
  for (let at = 0; at < heads.length; at += state.options.batchItemsMax)
    for (const peer of state.peers.values())
      if (reachable(peer))
        send(turn, peer.id, {
          type: "marks",
          mark: "answers",
          heads: heads.slice(at, at + state.options.batchItemsMax),
        });
}

function received(turn: Turn, peer: Peer, message: Message): void {
  const { state } = turn;
  switch (message.type) {
    case "sync": {
      const unfit = new Set(message.changes.filter((change) => hearChange(turn, peer, change)));
      for (const removal of message.removals) hear(turn, peer, removal);
      // Before the acknowledgement, behind which the owner takes it that what it sent is here.
      if (unfit.size > 0) send(turn, peer.id, { type: "fetch", ids: [...unfit].map(({ id }) => id) });
      if (message.seq !== 0) send(turn, peer.id, { type: "ack", seq: message.seq });
      fetchedForLoad(turn, peer, unfit.size === 0 ? message.changes : message.changes.filter((one) => !unfit.has(one)));
      return fetchedForLoad(turn, peer, message.removals);
    }
    case "ack":
      return acknowledged(turn, peer, message.seq);
    case "digest":
      if (!isExpected(state, peer, message.loaded)) return;
      return differences(turn, peer, compareDigest(turn, peer, message.owners));
    case "digestAsk":
      return sendDigest(turn, peer);
    case "buckets":
      return list(turn, peer, message.owner, message.from, message.hashes);
    case "listing": {
      const { owner, buckets, heads, next } = message;
      const wanted = compareListing(turn, peer, owner, buckets, heads);
      if (next !== undefined) sendBuckets(turn, peer, owner, next);
      return listedForLoad(turn, peer, owner, next === undefined, wanted);
    }
    case "fetch":
      for (const id of message.ids) enqueue(turn, peer, id);
      return;
    case "loadAsk":
      return send(turn, peer.id, {
        type: "loadOffer",
        loaded: state.readyHow !== undefined,
        clients: state.table.size,
      });
    case "loadOffer":
      return offered(peer, message.loaded, message.clients);
    case "loadRequest":
      return serve(turn, peer, message.cursor);
    case "loadChunk":
      return loadChunk(turn, peer, message);
    case "handOver":
      return consider(turn, peer, message.heads);
    case "marks":
      if (message.mark === "unconfirmed") return consider(turn, peer, message.heads);
      for (const head of message.heads) hear(turn, peer, head);
      return;
  }
}

/** Who has not loaded says nothing that differs, but to others that have not: together they have what there is. */
function isExpected({ readyHow, load }: DistroState, { loadStage }: Peer, loaded: boolean): boolean {
  const isCompared = loadStage === "comparing";
  return loaded ? readyHow !== undefined || isCompared : load?.cold === true && isCompared;
}

function differences(turn: Turn, peer: Peer, unequal: readonly string[]): void {
  if (turn.state.load !== undefined) compareLoaded(turn, peer, unequal);
  else for (const owner of unequal) sendBuckets(turn, peer, owner);
}

/** Heads without contents: what is newer there is asked for. */
function consider(turn: Turn, peer: Peer, heads: readonly Head[]): void {
  const ids = heads.filter((head) => hear(turn, peer, head)).map(({ id }) => id);
  if (ids.length > 0) send(turn, peer.id, { type: "fetch", ids });
}

function tellMarks({ marks, effects }: Turn): void {
  for (const as of ["unconfirmed", "unhealthy", "trusted"] as const) {
    const clientIds = [...marks].filter(([, mark]) => mark === as).map(([id]) => id);
    if (clientIds.length > 0) effects.push({ type: "mark", clientIds, as });
  }
}
