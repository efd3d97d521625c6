import type { Event } from "./events.ts";
import { noteExistence } from "./fuzzy.ts";
import { md5For } from "./gray.ts";
import type { ClientId, Item, Listener, Notice, TenantForm } from "./model.ts";
import { answerNext, noteForPolls } from "./polls.ts";
import { type ConfigState, findItem, type Turn } from "./state.ts";

/**
 * Listeners, polls and items of changes that one step looks up: a millisecond or two. An import changes ten thousand
 * items in one step, and each may have listeners.
 */
const LOOKED_UP_MAX = 1_000;

/**
 * A version of the item was written or removed: notices for its listeners, answers for its polls and news for watchers
 * of patterns follow. Called by `apply` for each change, after the item has its new versions.
 *
 * @param existed  whether it had a formal version before.
 */
export function noteChange({ unnoted, fuzzy }: ConfigState, item: Item, existed: boolean): void {
  const awaited = item.listeners !== undefined || item.polls !== undefined || fuzzy.patterns.size > 0;
  // Who has not been told of the change before this one hears of both together.
  if (awaited && !unnoted.has(item)) unnoted.set(item, existed);
}

/** Looks up who waits for what changed, as much as fits into one step. @returns how many watchers were told. */
function noteNext(turn: Turn): number {
  const { state } = turn;
  let lookedUp = 0;
  let told = 0;
  for (const [item, existed] of state.unnoted) {
    if (lookedUp >= LOOKED_UP_MAX || told >= state.receiversMax) break;
    state.unnoted.delete(item);
    lookedUp += 1 + (item.listeners?.size ?? 0) + (item.polls?.size ?? 0);
    for (const listener of item.listeners?.values() ?? []) noteForListener(state, listener);
    noteForPolls(state, item);
    if (existed !== (item.formal !== undefined)) told += noteExistence(turn, item);
  }
  return told;
}

/**
 * A change of what a listener reads is told at once, unless the client itself has said that it holds just this: a gray
 * version for one address is no news for all the others.
 */
function noteForListener(state: ConfigState, listener: Listener): void {
  const { notice } = listener;
  if (notice === undefined || notice === "told") {
    if (notice === "told" || listener.md5 !== md5For(listener.item, listener.client.labels))
      queue(state, listener, { phase: "queued", requestId: 0, attempts: 0, again: false, retryAt: 0, reminders: 0 });
    return;
  }
  notice.reminders = 0;
  if (notice.phase === "sent") notice.again = true;
  else {
    notice.attempts = 0;
    if (notice.phase !== "queued") queue(state, listener, notice);
  }
}

function queue(state: ConfigState, listener: Listener, notice: Notice): void {
  notice.phase = "queued";
  notice.again = false;
  listener.notice = notice;
  const queued = state.unsent.get(listener.item);
  if (queued === undefined) state.unsent.set(listener.item, [listener]);
  else queued.push(listener);
}

/** The time of the next attempt has come, unless the notice was settled or sent since. */
export function notifyDue(turn: Turn, listener: Listener): void {
  const { notice } = listener;
  if (typeof notice !== "object" || notice.phase !== "waiting" || notice.retryAt > turn.now) return;
  queue(turn.state, listener, notice);
}

/** Sends what is queued, as much as fits into one step, unless the rest of an earlier change is in front. */
export function flush(turn: Turn): void {
  if (!turn.state.flushing && waiting(turn.state)) flushNext(turn);
}

/** Sends the next of what is queued, and comes back for the rest. */
export function flushNext(turn: Turn): void {
  const { state } = turn;
  let left = Math.max(0, state.receiversMax - noteNext(turn));
  for (const [item, queued] of state.unsent) {
    if (left === 0) break;
    left -= send(turn, item, queued.splice(0, left));
    if (queued.length === 0) state.unsent.delete(item);
  }
  answerNext(turn, left);
  state.flushing = waiting(state);
  // One millisecond later at least: a task of this moment would be part of the same tick.
  if (state.flushing) state.tasks.add(turn.now + 1, { type: "flush" });
}

function waiting({ unnoted, unsent, answerable }: ConfigState): boolean {
  return unnoted.size + unsent.size + answerable.size > 0;
}

/** One message for all who spell the namespace alike. @returns how many receivers it has. */
function send({ state, now, effects }: Turn, item: Item, listeners: readonly Listener[]): number {
  const groups = new Map<TenantForm, { requestId: number; to: ClientId[] }>();
  let receivers = 0;
  for (const { notice, form, client } of listeners) {
    if (typeof notice !== "object" || notice.phase !== "queued") continue;
    let group = groups.get(form);
    if (group === undefined) {
      group = { requestId: state.nextRequestId++, to: [] };
      groups.set(form, group);
    }
    notice.phase = "sent";
    notice.requestId = group.requestId;
    group.to.push(client.id);
    receivers++;
  }
  for (const [form, { requestId, to }] of groups) {
    state.notices.set(requestId, { item, sentAt: now, left: to.length });
    effects.push({ type: "notify", requestId, to, name: item.name, form });
  }
  state.notifications.sent += receivers;
  return receivers;
}

/** A notice came to its end at one listener. */
export function settled(turn: Turn, event: Extract<Event, { type: "pushSettled" }>): void {
  const { state, now } = turn;
  const push = state.notices.get(event.requestId);
  const listener = push && state.clients.get(event.clientId)?.listeners.get(push.item);
  const notice = listener?.notice;
  if (listener === undefined || typeof notice !== "object") return;
  if (notice.phase !== "sent" || notice.requestId !== event.requestId) return;
  land(state, notice);
  const { outcome } = event;
  if (outcome === "acked") state.notifications.acked++;
  else if (outcome !== "gone") state.notifications.failed++;
  if (notice.again) {
    notice.attempts = 0;
    // The others who were told the same answer at the same time: they share the next message too.
    wait(turn, listener, notice, now);
    return;
  }
  if (outcome === "gone") {
    listener.notice = "told";
    return;
  }
  if (outcome === "acked") return expectFetch(turn, listener, notice);
  if (outcome !== "busy") notice.attempts++;
  const { notifyAttemptsMax, notifyRetryMs } = state.options;
  if (notice.attempts >= notifyAttemptsMax) {
    state.notifications.givenUp++;
    listener.notice = "told";
  } else wait(turn, listener, notice, now + Math.max(1, notice.attempts) * notifyRetryMs);
}

/**
 * An acknowledged notice has arrived; whether it was heeded shows when the client fetches. The Go SDK forgets notices that
 * come while it works on others, and would look again only minutes later: it is reminded.
 */
function expectFetch({ state, now }: Turn, listener: Listener, notice: Notice): void {
  const { remindMs, remindersMax } = state.options;
  if (notice.reminders === remindersMax) {
    listener.notice = "told";
    return;
  }
  notice.reminders++;
  notice.attempts = 0;
  notice.phase = "acked";
  notice.retryAt = now + notice.reminders * remindMs;
  if (state.reminding.has(listener.item)) return;
  state.reminding.add(listener.item);
  state.tasks.add(now + remindMs, { type: "remind", item: listener.item });
}

/** Reminds whoever has not fetched in time; one task for all listeners of an item, as nearly all of them have. */
export function remindDue({ state, now }: Turn, item: Item): void {
  let early = false;
  for (const listener of item.listeners?.values() ?? []) {
    const { notice } = listener;
    if (typeof notice !== "object" || notice.phase !== "acked") continue;
    if (notice.retryAt <= now) queue(state, listener, notice);
    else early = true;
  }
  if (early) state.tasks.add(now + state.options.remindMs, { type: "remind", item });
  else state.reminding.delete(item);
}

function wait({ state }: Turn, listener: Listener, notice: Notice, until: number): void {
  notice.phase = "waiting";
  notice.again = false;
  notice.retryAt = until;
  state.tasks.add(until, { type: "notifyRetry", listener });
}

/** The push is no longer waited for at one listener. */
function land(state: ConfigState, { requestId }: Notice): void {
  const push = state.notices.get(requestId);
  if (push !== undefined && --push.left === 0) state.notices.delete(requestId);
}

/** The listener is owed nothing any more. */
export function release(state: ConfigState, listener: Listener, then: "told" | undefined): void {
  const { notice } = listener;
  if (typeof notice === "object" && notice.phase === "sent") land(state, notice);
  listener.notice = then;
}

/** The client has just been given a version by a query: the newest one is what it is owed. */
export function served(
  { state }: Turn,
  { clientId, name, md5, afterNotice }: Extract<Event, { type: "served" }>,
): void {
  const item = findItem(state, name);
  const listener = item && state.clients.get(clientId)?.listeners.get(item);
  if (listener === undefined) return;
  if (!afterNotice && !(typeof listener.notice === "object" && listener.notice.phase === "acked")) return;
  const newest = md5For(item, listener.client.labels);
  if (md5 !== newest) return;
  listener.md5 = newest;
  release(state, listener, "told");
}
