import fc from "fast-check";

/** One decoder or parser under random and mutated input. */
export interface FuzzTarget {
  readonly name: string;
  /** Share of the cases that this target gets, against 1 for an ordinary one. */
  readonly weight: number;
  /** Counts of its own, for cases that cost so little that a share of the others' count would say nothing. */
  readonly counts?: { readonly long: number; readonly short: number };
  /** Runs one case, drawn from the seed. @throws whatever breaks the target's invariant. */
  readonly cases: (count: number, seed: number) => void;
}

/** Longest time for one input. Longer ones are measured again, because the machine may have been busy. */
const INPUT_MS_MAX = 200;

const prototypes = [Object.prototype, Array.prototype, String.prototype, Function.prototype, Map.prototype];
const shapeOf = (): string => prototypes.map((one) => Reflect.ownKeys(one).map(String).join()).join("|");
const SHAPE = shapeOf();

/**
 * @param inputs  random ones and mutations of valid ones.
 * @param check  the invariant: returns when it holds, throws when it does not.
 */
export function target<T>(name: string, inputs: fc.Arbitrary<T>, check: (input: T) => void, weight = 1): FuzzTarget {
  const guarded = (input: T): void => {
    let tookMs = Number.POSITIVE_INFINITY;
    for (let attempt = 0; attempt < 3 && tookMs > INPUT_MS_MAX; attempt++) {
      const startedAt = performance.now();
      check(input);
      tookMs = performance.now() - startedAt;
    }
    if (tookMs > INPUT_MS_MAX) throw new Error(`one input took ${Math.round(tookMs)} ms`);
    if ("polluted" in {} || Reflect.ownKeys(Object.prototype).length !== OBJECT_KEYS)
      throw new Error("Object.prototype was changed");
  };
  return {
    name,
    weight,
    cases(count, seed) {
      fc.assert(fc.property(inputs, guarded), { seed, numRuns: count });
      if (shapeOf() !== SHAPE) throw new Error("a prototype was changed");
    },
  };
}

const OBJECT_KEYS = Reflect.ownKeys(Object.prototype).length;

/** Runs something that may refuse its input in the foreseen way; anything else that is thrown is a finding. */
export function orRefused<T>(Refusal: abstract new (...args: never[]) => Error, run: () => T): T | undefined {
  try {
    return run();
  } catch (thrown) {
    if (thrown instanceof Refusal) {
      if (thrown.message.length > 20_000) throw new Error(`a refusal of ${thrown.message.length} characters`);
      return undefined;
    }
    throw thrown;
  }
}
