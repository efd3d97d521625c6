/** Lets the event loop take one turn: what waits for sockets and timers comes first. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** @returns what asks for `run`: it is called once, at the end of the turn, however often it was asked for. */
export function oncePerTurn(run: () => void): () => void {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    setImmediate(() => {
      isDue = false;
      run();
    });
  };
}

/** How long work holds the event loop before others have their turn. */
const SLICE_MS = 4;

/**
 * Does work that yields every fraction of a millisecond, with a turn of the event loop after every slice of 4 ms.
 *
 * @param pause  how others are let in; tests count it.
 */
export async function inTurns<T>(
  work: Generator<undefined, T>,
  now: () => number = () => performance.now(),
  pause: () => Promise<void> = turn,
): Promise<T> {
  for (let sliceEndsAt = now() + SLICE_MS; ; ) {
    const step = work.next();
    if (step.done === true) return step.value;
    if (now() < sliceEndsAt) continue;
    await pause();
    sliceEndsAt = now() + SLICE_MS;
  }
}
