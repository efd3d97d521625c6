import type { Millis } from "../lib/units.ts";
import { Log } from "./log.ts";
import type { Chunk, Message } from "./messages.ts";
import type { Index, MemberId } from "./model.ts";
import { type Peer, probe } from "./peer.ts";
import { barrier, hardBarrier } from "./persistence.ts";
import { type Out, pieceBounds, type Raft } from "./state.ts";

type Of<Type extends Message["type"]> = Extract<Message, { readonly type: Type }>;

/** 7: as much of a snapshot as may be under way. */
export function sendChunks(state: Raft, peer: Peer, now: Millis, out: Out): void {
  const { transfer } = peer;
  if (transfer === undefined) return;
  const { chunkBytes, chunksInFlightMax } = state.options;
  const { index, term: snapshotTerm, configuration, total } = transfer;
  while (transfer.sent < total && transfer.sent - transfer.acked < chunkBytes * chunksInFlightMax) {
    const offset = transfer.sent;
    const bytes = Math.min(chunkBytes, total - offset);
    if (offset === transfer.acked) peer.sentAt = now;
    transfer.sent += bytes;
    const { term } = state;
    out.send(peer.id, { type: "chunk", term, index, snapshotTerm, configuration, total, offset, bytes });
  }
}

export function takeChunkAnswer(peer: Peer, message: Of<"chunkAnswer">, now: Millis): void {
  const { transfer } = peer;
  if (transfer === undefined || transfer.index !== message.index) return;
  if (message.offset > transfer.acked) {
    transfer.acked = message.offset;
    transfer.sent = Math.max(transfer.sent, transfer.acked);
    peer.sentAt = now;
  } else if (message.offset < transfer.acked) {
    // It has lost what it had, and says from where on it needs it.
    transfer.acked = message.offset;
    transfer.sent = message.offset;
    peer.sentAt = now;
  }
}

/** A newer one goes at once. This one is tried again in a while: at once, it would be read for as long as that fails. */
export function snapshotLost(state: Raft, index: Index, now: Millis): void {
  for (const peer of state.leading?.peers.values() ?? []) {
    const { transfer } = peer;
    if (transfer?.index !== index) continue;
    if (state.snapshot.index > index) probe(peer, peer.match + 1);
    else {
      transfer.sent = transfer.total;
      peer.sentAt = now;
    }
  }
}

export function takeChunk(state: Raft, from: MemberId, chunk: Chunk, out: Out): void {
  const { term, log, trust } = state;
  const isRenewed = trust === "stateLost" && chunk.index >= log.last;
  if (chunk.index <= state.commit && !isRenewed) {
    out.send(from, { type: "appended", term, match: state.commit, trust }, barrier(state));
    return;
  }
  if (log.termOf(chunk.index) === chunk.snapshotTerm && !isRenewed) {
    // What the snapshot stands for is here already (7).
    state.commit = chunk.index;
    out.send(from, { type: "appended", term, match: chunk.index, trust }, barrier(state));
    return;
  }
  let { incoming } = state;
  if (incoming?.from !== from || incoming.index !== chunk.index || incoming.term !== chunk.snapshotTerm) {
    incoming = { from, index: chunk.index, term: chunk.snapshotTerm, offset: beginAt(state, chunk) };
    state.incoming = incoming;
  }
  if (chunk.offset === incoming.offset) {
    const { offset, bytes, total, index } = chunk;
    out.effects.push({ type: "writeChunk", from, index, offset, bytes, total });
    incoming.offset += bytes;
    if (incoming.offset >= total) return install(state, from, chunk, out);
  }
  out.send(from, { type: "chunkAnswer", term, index: chunk.index, offset: incoming.offset, trust }, hardBarrier(state));
}

/** Behind what is there of this very snapshot; its last byte comes again, because with that it is installed. */
function beginAt(state: Raft, chunk: Chunk): number {
  const { chunksThere: there } = state;
  state.chunksThere = undefined;
  const isSame = there?.index === chunk.index && there.term === chunk.snapshotTerm && there.total === chunk.total;
  return isSame ? Math.min(there.offset, chunk.total - 1) : 0;
}

function install(state: Raft, from: MemberId, chunk: Chunk, out: Out): void {
  const { index, snapshotTerm: term, configuration, total: bytes } = chunk;
  state.incoming = undefined;
  state.snapshot = { index, term, configuration, bytes };
  state.log = new Log(index, term, { index, configuration }, pieceBounds(state.options));
  state.commit = index;
  // It leaves when the state is there.
  const trust = state.trust === "stateLost" ? "whole" : state.trust;
  out.send(from, { type: "appended", term: state.term, match: index, trust }, barrier(state));
}
