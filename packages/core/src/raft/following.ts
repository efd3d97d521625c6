import { assert } from "../lib/assert.ts";
import type { Append, Message } from "./messages.ts";
import { type Index, type MemberId, remembers } from "./model.ts";
import { barrier, hardBarrier } from "./persistence.ts";
import type { Out, Raft } from "./state.ts";

type Of<Type extends Message["type"]> = Extract<Message, { readonly type: Type }>;

/** 5.3 */
export function takeAppend(state: Raft, from: MemberId, message: Append, out: Out): void {
  const { log, term, trust } = state;
  if (message.lastIndex <= log.baseIndex) {
    // What was forgotten here was committed, and is in the log of every later leader (5.4.3).
    out.send(from, { type: "appended", term, match: state.commit, trust }, barrier(state));
    return;
  }
  const { prevIndex } = message;
  if (prevIndex >= log.baseIndex && log.termOf(prevIndex) !== message.prevTerm) {
    assert(prevIndex > state.commit, "what is committed is the same everywhere");
    const hintIndex = Math.max(state.commit, log.lastUpTo(prevIndex, message.prevTerm));
    const hintTerm = log.termOf(hintIndex) ?? 0;
    out.send(from, { type: "rejected", term, prevIndex, hintIndex, hintTerm, trust }, hardBarrier(state));
    return;
  }
  appendEntries(state, Math.max(prevIndex, log.baseIndex) + 1, message);
  state.commit = Math.max(state.commit, Math.min(message.commit, message.lastIndex));
  const match = Math.max(message.lastIndex, state.commit);
  out.send(from, { type: "appended", term, match, trust }, barrier(state));
}

/** Only what differs is cut, so that a late message takes nothing away (5.3). */
function appendEntries(state: Raft, first: Index, { lastIndex, prevIndex, runs, configurations, bytes }: Append): void {
  const { log } = state;
  const from = log.firstDifference(first, lastIndex, runs);
  if (from > lastIndex) return;
  if (from <= log.last) {
    assert(from > state.commit, "what is committed is never cut");
    state.before.tail = log.cut(from);
  }
  const part = (lastIndex + 1 - from) / (lastIndex - prevIndex);
  log.appendRuns(lastIndex, runs, Math.ceil(bytes * part), configurations);
}

export function takeHeartbeat(state: Raft, from: MemberId, message: Of<"heartbeat">, out: Out): void {
  const { term, trust } = state;
  const { round, at, sure } = message;
  takeCommit(state, message.commit);
  // Everything that this member may have acknowledged in its earlier life is here again, and on disk (R12).
  if (!remembers(trust) && sure !== undefined && Math.min(state.commit, state.durable) >= sure) {
    state.trust = "whole";
    out.effects.push({ type: "trusted" });
  }
  out.send(from, { type: "heartbeatAnswer", term, round, at, trust: state.trust }, hardBarrier(state));
}

/** The leader knows that everything up to `commit` is here as it is there. */
export function takeCommit(state: Raft, commit: Index): void {
  // It may know that of an earlier life, when more was here.
  if (!remembers(state.trust) || commit > state.log.last) return;
  state.commit = Math.max(state.commit, commit);
}

/** A message of a leader of the past makes it one. */
export function tellNewerTerm(state: Raft, to: MemberId, out: Out): void {
  out.send(to, { type: "newerTerm", term: state.term }, hardBarrier(state));
}
