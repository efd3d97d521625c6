import type { Millis } from "../lib/units.ts";
import { handOver, quorum } from "./leading.ts";
import type { Append, Message } from "./messages.ts";
import { type MemberId, remembers, type Trust } from "./model.ts";
import { type Peer, probe } from "./peer.ts";
import { confirmReads } from "./reads.ts";
import { sendChunks } from "./snapshots.ts";
import type { Out, Raft } from "./state.ts";

type Of<Type extends Message["type"]> = Extract<Message, { readonly type: Type }>;

/** Sends a peer what it can take now: one probe, or entries up to its window, or parts of a snapshot. */
export function replicate(state: Raft, peer: Peer, now: Millis, out: Out): void {
  const { log, options } = state;
  const { catchUp } = peer;
  if (catchUp.startedAt === undefined && peer.match < log.last) {
    catchUp.startedAt = now;
    catchUp.target = log.last;
  }
  if (peer.trust === "stateLost") renew(state, peer);
  if (peer.mode !== "snapshot" && log.termOf(peer.next - 1) === undefined) beginSnapshot(state, peer);
  if (peer.mode === "snapshot") return sendChunks(state, peer, now, out);
  if (peer.mode === "probe") {
    if (peer.isWaiting) return;
    peer.isWaiting = true;
    peer.sentAt = now;
    // What is large goes when it is known that it is lacking, and once.
    sendAppend(state, peer, out, pieceBytes(state, peer) > options.probeBytesMax ? "nothing" : "entries");
    return;
  }
  while (peer.next <= (peer.renewAt ?? log.last)) {
    const { messagesInFlightMax, bytesInFlightMax } = options;
    const isFull = peer.flight.length >= messagesInFlightMax || peer.flightBytes >= bytesInFlightMax;
    if (isFull) break;
    if (peer.flight.length === 0) peer.sentAt = now;
    const { lastIndex: last, bytes } = sendAppend(state, peer, out);
    peer.flight.push({ last, bytes });
    peer.flightBytes += bytes;
    peer.next = last + 1;
  }
  const commit = Math.min(peer.match, state.commit);
  if (commit <= peer.toldCommit) return;
  if (remembers(peer.trust)) out.send(peer.id, { type: "commit", term: state.term, commit });
  // Who has lost something believes in a commit only where the logs are seen to agree (R12).
  else if (peer.next > log.last) sendAppend(state, peer, out);
  peer.toldCommit = commit;
}

/** Of the next message to it that carries entries. */
function pieceBytes({ log }: Raft, { next }: Peer): number {
  return next > log.last ? 0 : log.bytes(next, Math.min(log.pieceEnd(next), log.last));
}

/** @param carries  without entries it asks whether the peer has what was sent before. */
function sendAppend(state: Raft, peer: Peer, out: Out, carries: "entries" | "nothing" = "entries"): Append {
  const { log, commit, term } = state;
  const first = peer.next;
  const last = carries === "nothing" || first > log.last ? first - 1 : Math.min(log.pieceEnd(first), log.last);
  const message: Append = {
    type: "append",
    term,
    prevIndex: first - 1,
    prevTerm: log.termOf(first - 1) ?? 0,
    lastIndex: last,
    runs: log.runsIn(first, last),
    configurations: log.configurationsIn(first, last),
    bytes: first > last ? 0 : log.bytes(first, last),
    commit,
  };
  peer.toldCommit = Math.max(peer.toldCommit, Math.min(commit, last));
  if (peer.renewAt !== undefined) peer.renewAt = Math.max(peer.renewAt, last);
  out.send(peer.id, message);
  return message;
}

/** A snapshot takes the place of log and state, so that it has to hold everything that the peer has acknowledged (R14). */
function renew(state: Raft, peer: Peer): void {
  const { leading, log, snapshot } = state;
  if (peer.renewAt === undefined) {
    // Before that it may have entries that nobody sent it in this term.
    if (leading === undefined || peer.match < leading.first) return;
    peer.renewAt = log.last;
  }
  if (peer.mode !== "snapshot" && snapshot.index >= peer.renewAt) beginSnapshot(state, peer);
}

function beginSnapshot(state: Raft, peer: Peer): void {
  const { index, term, configuration, bytes } = state.snapshot;
  probe(peer, peer.next);
  peer.mode = "snapshot";
  peer.transfer = { index, term, configuration, total: Math.max(1, bytes), acked: 0, sent: 0 };
}

/**
 * What was not answered in time is asked for: a peer that takes long to get or to write it is not sent it twice, and one to
 * which it was lost says what it has (`takeRejected`).
 */
export function retry(state: Raft, peer: Peer, now: Millis, out: Out): void {
  if (now - peer.sentAt < state.options.retryMs) return;
  if (peer.mode === "probe") peer.isWaiting = false;
  else if (peer.mode === "pipeline") {
    if (peer.flight.length === 0) return;
    if (state.log.termOf(peer.next - 1) === undefined) return probe(peer, peer.match + 1);
    peer.sentAt = now;
    sendAppend(state, peer, out, "nothing");
  } else if (peer.transfer !== undefined) peer.transfer.sent = peer.transfer.acked;
}

export function unreachable(state: Raft, id: MemberId, now: Millis): void {
  const peer = state.leading?.peers.get(id);
  if (peer === undefined) return;
  if (peer.mode === "pipeline") probe(peer, peer.match + 1);
  // The next try is when it is found again, or in a while.
  peer.isWaiting = true;
  peer.sentAt = now;
  const { chunkBytes, chunksInFlightMax } = state.options;
  if (peer.transfer !== undefined) peer.transfer.sent = peer.transfer.acked + chunkBytes * chunksInFlightMax;
}

export function reachable(state: Raft, id: MemberId): void {
  const peer = state.leading?.peers.get(id);
  if (peer === undefined) return;
  peer.isWaiting = false;
  if (peer.transfer !== undefined) peer.transfer.sent = peer.transfer.acked;
}

export function takeAppended(state: Raft, peer: Peer, message: Of<"appended">, now: Millis): void {
  if (message.match > peer.match) {
    peer.match = message.match;
    peer.sentAt = now;
  }
  let done = 0;
  for (const { last, bytes } of peer.flight) {
    if (last > peer.match) break;
    peer.flightBytes -= bytes;
    done++;
  }
  if (done > 0) peer.flight.splice(0, done);
  if (peer.mode === "snapshot" && peer.match < (peer.transfer?.index ?? 0)) return;
  if (peer.mode !== "pipeline") probe(peer, peer.match + 1);
  peer.mode = "pipeline";
  peer.next = Math.max(peer.next, peer.match + 1);
  const { catchUp } = peer;
  if (catchUp.startedAt === undefined || peer.match < catchUp.target) return;
  catchUp.lastMs = peer.match === state.log.last ? 0 : now - catchUp.startedAt;
  catchUp.startedAt = undefined;
}

/** 5.3, with the shortcut of a whole term per rejection on both sides. */
export function takeRejected(state: Raft, peer: Peer, message: Of<"rejected">, out: Out): void {
  // Late, or of a probe before this one.
  if (peer.mode === "snapshot" || (peer.mode === "probe" && message.prevIndex !== peer.next - 1)) return;
  if (message.prevIndex <= peer.match) {
    if (peer.mode !== "probe" && remembers(peer.trust)) return;
    // It lacks what it had acknowledged, and does not know that, or cannot say that it lost it once more: an older copy of its
    // files was put in their place, or its log is being repaired (R12).
    peer.match = 0;
    peer.toldCommit = 0;
    out.effects.push({ type: "peerDamaged", id: peer.id, trust: peer.trust === "allLost" ? "allLost" : "logLost" });
  }
  const agree = state.log.lastUpTo(message.hintIndex, message.hintTerm);
  probe(peer, Math.max(peer.match, Math.min(agree, message.prevIndex - 1)) + 1);
}

export function takeHeartbeatAnswer(state: Raft, peer: Peer, message: Of<"heartbeatAnswer">, out: Out): void {
  if (message.round > peer.round) {
    peer.round = message.round;
    peer.roundAt = message.at;
  }
  if (peer.leaving?.round !== undefined && peer.round >= peer.leaving.round) state.leading?.peers.delete(peer.id);
  // It still waits for its mark: what told it of the commit may have been lost.
  if (!remembers(message.trust)) peer.toldCommit = 0;
  confirmReads(state, out);
}

/** What a peer that lost its log had said before counts no more, and it begins again; also when it then loses more (R12). */
export function takeTrust(state: Raft, peer: Peer, trust: Trust, out: Out): void {
  if (trust !== "stateLost") peer.renewAt = undefined;
  if (trust !== "whole" && trust !== "stateLost" && trust !== peer.trust) {
    peer.match = 0;
    peer.toldCommit = 0;
    peer.round = 0;
    peer.roundAt = -Infinity;
    probe(peer, state.log.last + 1);
    peer.sure = undefined;
    out.effects.push({ type: "peerDamaged", id: peer.id, trust });
  }
  if (remembers(trust) && !remembers(peer.trust)) {
    peer.match = Math.min(peer.match, peer.sure ?? 0);
    probe(peer, peer.match + 1);
  }
  peer.trust = trust;
  if (remembers(trust)) peer.sure = undefined;
  else if (peer.sure === undefined) peer.sure = sureFor(state, peer);
}

function sureFor({ leading, commit, configuration, configurationIndex }: Raft, peer: Peer): number | undefined {
  if (leading === undefined || commit < leading.first) return undefined;
  const isSettled = configurationIndex <= commit && !configuration.voters.includes(peer.id);
  return peer.trust === "logLost" || isSettled ? commit : undefined;
}

/**
 * Who repairs its log may lose it once more, and nobody can tell that from the first time: what it has acknowledged counts up
 * to its mark, without which it is not whole (R12).
 */
function counted({ match, trust, sure }: Peer): number {
  return trust === "logLost" && sure !== undefined ? Math.min(match, sure) : match;
}

/** 5.3, 5.4.2: what a majority has on disk is committed, once something of this term is among it. */
export function settleCommit(state: Raft): void {
  const { leading } = state;
  if (leading === undefined) return;
  const index = quorum(state, state.durable, counted);
  if (index > state.commit && index >= leading.first) state.commit = Math.min(index, state.log.last);
}

/** Dissertation 4.2.2: a leader that was removed leads until that is committed. */
export function settleRemoval(state: Raft, now: Millis, out: Out): void {
  const { configuration, configurationIndex, commit, self, leading } = state;
  if (leading === undefined || commit < configurationIndex || configuration.voters.includes(self)) return;
  handOver(state, now, out);
}
