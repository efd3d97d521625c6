import { randomInt } from "node:crypto";
import { describe, test } from "node:test";
import { TARGETS } from "./targets.ts";

/** A short run on a new seed each time; `npm run fuzz` goes on for longer. */
const CASES = 500;

describe("strangers' input is read or refused, in bounded time, and changes nothing else", () => {
  for (const { name, weight, counts, cases } of TARGETS)
    test(name, (t) => {
      const seed = randomInt(2 ** 31);
      t.diagnostic(`seed ${seed}`);
      cases(counts?.short ?? CASES * weight, seed);
    });
});
