/** An invariant does not hold: the state can no longer be trusted, whatever the call was that found out. */
export class BrokenInvariant extends Error {
  override readonly name = "BrokenInvariant";
}

/** An invariant that must hold in production too: breaking it stops the member rather than spreading wrong state. */
export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new BrokenInvariant(`broken invariant: ${invariant}`);
}
