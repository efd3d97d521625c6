/** An invariant that must hold in production too: breaking it stops the member rather than spreading wrong state. */
export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new Error(`broken invariant: ${invariant}`);
}
