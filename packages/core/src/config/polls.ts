import { type Refusal, refusal } from "../lib/refusal.ts";
import { SmallMap } from "../lib/small-map.ts";
import type { Changed, Context, Event } from "./events.ts";
import { differsFrom, md5For } from "./gray.ts";
import type { Item, Labels, Poll, PollLine } from "./model.ts";
import { type ConfigState, ensureItem, findItem, forgetIfUnused, type Turn } from "./state.ts";

/** Lines that one step lets go of with the polls it answers: some milliseconds of work. */
const LINES_MAX = 10_000;

/** Answers a poll at once when something differs or nothing is to be held, else holds it. */
export function park(turn: Turn, event: Extract<Event, { type: "poll" }>): void {
  const { state, now, effects } = turn;
  const changed = differing(state, event.labels, event.contexts);
  if (changed.length > 0 || event.holdMs <= 0) {
    effects.push({ type: "pollAnswer", id: event.id, changed });
    return;
  }
  const refused = tooMany(state, event.contexts.length);
  if (refused !== undefined) {
    effects.push(refused);
    return;
  }
  const { id, ip, labels } = event;
  const lines: PollLine[] = [];
  const poll: Poll = { id, ip, labels, lines, endsAt: now + event.holdMs };
  for (const { name, form } of event.contexts) {
    const item = ensureItem(state, name);
    if (item.polls?.has(poll) === true) continue;
    // Equal to what the client wrote, and kept once for all who hold it.
    const line: PollLine = { item, form, md5: md5For(item, labels) };
    item.polls ??= new SmallMap();
    item.polls.set(poll, line);
    lines.push(line);
  }
  state.pollLineCount += lines.length;
  state.polls.set(id, poll);
  state.tasks.add(poll.endsAt, { type: "pollEnd", poll });
}

function differing(state: ConfigState, labels: Labels, contexts: readonly Context[]): Changed[] {
  const changed: Changed[] = [];
  for (const { name, form, md5 } of contexts)
    if (differsFrom(md5For(findItem(state, name), labels), md5)) changed.push({ name, form });
  return changed;
}

function tooMany(state: ConfigState, lines: number): Refusal | undefined {
  const { pollsMax, pollLinesMax } = state.options;
  if (state.polls.size >= pollsMax)
    return refusal(
      "overThreshold",
      `this member holds the most long polls it may (nacre.config.polls.max = ${pollsMax})`,
    );
  if (state.pollLineCount + lines > pollLinesMax)
    return refusal(
      "overThreshold",
      `the long polls of this member name the most configurations they may (nacre.config.poll.lines.max = ${pollLinesMax})`,
    );
  return undefined;
}

/** Sees to it that polls for which this changed are answered. */
export function noteForPolls(state: ConfigState, item: Item): void {
  for (const [poll, line] of item.polls?.entries() ?? []) {
    if (differs(poll, line)) state.answerable.add(poll);
  }
}

function differs({ labels }: Poll, { item, md5 }: PollLine): boolean {
  return md5For(item, labels) !== md5;
}

/** Answers polls, at most so many. What is by now as it was stays held. */
export function answerNext(turn: Turn, max: number): void {
  const { state } = turn;
  let left = max;
  let lines = 0;
  for (const poll of state.answerable) {
    if (left === 0 || lines >= LINES_MAX) return;
    state.answerable.delete(poll);
    lines += poll.lines.length;
    if (!poll.lines.some((line) => differs(poll, line))) continue;
    left--;
    answer(turn, poll);
  }
}

/** With all that differs by now: what changed in one entry is one answer, although it was noted bit by bit. */
function answer({ state, effects }: Turn, poll: Poll): void {
  const changed = poll.lines.filter((line) => differs(poll, line)).map(({ item, form }) => ({ name: item.name, form }));
  release(state, poll);
  effects.push({ type: "pollAnswer", id: poll.id, changed });
}

/** Lets go of a poll. Its deadline stays in the queue and finds it ended. */
function release(state: ConfigState, poll: Poll): void {
  state.polls.delete(poll.id);
  state.answerable.delete(poll);
  state.pollLineCount -= poll.lines.length;
  for (const { item } of poll.lines) {
    item.polls?.delete(poll);
    if (item.polls?.size === 0) item.polls = undefined;
    forgetIfUnused(state, item);
  }
  poll.lines = [];
}

export function pollGone({ state }: Turn, id: number): void {
  const poll = state.polls.get(id);
  if (poll !== undefined) release(state, poll);
}

/** The poll's time is over: it is answered with what was just about to be said, mostly nothing. */
export function endPoll(turn: Turn, poll: Poll): void {
  if (turn.state.polls.get(poll.id) !== poll) return;
  answer(turn, poll);
}
