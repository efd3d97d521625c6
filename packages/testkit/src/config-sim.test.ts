import { describe, test } from "node:test";
import { runConfigSim } from "./config-sim.ts";

const STEPS = 400;
const SEEDS = 100;

describe("listeners and polls of configuration under random events", () => {
  test(`end with what is newest, ${SEEDS} times ${STEPS} steps`, () => {
    for (let seed = 1; seed <= SEEDS; seed++) runConfigSim(seed, STEPS);
  });
});
