import { assert } from "../lib/assert.ts";
import type { Millis } from "../lib/units.ts";
import { change, settleConfiguration, settleMembership } from "./changes.ts";
import {
  electionTick,
  follow,
  isLeased,
  loseLeader,
  takePreVote,
  takeTimeoutNow,
  takeVote,
  takeVoteAnswer,
  tally,
} from "./elections.ts";
import type { Effect, Event } from "./events.ts";
import { takeAppend, takeCommit, takeHeartbeat, tellNewerTerm } from "./following.ts";
import { handOver, leaderTick, settleTransfer, startTransfer } from "./leading.ts";
import { isOfLeader, type Message } from "./messages.ts";
import type { MemberId } from "./model.ts";
import { persisted, settlePersist, undo } from "./persistence.ts";
import { propose, settleProposals } from "./proposals.ts";
import { requestRead, settleReads } from "./reads.ts";
import {
  reachable,
  replicate,
  settleCommit,
  settleRemoval,
  takeAppended,
  takeHeartbeatAnswer,
  takeRejected,
  takeTrust,
  unreachable,
} from "./replication.ts";
import { snapshotLost, takeChunk, takeChunkAnswer } from "./snapshots.ts";
import { beforeOf, type Leading, Out, type Raft } from "./state.ts";

/** The only way a member of the group changes. See DESIGN.md for the invariants that comments cite. */
export function step(state: Raft, event: Event, now: Millis): readonly Effect[] {
  const out = new Out();
  take(state, event, now, out);
  settle(state, now, out);
  for (const send of out.sends) out.effects.push(send);
  return out.effects;
}

/** When a tick is due. */
export function nextAt({ leading, electionAt }: Raft): Millis {
  if (leading === undefined) return electionAt;
  if (leading.peers.size === 0) return Infinity;
  return Math.min(leading.heartbeatAt, leading.transfer?.until ?? Infinity);
}

function take(state: Raft, event: Event, now: Millis, out: Out): void {
  switch (event.type) {
    case "tick":
      leaderTick(state, now, out);
      return electionTick(state, now, out);
    case "propose":
      return propose(state, event.proposals, out);
    case "persisted":
      persisted(state, event.number);
      return tally(state, now, out);
    case "persistFailed":
      return persistFailed(state, event.number, now, out);
    case "received":
      return receive(state, event.from, event.message, now, out);
    case "peerUnreachable":
      loseLeader(state, event.id, now);
      return unreachable(state, event.id, now);
    case "peerReachable":
      return reachable(state, event.id);
    case "readRequested":
      return requestRead(state, event.token, out);
    case "transfer":
      return startTransfer(state, event.to, now, out);
    case "change":
      return change(state, event.token, event.order, now, out);
    case "snapshotTaken": {
      const { index, bytes } = event;
      // One that was received meanwhile may have taken the place of it, and of its entries.
      if (index <= state.snapshot.index) return;
      const [term, at] = [state.log.termOf(index), state.log.configurationAt(index)];
      assert(term !== undefined && at !== undefined && index <= state.told, "a snapshot is of what is committed");
      state.snapshot = { index, term, configuration: at.configuration, bytes };
      state.before = beforeOf(state);
      return;
    }
    case "snapshotLost":
      return snapshotLost(state, event.index, now);
    case "chunksThere": {
      const { index, term, total, offset } = event;
      state.chunksThere = { index, term, total, offset };
      return;
    }
    case "chunksLost":
      state.chunksThere = undefined;
      state.incoming = undefined;
      return;
    case "applied":
      state.applied = Math.max(state.applied, event.index);
      return;
    case "logCut":
      assert(event.first - 1 <= state.snapshot.index, "only what a snapshot stands for is forgotten");
      return state.log.drop(event.first - 1);
    case "diskRefuses":
      state.diskRefuses = true;
      return standAside(state, now, out);
    case "diskTakes":
      state.diskRefuses = false;
      return;
    case "machineStopped":
      state.isMachineStopped = true;
      return standAside(state, now, out);
    case "stateLost":
      if (state.trust !== "whole") return;
      state.trust = "stateLost";
      out.effects.push({ type: "distrusted" });
      return standAside(state, now, out);
    case "stateRenewed":
      if (state.trust !== "stateLost") return;
      state.trust = "whole";
      out.effects.push({ type: "trusted" });
      return;
  }
}

function standAside(state: Raft, now: Millis, out: Out): void {
  if (state.leading?.isAlone === false) startTransfer(state, undefined, now, out);
}

/** The leader of a full disk cannot give the places of what failed to other entries of its term: it stops to lead. */
function persistFailed(state: Raft, number: number, now: Millis, out: Out): void {
  const isUnderWay = (state.pending.at(-1)?.number ?? 0) >= number;
  if (!isUnderWay) return;
  state.diskRefuses = true;
  state.chunksThere = undefined;
  state.incoming = undefined;
  if (state.leading?.isAlone === false) handOver(state, now, out);
  else if (state.leading === undefined && state.role !== "follower") follow(state, state.term, undefined, now, out);
  const { term } = state;
  undo(state, number);
  if (state.term !== term) state.leader = undefined;
  if (state.leading !== undefined) forgetUnsent(state, state.leading, now, out);
}

/** Nobody else has ever seen what a leader without peers could not write. */
function forgetUnsent(state: Raft, leading: Leading, now: Millis, out: Out): void {
  const { log } = state;
  const lost = leading.batches.filter(({ first }) => first > log.last);
  leading.batches.splice(leading.batches.length - lost.length);
  for (const { tokens, bytes } of lost) {
    leading.bytes -= bytes;
    out.effects.push({ type: "lost", tokens });
  }
  // Without the entry with which its term began it begins another one.
  if (log.last < leading.first) follow(state, state.term, undefined, now, out);
}

function receive(state: Raft, from: MemberId, message: Message, now: Millis, out: Out): void {
  const { type, term } = message;
  if (type === "preVote") return takePreVote(state, from, message, now, out);
  const isPromise = type === "voteAnswer" && message.pre && message.granted;
  if (term > state.term && !isPromise) {
    if (type === "vote" && !message.forced && isLeased(state, now)) {
      out.send(from, { type: "voteAnswer", term: state.term, pre: false, granted: false });
      return;
    }
    follow(state, term, isOfLeader(message) ? from : undefined, now, out);
  } else if (term < state.term) {
    if (type === "vote") out.send(from, { type: "voteAnswer", term: state.term, pre: false, granted: false });
    else if (isOfLeader(message)) tellNewerTerm(state, from, out);
    return;
  }
  if (isOfLeader(message)) {
    assert(state.role !== "leader", "there is one leader per term");
    follow(state, term, from, now, out);
  }
  takeMessage(state, from, message, now, out);
}

function takeMessage(state: Raft, from: MemberId, message: Message, now: Millis, out: Out): void {
  switch (message.type) {
    case "preVote":
    case "newerTerm":
      return;
    case "vote":
      return takeVote(state, from, message, now, out);
    case "voteAnswer":
      return takeVoteAnswer(state, from, message, now, out);
    case "append":
      return takeAppend(state, from, message, out);
    case "heartbeat":
      return takeHeartbeat(state, from, message, out);
    case "commit":
      return takeCommit(state, message.commit);
    case "chunk":
      return takeChunk(state, from, message, out);
    case "timeoutNow":
      return takeTimeoutNow(state, from, now, out);
    case "appended":
    case "rejected":
    case "heartbeatAnswer":
    case "chunkAnswer": {
      const peer = state.leading?.peers.get(from);
      if (peer === undefined) return;
      peer.heardAt = now;
      takeTrust(state, peer, message.trust, out);
      if (message.type === "appended") return takeAppended(state, peer, message, now);
      if (message.type === "rejected") return takeRejected(state, peer, message, out);
      if (message.type === "heartbeatAnswer") return takeHeartbeatAnswer(state, peer, message, out);
      return takeChunkAnswer(peer, message, now);
    }
  }
}

/** What follows from what happened: in this order, because each may move the next. */
function settle(state: Raft, now: Millis, out: Out): void {
  settleConfiguration(state, now, out);
  settlePersist(state, out);
  settleCommit(state);
  settleTold(state, out);
  settleProposals(state, out);
  settleMembership(state, out);
  settleRemoval(state, now, out);
  settleTransfer(state, out);
  const { leading } = state;
  if (leading !== undefined) for (const peer of leading.peers.values()) replicate(state, peer, now, out);
  settleReads(state, now, out);
  settleRole(state, out);
}

function settleTold(state: Raft, out: Out): void {
  const index = Math.min(state.commit, state.durable);
  if (index <= state.told) return;
  state.told = index;
  out.effects.push({ type: "commit", index });
}

function settleRole(state: Raft, out: Out): void {
  const { toldLeader, leader, term, role } = state;
  if (toldLeader.role !== role) out.effects.push({ type: "roleChanged", role });
  if (toldLeader.leader !== leader || (leader !== undefined && toldLeader.term !== term))
    out.effects.push({ type: "leaderChanged", leader, term });
  toldLeader.leader = leader;
  toldLeader.term = term;
  toldLeader.role = role;
}
