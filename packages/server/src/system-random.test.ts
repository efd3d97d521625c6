import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { randomBelow, randomId } from "./system-random.ts";

const many = <T>(make: () => T): T[] => Array.from({ length: 1000 }, make);

describe("what is drawn from the system", () => {
  test("are ids of the form that others give, each once", () => {
    const ids = many(randomId);
    for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(new Set(ids).size, ids.length);
  });

  test("are numbers from 1 to below the end, all of them", () => {
    assert.deepEqual([...new Set(many(() => randomBelow(4)))].sort(), [1, 2, 3]);
    assert.deepEqual([...new Set(many(() => randomBelow(2)))], [1]);
  });
});
