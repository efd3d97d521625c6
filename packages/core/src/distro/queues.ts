import type { ServiceName } from "@nacre/protocol";
import type { Base, ClientId, Entry, Head, Outline } from "./model.ts";
import { headOf, isOwnLive, type Peer, reachable, send, type Turn } from "./state.ts";

const GAP_MS_PER_ITEM = 5;
/** A batch goes again after so many times as long as an acknowledgement takes: it may be one of several that wait there. */
const PATIENCE_FACTOR = 2;
/** What is lost must not keep what digests find from being sent for long: few batches are on their way at once. */
const ACK_MS_MAX = 1_000;
const OVERDUE_MAX = 64;

/** A client is to be told to every peer. */
export function announce(turn: Turn, id: ClientId, except?: string): void {
  for (const peer of turn.state.peers.values()) if (peer.id !== except) enqueue(turn, peer, id);
}

/** An own client is to be told to every peer: of what it publishes, what changed since `base`. */
export function announcePart(turn: Turn, id: ClientId, services: readonly ServiceName[], base: Base): void {
  for (const peer of turn.state.peers.values()) {
    if (peer.state === "down") continue;
    peer.pending.add(id, services, base);
    bound(turn, peer);
  }
}

/**
 * One entry per client, however often it changes meanwhile; what goes out is the whole of it. A peer that is down is told
 * by digests once it is back.
 */
export function enqueue(turn: Turn, peer: Peer, id: ClientId): void {
  if (peer.state === "down") return;
  peer.pending.add(id);
  bound(turn, peer);
}

function bound(turn: Turn, peer: Peer): void {
  if (peer.pending.size <= turn.state.options.pendingMax) return;
  peer.pending.clear();
  peer.overflows++;
}

/** Sends what may be sent now. Called at the end of each step, so that one event makes one batch. */
export function flush(turn: Turn): void {
  for (const peer of turn.state.peers.values()) {
    retry(turn, peer);
    while (flushAt(turn, peer) <= turn.now) sendBatch(turn, peer);
  }
}

/** When the next batch may go to this peer; Infinity when nothing waits, or something else has to happen first. */
export function flushAt({ state }: Turn | { readonly state: Turn["state"] }, peer: Peer): number {
  const { options } = state;
  if (peer.pending.size === 0 || peer.credit <= 0 || !reachable(peer)) return Number.POSITIVE_INFINITY;
  if (peer.inFlight.size >= options.batchesInFlightMax) return Number.POSITIVE_INFINITY;
  // A full batch gains nothing by waiting. What follows a small one waits in proportion: up to 200 changes a second each
  // goes alone, and with more of them the batches grow.
  const full = peer.pending.size >= options.batchItemsMax;
  const gapMs = full ? 0 : Math.min(options.batchMs, GAP_MS_PER_ITEM * peer.lastBatchItems);
  return peer.lastBatchAt + gapMs;
}

function sendBatch(turn: Turn, peer: Peer): void {
  const { state, now } = turn;
  const { table, options } = state;
  const ids: ClientId[] = [];
  const changes: Outline[] = [];
  const removals: Head[] = [];
  for (const id of peer.pending.ids()) {
    if (ids.length >= options.batchItemsMax) break;
    const changed = peer.pending.take(id);
    // Forgotten with its tombstone meanwhile: nothing to tell any more.
    const entry = table.get(id);
    if (entry === undefined || isOwnersTo(entry, peer)) continue;
    ids.push(id);
    const head = headOf(entry, now);
    if (entry.gone !== undefined) removals.push(head);
    else if (changed?.services === undefined || changed.base === undefined || !isOwnLive(state, entry))
      changes.push(head);
    else changes.push({ ...head, part: { base: changed.base, services: [...changed.services] } });
  }
  if (ids.length === 0) return;
  const seq = ++state.seq;
  const retryAt = now + Math.max(options.retryMs, patience(peer), peer.backoffMs);
  peer.inFlight.set(seq, { ids, sentAt: now, retryAt });
  peer.credit--;
  peer.lastBatchAt = now;
  peer.lastBatchItems = ids.length;
  send(turn, peer.id, { type: "sync", seq, changes, removals });
}

/** The peer took the client over while it waited here: it needs no copy of what it wrote itself. */
function isOwnersTo({ version, gone }: Entry, { id, incarnation }: Peer): boolean {
  return gone === undefined && version.owner === id && version.incarnation === incarnation;
}

/** A batch without an answer: its ids wait again, and what goes out then is what is held then, as a whole. */
function retry(turn: Turn, peer: Peer): void {
  const { options } = turn.state;
  // It could not leave; and a huge client that is on its way for seconds would be sent again for ever.
  if (peer.credit <= 0) return;
  let overdue = false;
  for (const [seq, batch] of peer.inFlight) {
    if (batch.retryAt > turn.now) continue;
    overdue = true;
    peer.inFlight.delete(seq);
    peer.overdue.set(seq, batch.sentAt);
    const [oldest] = peer.overdue.keys();
    if (oldest !== undefined && peer.overdue.size > OVERDUE_MAX) peer.overdue.delete(oldest);
    for (const id of batch.ids) enqueue(turn, peer, id);
  }
  if (overdue) peer.backoffMs = Math.min(options.retryMaxMs, Math.max(options.retryMs, peer.backoffMs) * 2);
}

/**
 * What came too late counts for nothing, as its ids are on their way again, but for how long it took: with that much time
 * the next one comes in time.
 */
export function acknowledged({ now }: Turn, peer: Peer, seq: number): void {
  const sentAt = peer.inFlight.get(seq)?.sentAt ?? peer.overdue.get(seq);
  if (sentAt === undefined) return;
  peer.inFlight.delete(seq);
  peer.overdue.delete(seq);
  const ackMs = Math.min(ACK_MS_MAX, now - sentAt);
  peer.ackMs = Math.max(ackMs, (peer.ackMs + ackMs) / 2);
  for (const [other, batch] of peer.inFlight) {
    const retryAt = batch.sentAt + patience(peer);
    if (retryAt > batch.retryAt) peer.inFlight.set(other, { ...batch, retryAt });
  }
}

function patience({ ackMs }: Peer): number {
  return PATIENCE_FACTOR * ackMs;
}

/** It is heard again: nothing has to wait for the end of a pause between tries. */
export function heard(turn: Turn, peer: Peer): void {
  if (peer.backoffMs === 0) return;
  peer.backoffMs = 0;
  const soon = turn.now + Math.max(turn.state.options.retryMs, patience(peer));
  for (const [seq, batch] of peer.inFlight)
    if (batch.retryAt > soon) peer.inFlight.set(seq, { ...batch, retryAt: soon });
}

/** Another link stands: what was on its way over the one before is lost, or its acknowledgement is. */
export function sendAnew(turn: Turn, peer: Peer): void {
  peer.ackMs = 0;
  for (const [seq, batch] of peer.inFlight) peer.inFlight.set(seq, { ...batch, retryAt: turn.now });
}

export function stopSending(peer: Peer): void {
  peer.pending.clear();
  peer.inFlight.clear();
  peer.overdue.clear();
  peer.ackMs = 0;
  peer.backoffMs = 0;
}
