import { describe, test } from "node:test";
import { runNamingSim } from "./naming-sim.ts";

const STEPS = 400;
const SEEDS = 100;
/** Seeds that once failed, with the steps it took. */
const FAILED: readonly [number, number][] = [];

describe("naming under random events", () => {
  test(`agrees with the model and keeps its invariants, ${SEEDS} times ${STEPS} steps`, () => {
    for (let seed = 1; seed <= SEEDS; seed++) runNamingSim(seed, STEPS);
  });

  for (const [seed, steps] of FAILED) test(`seed ${seed} with ${steps} steps`, () => runNamingSim(seed, steps));
});
