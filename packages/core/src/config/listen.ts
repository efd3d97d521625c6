import type { ConfigName } from "@nacre/protocol";
import type { Event } from "./events.ts";
import type { ClientId } from "./model.ts";
import type { Turn } from "./state.ts";

export function listen(_turn: Turn, _event: Extract<Event, { type: "listen" }>): void {
  throw new Error("not built");
}

export function unlisten(_turn: Turn, _clientId: ClientId, _names: readonly ConfigName[]): void {
  throw new Error("not built");
}

export function served(_turn: Turn, _event: Extract<Event, { type: "served" }>): void {
  throw new Error("not built");
}

export function disconnect(_turn: Turn, _clientId: ClientId): void {
  throw new Error("not built");
}
