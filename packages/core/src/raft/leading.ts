import type { Millis } from "../lib/units.ts";
import { follow, quorumSize } from "./elections.ts";
import { newPeer, type Peer } from "./peer.ts";
import { appendOwn } from "./proposals.ts";
import { failReads } from "./reads.ts";
import { retry } from "./replication.ts";
import { isVoter, type Leading, type Out, type Raft, refusesWrites } from "./state.ts";

export function beginLeading(state: Raft, now: Millis, out: Out): void {
  state.role = "leader";
  state.leader = state.self;
  state.leading = {
    first: state.log.last + 1,
    peers: new Map(),
    isAlone: true,
    heartbeatAt: now,
    round: 0,
    batches: [],
    bytes: 0,
    reads: [],
    asked: undefined,
    transfer: undefined,
    leaseIsOff: false,
  };
  syncPeers(state, now);
  // 5.4.2, 8: only with an entry of its own term does a leader commit what was there before.
  // The configuration with which a group begins is not in the log before: its first leader puts it there (R7).
  appendOwn(state, state.configurationIndex === 0 ? state.configuration : undefined, out);
}

export function endLeading(state: Raft, out: Out): void {
  const { leading } = state;
  if (leading === undefined) return;
  failReads(state, "notLeader", out);
  if (leading.transfer !== undefined)
    out.effects.push({ type: "transferEnded", to: leading.transfer.to, done: leading.transfer.isSent });
  state.displaced.push(...leading.batches);
  state.leading = undefined;
  state.heardAt = -Infinity;
}

/** A peer for everybody in the configuration; who is in it no more is told so before it is let go. */
export function syncPeers(state: Raft, now: Millis): void {
  const { leading, configuration, configurationIndex, self } = state;
  if (leading === undefined) return;
  const { peers } = leading;
  for (const ids of [configuration.voters, configuration.learners])
    for (const id of ids) {
      const peer = peers.get(id);
      if (peer !== undefined) peer.leaving = undefined;
      else if (id !== self) {
        peers.set(id, newPeer(id, state.log.last + 1, now));
        leading.isAlone = false;
      }
    }
  for (const peer of peers.values()) {
    if (configuration.voters.includes(peer.id) || configuration.learners.includes(peer.id)) continue;
    peer.leaving ??= { index: configurationIndex, until: now + state.options.leavingMs, round: undefined };
  }
}

export function leaderTick(state: Raft, now: Millis, out: Out): void {
  const { leading, options } = state;
  if (leading === undefined) return;
  // 6.2 of the dissertation: clients of a leader that is cut off look for another one.
  if (now - quorumHeardAt(state, now) >= options.electionMinMs) {
    follow(state, state.term, undefined, now, out);
    return;
  }
  const { transfer } = leading;
  if (transfer !== undefined && now >= transfer.until) {
    leading.transfer = undefined;
    out.effects.push({ type: "transferEnded", to: transfer.to, done: false });
  }
  if (now < leading.heartbeatAt) return;
  const standsAside = refusesWrites(state) || state.trust !== "whole";
  if (standsAside && leading.transfer === undefined && bestPeer(state, now) !== undefined)
    startTransfer(state, undefined, now, out);
  for (const peer of leading.peers.values()) {
    if (peer.leaving !== undefined && now >= peer.leaving.until) leading.peers.delete(peer.id);
    else retry(state, peer, now, out);
  }
  beat(state, leading, now, out);
}

/** A heartbeat to everybody, with a number that their answers name. */
export function beat(state: Raft, leading: Leading, now: Millis, out: Out): void {
  leading.heartbeatAt = now + state.options.heartbeatMs;
  const round = ++leading.round;
  for (const peer of leading.peers.values()) {
    const commit = Math.min(peer.match, state.commit);
    peer.toldCommit = Math.max(peer.toldCommit, commit);
    if (peer.leaving !== undefined && commit >= peer.leaving.index) peer.leaving.round ??= round;
    out.send(peer.id, { type: "heartbeat", term: state.term, commit, round, at: now, sure: peer.sure });
  }
}

/** Newest moment at which a majority was heard, this member included. */
export function quorumHeardAt(state: Raft, now: Millis): Millis {
  return quorum(state, now, (peer) => peer.heardAt);
}

/** What a majority of voters has reached; this member, if it is one, `own`. Who forgot its vote counts for nothing. */
export function quorum(state: Raft, own: number, reached: (peer: Peer) => number): number {
  const { configuration, leading } = state;
  values.length = 0;
  for (const id of configuration.voters) {
    if (id === state.self) values.push(own);
    else {
      const peer = leading?.peers.get(id);
      values.push(peer === undefined || peer.trust === "allLost" ? -Infinity : reached(peer));
    }
  }
  values.sort((a, b) => b - a);
  return values[quorumSize(values.length) - 1] ?? -Infinity;
}

/** Only of the call that is under way. */
const values: number[] = [];

/** Heard so lately that this member leads on when it counts on it (6.2 of the dissertation). */
export function isInReach({ options }: Raft, { heardAt }: Peer, now: Millis): boolean {
  return now - heardAt < options.electionMinMs;
}

function couldLead(state: Raft, peer: Peer, now: Millis): boolean {
  return isVoter(state, peer.id) && peer.trust === "whole" && isInReach(state, peer, now);
}

/** The voter that would lead next: it is in reach and has most of the log. */
export function bestPeer(state: Raft, now: Millis): Peer | undefined {
  let best: Peer | undefined;
  for (const peer of state.leading?.peers.values() ?? []) {
    if (couldLead(state, peer, now) && (best === undefined || peer.match > best.match)) best = peer;
  }
  return best;
}

/** Gives the leadership up, to the best peer if there is one. */
export function handOver(state: Raft, now: Millis, out: Out): void {
  const to = bestPeer(state, now);
  if (to !== undefined) out.send(to.id, { type: "timeoutNow", term: state.term });
  follow(state, state.term, undefined, now, out);
}

export function startTransfer(state: Raft, to: string | undefined, now: Millis, out: Out): void {
  const { leading } = state;
  const peer = to === undefined ? bestPeer(state, now) : leading?.peers.get(to);
  // Nothing is taken while it lasts, so that it is not tried in vain.
  if (leading === undefined || leading.transfer !== undefined || peer === undefined || !couldLead(state, peer, now)) {
    out.effects.push({ type: "transferEnded", to, done: false });
    return;
  }
  leading.transfer = { to: peer.id, until: now + state.options.electionMinMs, isSent: false };
}

/** Dissertation 3.10: once the successor has everything it is told to campaign. */
export function settleTransfer(state: Raft, out: Out): void {
  const { leading, log } = state;
  const transfer = leading?.transfer;
  if (leading === undefined || transfer === undefined || transfer.isSent) return;
  if ((leading.peers.get(transfer.to)?.match ?? 0) < log.last) return;
  transfer.isSent = true;
  leading.leaseIsOff = true;
  out.send(transfer.to, { type: "timeoutNow", term: state.term });
}
