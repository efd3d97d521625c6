import type { Event } from "./events.ts";
import type { ClientId } from "./model.ts";
import type { Turn } from "./state.ts";

export function watch(_turn: Turn, _event: Extract<Event, { type: "watch" }>): void {
  throw new Error("not built");
}

export function unwatch(_turn: Turn, _clientId: ClientId, _pattern: string): void {
  throw new Error("not built");
}

export function unwatchAll(_turn: Turn, _clientId: ClientId): void {
  throw new Error("not built");
}

/** @returns whether the request id belonged to a fuzzy watch message. */
export function watchSettled(_turn: Turn, _event: Extract<Event, { type: "pushSettled" }>): boolean {
  throw new Error("not built");
}
