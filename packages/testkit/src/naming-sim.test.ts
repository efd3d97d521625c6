import { describe, test } from "node:test";
import { runNamingSim } from "./naming-sim.ts";

const STEPS = 400;
const SEEDS = 100;
/** Seeds that once failed, and what it was. */
const FAILED: readonly [number, string][] = [
  [21, "an instance became unhealthy and was removed in one tick, over an equal copy"],
];

describe("naming under random events", () => {
  test(`agrees with the model and keeps its invariants, ${SEEDS} times ${STEPS} steps`, () => {
    for (let seed = 1; seed <= SEEDS; seed++) runNamingSim(seed, STEPS);
  });

  for (const [seed, what] of FAILED) test(`seed ${seed}: ${what}`, () => runNamingSim(seed, STEPS));
});
