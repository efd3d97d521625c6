import type { Millis } from "../lib/units.ts";
import type { RefusalReason } from "./events.ts";
import { beat, quorum } from "./leading.ts";
import type { Token } from "./model.ts";
import type { Out, Raft } from "./state.ts";

export function requestRead(state: Raft, token: Token, out: Out): void {
  const { leading, options } = state;
  if (leading === undefined) return fail(state, [token], "notLeader", out);
  if (leading.reads.length + (leading.asked?.tokens.length ?? 0) >= options.readsMax)
    return fail(state, [token], "overThreshold", out);
  leading.reads.push(token);
}

/** Dissertation 6.4: the commit of now, once it is sure that nobody else leads. */
export function settleReads(state: Raft, now: Millis, out: Out): void {
  const { leading, commit } = state;
  if (leading === undefined || leading.reads.length === 0 || commit < leading.first) return;
  if (now < leasedUntil(state, now)) {
    out.effects.push({ type: "readReady", tokens: leading.reads, index: commit });
    leading.reads = [];
    return;
  }
  // One round at a time: reads that come meanwhile share the next one.
  if (leading.asked !== undefined) return;
  leading.asked = { round: leading.round + 1, index: commit, tokens: leading.reads };
  leading.reads = [];
  beat(state, leading, now, out);
  confirmReads(state, out);
}

/**
 * Dissertation 6.4.1: for so long nobody else can lead, because a majority heard this leader and gives no vote for the
 * shortest election timeout. Their clocks may run faster than this one by the margin.
 */
export function leasedUntil(state: Raft, now: Millis): Millis {
  const { leading, options } = state;
  if (leading === undefined || leading.leaseIsOff || !options.leaseReads) return -Infinity;
  const heardAt = quorum(state, now, (peer) => peer.roundAt);
  return heardAt + options.electionMinMs * (1 - options.leaseMargin);
}

export function confirmReads(state: Raft, out: Out): void {
  const { leading } = state;
  const asked = leading?.asked;
  if (leading === undefined || asked === undefined) return;
  if (quorum(state, Infinity, (peer) => peer.round) < asked.round) return;
  leading.asked = undefined;
  out.effects.push({ type: "readReady", tokens: asked.tokens, index: asked.index });
}

export function failReads(state: Raft, reason: RefusalReason, out: Out): void {
  const { leading } = state;
  const tokens = [...(leading?.asked?.tokens ?? []), ...(leading?.reads ?? [])];
  if (tokens.length > 0) fail(state, tokens, reason, out);
}

function fail({ leader, self }: Raft, tokens: readonly Token[], reason: RefusalReason, out: Out): void {
  out.effects.push({ type: "readFailed", tokens, reason, leader: leader === self ? undefined : leader });
}
