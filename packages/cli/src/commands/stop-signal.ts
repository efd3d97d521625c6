import type { Context } from "../index.ts";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Aborts on the first signal that asks the process to end; the second one ends it as usual. */
export function stopSignal({ surroundings }: Context): { readonly signal: AbortSignal; readonly release: () => void } {
  if (surroundings.stopped !== undefined) return { signal: surroundings.stopped, release: () => {} };
  const controller = new AbortController();
  const abort = (): void => {
    release();
    controller.abort();
  };
  const release = (): void => {
    for (const signal of SIGNALS) process.off(signal, abort);
  };
  for (const signal of SIGNALS) process.on(signal, abort);
  return { signal: controller.signal, release };
}
