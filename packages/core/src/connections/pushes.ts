import { assert } from "../lib/assert.ts";
import type { Millis } from "../lib/units.ts";
import type { Effect, Event, PushOutcome } from "./events.ts";
import { type ConnectionTable, GIVEN_UP_MAX, type Held, type PendingPush } from "./state.ts";

/** Admits a push: names those it is sent to, and settles it at once for those it is not. */
export function takePush(table: ConnectionTable, push: Extract<Event, { type: "push" }>, now: Millis): Effect[] {
  const { requestId, expects } = push;
  assert(!table.pushes.has(requestId), `request ids of pending pushes are unique: ${requestId}`);
  const record: PendingPush = { requestId, expects, waiting: new Set() };
  const unsent: Effect[] = [];
  for (const connectionId of push.to) {
    const held = table.byId.get(connectionId);
    if (held === undefined || held.phase === "opened")
      unsent.push({ type: "pushSettled", connectionId, requestId, outcome: "gone" });
    else if (held.blockedAt !== undefined || held.pending.size >= table.options.pendingMax)
      unsent.push({ type: "pushSettled", connectionId, requestId, outcome: "busy" });
    else {
      held.pending.set(requestId, record);
      record.waiting.add(connectionId);
    }
  }
  if (record.waiting.size === 0) return unsent;
  table.pushes.set(requestId, record);
  table.deadlines.add(now + push.timeoutMs, { type: "push", push: record });
  return [{ type: "send", requestId, to: [...record.waiting] }, ...unsent];
}

/**
 * Finds the push that a response acknowledges: the one of its request id; else, as some SDKs send none or one of their
 * own, the oldest whose expected response type matches; else none.
 */
export function pair(table: ConnectionTable, held: Held, ack: Extract<Event, { type: "ack" }>): readonly Effect[] {
  const push = (ack.requestId === undefined ? undefined : held.pending.get(ack.requestId)) ?? oldest(held, ack);
  if (push === undefined) return [];
  settle(table, held, push);
  const settled = { type: "pushSettled", connectionId: held.id, requestId: push.requestId } as const;
  if (ack.resultCode === 200) return [{ ...settled, outcome: "acked" }];
  return [{ ...settled, outcome: "refused", errorCode: ack.errorCode, message: ack.message }];
}

function oldest(held: Held, ack: Extract<Event, { type: "ack" }>): PendingPush | undefined {
  if (ack.requestId !== undefined && held.givenUp?.has(ack.requestId) === true) return undefined;
  for (const push of held.pending.values()) if (acknowledges(ack.response, push.expects)) return push;
  return undefined;
}

/** The Go and Python SDKs answer change notices of configs with the response type of naming. */
function acknowledges(response: string, expects: string): boolean {
  return response === expects || (response === "NotifySubscriberResponse" && expects === "ConfigChangeNotifyResponse");
}

function settle(table: ConnectionTable, held: Held, push: PendingPush): void {
  held.pending.delete(push.requestId);
  push.waiting.delete(held.id);
  if (push.waiting.size === 0) table.pushes.delete(push.requestId);
}

/** The push's time is up: settles it for everyone who has not acknowledged it. */
export function expirePush(table: ConnectionTable, push: PendingPush): Effect[] {
  const effects: Effect[] = [];
  for (const connectionId of push.waiting) {
    const held = table.byId.get(connectionId);
    assert(held !== undefined, `only connections in the table wait for acknowledgements: ${connectionId}`);
    settle(table, held, push);
    remember(held, push);
    effects.push(settled(connectionId, push, "timeout"));
  }
  return effects;
}

function remember(held: Held, push: PendingPush): void {
  held.givenUp ??= new Set();
  held.givenUp.add(push.requestId);
  if (held.givenUp.size <= GIVEN_UP_MAX) return;
  for (const oldestOne of held.givenUp) {
    held.givenUp.delete(oldestOne);
    return;
  }
}

/** Settles whatever a connection that leaves the table has not acknowledged. */
export function gone(table: ConnectionTable, held: Held): Effect[] {
  const pushes = [...held.pending.values()];
  return pushes.map((push) => {
    settle(table, held, push);
    return settled(held.id, push, "gone");
  });
}

function settled(connectionId: string, push: PendingPush, outcome: PushOutcome): Effect {
  return { type: "pushSettled", connectionId, requestId: push.requestId, outcome };
}
