import { BrokenInvariant } from "@nacre/core/assert";

/**
 * Called where faults of single calls are caught and answered: a broken invariant is more than that. It goes on to the
 * process as an error that nobody caught, which stops the member in order.
 */
export function escalate(thrown: unknown): void {
  if (!(thrown instanceof BrokenInvariant)) return;
  setImmediate(() => {
    throw thrown;
  });
}
