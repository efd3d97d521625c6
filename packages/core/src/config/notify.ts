import type { Event } from "./events.ts";
import type { Item, Listener } from "./model.ts";
import type { Turn } from "./state.ts";

/**
 * A version of the item was written or removed: notices for its listeners, answers for its polls, news for watchers of
 * patterns. Called by `apply` once per entry and item, after the item has its new versions.
 *
 * @param existed  whether it had a formal version before.
 */
export function noteChange(_turn: Turn, _item: Item, _existed: boolean): void {
  throw new Error("not built");
}

export function notifyDue(_turn: Turn, _listener: Listener): void {
  throw new Error("not built");
}

export function settled(_turn: Turn, _event: Extract<Event, { type: "pushSettled" }>): void {
  throw new Error("not built");
}
