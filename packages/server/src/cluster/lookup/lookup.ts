import type { Lookup, LookupHandlers, LookupSetup } from "./types.ts";

/** Follows the list of members from wherever it comes. Returns at once; the list is told when it is read. */
export function openLookup(_setup: LookupSetup, _handlers: LookupHandlers): Lookup {
  throw new Error("not built");
}
