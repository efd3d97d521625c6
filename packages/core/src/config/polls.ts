import type { Event } from "./events.ts";
import type { Poll } from "./model.ts";
import type { Turn } from "./state.ts";

export function park(_turn: Turn, _event: Extract<Event, { type: "poll" }>): void {
  throw new Error("not built");
}

export function pollGone(_turn: Turn, _id: number): void {
  throw new Error("not built");
}

export function endPoll(_turn: Turn, _poll: Poll): void {
  throw new Error("not built");
}
