import { BrokenInvariant } from "@nacre/core/assert";

/** What nobody can answer goes on to the process as an error that nobody caught, which stops the member in order. */
export function uncaught(thrown: unknown): void {
  setImmediate(() => {
    throw thrown;
  });
}

/**
 * Called where faults of single calls are caught and answered: a broken invariant is more than that.
 */
export function escalate(thrown: unknown): void {
  if (thrown instanceof BrokenInvariant) uncaught(thrown);
}
