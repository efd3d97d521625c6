import type { Persist } from "./events.ts";
import type { Index } from "./model.ts";
import { beforeOf, type Out, type Raft } from "./state.ts";

function isHardChanged({ term, vote, before }: Raft): boolean {
  return term !== before.term || vote !== before.vote;
}

function isLogChanged({ log, before }: Raft): boolean {
  return log !== before.log || log.last !== before.last || before.tail !== undefined;
}

/** What a message waits for that rests on term and vote only. */
export function hardBarrier(state: Raft): number {
  if (isHardChanged(state)) return state.issued + 1;
  return state.hardNumber > state.persisted ? state.hardNumber : 0;
}

/** What a message waits for that rests on the log: not for writes that failed, which nobody repeats. */
export function barrier(state: Raft): number {
  if (isHardChanged(state) || isLogChanged(state)) return state.issued + 1;
  return state.pending.at(-1)?.number ?? 0;
}

/** The write that what changed in this step needs (R2). */
export function settlePersist(state: Raft, out: Out): void {
  const isHard = isHardChanged(state);
  if (!isHard && !isLogChanged(state)) return;
  const { log, before } = state;
  const number = ++state.issued;
  if (isHard) state.hardNumber = number;
  const isReplaced = log !== before.log;
  const cutFrom = isReplaced ? undefined : before.tail?.from;
  const keeps = isReplaced ? state.told : cutFrom === undefined ? before.last : cutFrom - 1;
  state.pending.push({ number, before, last: log.last, keeps });
  state.durable = durable(state);
  const effect: Persist = {
    type: "persist",
    number,
    hard: isHard ? { term: state.term, vote: state.vote } : undefined,
    snapshot: isReplaced ? state.snapshot : undefined,
    cutFrom,
    first: isReplaced ? log.baseIndex + 1 : (cutFrom ?? before.last + 1),
    last: log.last,
  };
  out.effects.push(effect);
  state.before = beforeOf(state);
}

export function persisted(state: Raft, number: number): void {
  const { pending } = state;
  state.persisted = Math.max(state.persisted, number);
  for (const { last, keeps } of pending.splice(0, pending.findLastIndex((one) => one.number <= number) + 1)) {
    state.persistedLast = last;
    // Term and vote may find their place on a disk that has none for entries.
    if (last > keeps) state.diskRefuses = false;
  }
  state.durable = durable(state);
}

/** Everything from this write on never was: as if this member had crashed before it and started again (R3). */
export function undo(state: Raft, number: number): void {
  const { pending } = state;
  while ((pending.at(-1)?.number ?? 0) >= number) {
    const { before } = pending.pop() as (typeof pending)[number];
    const { log, tail } = before;
    state.term = before.term;
    state.vote = before.vote;
    state.hardNumber = before.hardNumber;
    state.snapshot = before.snapshot;
    state.log = log;
    const kept = tail === undefined ? before.last : tail.from - 1;
    if (log.last > kept) log.cut(kept + 1);
    if (tail !== undefined) log.restore(tail);
  }
  // The rest was of what is gone, or will be told again.
  state.commit = state.told;
  state.durable = durable(state);
  state.before = beforeOf(state);
}

function durable(state: Raft): Index {
  let end = Math.min(state.persistedLast, state.log.last);
  for (const { keeps } of state.pending) end = Math.min(end, keeps);
  return end;
}
