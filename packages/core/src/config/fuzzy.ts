import type { Event } from "./events.ts";
import type { ClientId, Item } from "./model.ts";
import type { Turn } from "./state.ts";

export function watch(_turn: Turn, _event: Extract<Event, { type: "watch" }>): void {}

export function unwatch(_turn: Turn, _clientId: ClientId, _pattern: string): void {}

export function unwatchAll(_turn: Turn, _clientId: ClientId): void {}

/** @returns whether the request id belonged to a fuzzy watch message. */
export function watchSettled(_turn: Turn, _event: Extract<Event, { type: "pushSettled" }>): boolean {
  return false;
}

/** A formal version appeared or went away: tells whoever watches. */
export function noteExistence(_turn: Turn, _item: Item): void {}
