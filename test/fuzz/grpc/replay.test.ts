import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Life } from "./life.ts";

describe("a connection that was drawn from a seed", () => {
  test("is the same each time: inputs, and every byte that was answered", () => {
    const transcripts = [1, 2].map(() =>
      Array.from({ length: 50 }, (_, seed) => {
        const life = new Life(seed * 7919);
        life.run();
        return [life.inputs, life.answered];
      }),
    );
    assert.deepEqual(transcripts[0], transcripts[1]);
    assert.ok(new Set(transcripts[0]?.map(String)).size > 40, "and another one for another seed");
  });
});
