import type { Event } from "./events.ts";
import type { Turn } from "./state.ts";

export function apply(_turn: Turn, _event: Extract<Event, { type: "apply" }>): void {
  throw new Error("not built");
}
