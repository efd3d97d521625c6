/**
 * How long work holds the event loop before others have their turn. Two of them and a collection of garbage, which takes
 * 10 ms where much is alive, stay below the 20 ms that nothing may take.
 */
export const SLICE_MS = 2;

/**
 * Lets the event loop take a turn, and those that wait for one share it: each would be given a slice in the same turn,
 * and an import alone parses, seals, proposes, applies and stores at a time. All of them together have one slice of a
 * turn, and what the last of them is at by then.
 */
export class SharedTurns {
  readonly #now: () => number;
  #waiting: (() => void)[] = [];
  #isPlanned = false;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  readonly turn = (): Promise<void> =>
    new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#plan();
    });

  #plan(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    setImmediate(() => {
      this.#isPlanned = false;
      // Who waits again has the next turn.
      const waiting = this.#waiting;
      this.#waiting = [];
      this.#give(waiting, 0, this.#now() + SLICE_MS);
    });
  }

  #give(waiting: readonly (() => void)[], at: number, until: number): void {
    waiting[at]?.();
    const next = at + 1;
    if (next >= waiting.length) return;
    // Ticks come when everything has been done that followed from the promise.
    queueMicrotask(() =>
      process.nextTick(() => {
        if (this.#now() < until) return this.#give(waiting, next, until);
        this.#waiting = [...waiting.slice(next), ...this.#waiting];
        this.#plan();
      }),
    );
  }
}

/** Lets the event loop take one turn: what waits for sockets and timers comes first. */
export const { turn } = new SharedTurns();

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

/**
 * Does work that yields every fraction of a millisecond, with a turn of the event loop after every slice.
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
