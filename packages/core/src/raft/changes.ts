import type { Millis } from "../lib/units.ts";
import { quorumSize } from "./elections.ts";
import type { Order, RefusalReason } from "./events.ts";
import { isInReach, syncPeers } from "./leading.ts";
import type { Configuration, MemberId, Token } from "./model.ts";
import { appendOwn, refusal, refusedEffect } from "./proposals.ts";
import { isIn, type Out, type Raft } from "./state.ts";

/** Dissertation 4.1: one voter at a time, so that majorities before and after have a member in common. */
export function change(state: Raft, token: Token, order: Order, now: Millis, out: Out): void {
  const configuration = changed(state.configuration, order);
  const reason = typeof configuration === "string" ? configuration : refusalOf(state, order, configuration, now);
  if (typeof configuration === "string" || reason !== undefined)
    out.effects.push(refusedEffect(state, [token], reason ?? "alreadyDone"));
  else {
    const first = appendOwn(state, configuration, out);
    state.leading?.batches.push({ first, term: state.term, tokens: [token], bytes: 0 });
  }
}

function refusalOf(state: Raft, order: Order, after: Configuration, now: Millis): RefusalReason | undefined {
  const { leading, commit, configurationIndex, configuration } = state;
  const reason = refusal(state);
  if (leading === undefined || reason !== undefined) return reason ?? "notLeader";
  // Without an entry of its own term a leader may not know the newest configuration (the bug of 2015 in 4.1).
  if (commit < leading.first || commit < configurationIndex) return "changePending";
  if (after.voters.length === 0) return "lastVoter";
  if (order.type === "promote" && !isClose(state, order.id, now)) return "behind";
  const isSmaller = after.voters.length < configuration.voters.length;
  return isSmaller && heard(state, after, now) < quorumSize(after.voters.length) ? "tooFewLeft" : undefined;
}

function changed({ voters, learners }: Configuration, { type, id }: Order): Configuration | RefusalReason {
  const without = (ids: readonly MemberId[]) => ids.filter((one) => one !== id);
  const isLearner = learners.includes(id);
  const isVoter = voters.includes(id);
  switch (type) {
    case "addLearner":
      return isLearner || isVoter ? "alreadyDone" : { voters, learners: [...learners, id] };
    case "promote":
      if (isVoter) return "alreadyDone";
      return isLearner ? { voters: [...voters, id], learners: without(learners) } : "unknownMember";
    case "demote":
      if (isLearner) return "alreadyDone";
      return isVoter ? { voters: without(voters), learners: [...learners, id] } : "unknownMember";
    case "remove":
      return isLearner || isVoter ? { voters: without(voters), learners: without(learners) } : "alreadyDone";
  }
}

/**
 * Dissertation 4.2.1: a learner may vote when a round of what it lacked took less than an election timeout: then the
 * group will not wait for it. That says nothing of one that has gone silent since, or does not come to the end of the round
 * of now. One that has damage to repair is never close.
 */
export function isClose(state: Raft, id: MemberId, now: Millis): boolean {
  const peer = state.leading?.peers.get(id);
  if (peer?.mode !== "pipeline" || peer.trust !== "whole" || !isInReach(state, peer, now)) return false;
  const { startedAt = now, lastMs } = peer.catchUp;
  return Math.max(lastMs, now - startedAt) <= state.options.electionMinMs;
}

function heard(state: Raft, { voters }: Configuration, now: Millis): number {
  return voters.filter((id) => {
    const peer = state.leading?.peers.get(id);
    if (id === state.self) return true;
    return peer !== undefined && peer.trust !== "allLost" && isInReach(state, peer, now);
  }).length;
}

/** The newest configuration of the log counts from the moment it is there, and not when it was cut (4.1). */
export function settleConfiguration(state: Raft, now: Millis, out: Out): void {
  const newest = state.log.configuration;
  const index = newest?.index ?? 0;
  if (newest !== undefined && (index !== state.configurationIndex || newest.configuration !== state.configuration)) {
    state.configurationIndex = index;
    state.configuration = newest.configuration;
    out.effects.push({ type: "configurationChanged", ...newest, committed: false });
    syncPeers(state, now);
  }
}

/** By what is committed and on disk here, a member was removed, or is one. */
export function settleMembership(state: Raft, out: Out): void {
  const { configurationIndex: index, configuration, told, self } = state;
  if (index > told || index === state.committedConfigurationIndex) return;
  state.committedConfigurationIndex = index;
  out.effects.push({ type: "configurationChanged", index, configuration, committed: true });
  const isMember = isIn(configuration, self);
  if (state.isMember && !isMember) out.effects.push({ type: "removedFromGroup", index });
  state.isMember = isMember;
}
