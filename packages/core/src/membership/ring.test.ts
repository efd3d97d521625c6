import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ownerIn } from "./ring.ts";

const KEYS = Array.from({ length: 3000 }, (_, at) => `10.${at % 7}.${at % 251}.${at % 13}:${8000 + at}#true`);
const count = (ring: readonly string[], id: string): number => KEYS.filter((key) => ownerIn(ring, key) === id).length;

describe("a ring", () => {
  test("names the same owner in whatever order its members come", () => {
    for (const key of KEYS) assert.equal(ownerIn(["a", "b", "c"], key), ownerIn(["c", "a", "b"], key));
  });

  test("names nobody while it is empty, and its only member otherwise", () => {
    assert.equal(ownerIn([], "key"), undefined);
    assert.equal(ownerIn(["a"], "key"), "a");
  });

  test("gives each member about its share", () => {
    const ring = ["5b1f", "5b20", "5b21", "c0de", "c0df"];
    for (const id of ring) assert.ok(Math.abs(count(ring, id) - 600) < 120, `${id} owns ${count(ring, id)}`);
  });

  test("moves only what the member that leaves had", () => {
    for (const key of KEYS) {
      const before = ownerIn(["a", "b", "c"], key);
      if (before !== "c") assert.equal(ownerIn(["a", "b"], key), before);
    }
  });
});
