import type { Effect, Proposal, RefusalReason } from "./events.ts";
import type { Configuration, Index, Token } from "./model.ts";
import { type Batch, type Out, type Raft, refusesWrites } from "./state.ts";

/** About what a configuration takes. */
const CONFIGURATION_BYTES = 256;

/** Takes as many as there is room for. */
export function propose(state: Raft, proposals: readonly Proposal[], out: Out): void {
  const { leading, options, log } = state;
  const reason = refusal(state);
  if (leading === undefined || reason !== undefined) return refuse(state, proposals, reason ?? "notLeader", out);
  const before = log.last;
  const first = before + 1;
  let [count, bytes, pieceBytes] = [0, 0, 0];
  for (const proposal of proposals) {
    const waiting = before - state.applied + count;
    const isFull = waiting >= options.proposalsMax || leading.bytes + bytes + proposal.bytes > options.proposalBytesMax;
    // One is always taken, so that none is too large for ever.
    if (isFull && (waiting > 0 || leading.bytes > 0)) break;
    count++;
    bytes += proposal.bytes;
    pieceBytes += proposal.bytes;
    const isPiece = pieceBytes >= options.messageBytesMax || before + count - log.last >= options.messageEntriesMax;
    if (!isPiece) continue;
    log.append(before + count, state.term, pieceBytes);
    pieceBytes = 0;
  }
  if (log.last < before + count) log.append(before + count, state.term, pieceBytes);
  const taken = count === proposals.length ? proposals : proposals.slice(0, count);
  if (count > 0) {
    const batch: Batch = { first, term: state.term, tokens: taken.map(({ token }) => token), bytes };
    leading.batches.push(batch);
    leading.bytes += bytes;
    out.effects.push({ type: "accepted", first, term: state.term, proposals: taken });
  }
  if (count < proposals.length) refuse(state, proposals.slice(count), "overThreshold", out);
}

/** Why nothing is taken at all just now. */
export function refusal(state: Raft): RefusalReason | undefined {
  if (state.leading === undefined) return "notLeader";
  if (refusesWrites(state)) return "diskRefuses";
  return state.leading.transfer === undefined ? undefined : "transferring";
}

function refuse(state: Raft, proposals: readonly Proposal[], reason: RefusalReason, out: Out): void {
  const tokens = proposals.map(({ token }) => token);
  if (tokens.length > 0) out.effects.push(refusedEffect(state, tokens, reason));
}

export function refusedEffect({ leader, self }: Raft, tokens: readonly Token[], reason: RefusalReason): Effect {
  return { type: "refused", tokens, reason, leader: leader === self ? undefined : leader };
}

/** An entry that no feature proposed: a configuration, or nothing at the start of a term. @returns its place. */
export function appendOwn(state: Raft, configuration: Configuration | undefined, out: Out): Index {
  const { log, term } = state;
  const index = log.last + 1;
  log.append(index, term, configuration === undefined ? 0 : CONFIGURATION_BYTES);
  if (configuration !== undefined) log.addConfiguration({ index, configuration });
  out.effects.push({ type: "made", index, term, configuration });
  return index;
}

/** What is committed is off the list; what another entry took the place of is lost, and only now (R9). */
export function settleProposals(state: Raft, out: Out): void {
  const { leading, commit } = state;
  if (leading !== undefined) {
    let done = 0;
    for (const { first, tokens, bytes } of leading.batches) {
      if (first + tokens.length - 1 > commit) break;
      leading.bytes -= bytes;
      done++;
    }
    if (done > 0) leading.batches.splice(0, done);
  }
  if (state.displaced.length > 0) settleDisplaced(state, out);
}

function settleDisplaced(state: Raft, out: Out): void {
  // What a snapshot took the place of is told when that is on disk, and its table of sessions with it.
  const { told: commit, log } = state;
  const lost: Token[] = [];
  const overtaken: Token[] = [];
  const waiting: Batch[] = [];
  for (const batch of state.displaced) {
    const count = Math.max(0, Math.min(batch.tokens.length, commit + 1 - batch.first));
    for (let at = 0; at < count; at++) {
      const token = batch.tokens[at] as Token;
      const term = log.termOf(batch.first + at);
      if (term === undefined) overtaken.push(token);
      else if (term !== batch.term) lost.push(token);
    }
    if (count === 0) waiting.push(batch);
    else if (count < batch.tokens.length)
      waiting.push({ ...batch, first: batch.first + count, tokens: batch.tokens.slice(count) });
  }
  state.displaced = waiting;
  if (lost.length > 0) out.effects.push({ type: "lost", tokens: lost });
  if (overtaken.length > 0) out.effects.push({ type: "overtaken", tokens: overtaken });
}
