import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { runMembershipSim } from "./membership-sim.ts";
import type { Breakage } from "./membership-sim-net.ts";

const SEEDS = 300;
/** Seeds that once failed, and what it was. */
const FAILED: readonly [number, string][] = [];

/** What the checks are worth: each of these is found within a few seeds. */
const BROKEN: readonly { what: string; found: RegExp; breakage: Breakage }[] = [];

describe("members under faults", () => {
  test(`agree on who is there, who is up and who owns what, over ${SEEDS} seeds`, () => {
    for (let seed = 1; seed <= SEEDS; seed++) runMembershipSim(seed);
  });

  for (const [seed, what] of FAILED) test(`seed ${seed}: ${what}`, () => runMembershipSim(seed));
});

describe("the checks find", () => {
  for (const { what, found, breakage } of BROKEN)
    test(what, () => {
      assert.throws(() => {
        for (let seed = 1; seed <= 40; seed++) runMembershipSim(seed, breakage);
      }, found);
    });
});
