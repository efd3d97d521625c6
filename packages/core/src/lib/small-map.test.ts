import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { SmallMap } from "./small-map.ts";

describe("a small map", () => {
  test("holds what a map holds, in the same order", () => {
    // More than lie in a row.
    const keys = Array.from({ length: 20 }, (_, name) => ({ name }));
    const value = fc.option(fc.nat(3), { nil: undefined, freq: 9 });
    const steps = fc.array(fc.record({ key: fc.constantFrom(...keys), value }), { maxLength: 60, size: "max" });
    fc.assert(
      fc.property(steps, (all) => {
        const small = new SmallMap<object, { value: number }>();
        const model = new Map<object, { value: number }>();
        for (const { key, value } of all) {
          if (value === undefined) assert.equal(small.delete(key), model.delete(key));
          else {
            small.set(key, { value });
            model.set(key, { value });
          }
          assert.equal(small.size, model.size);
          assert.deepEqual([...small], [...model]);
          assert.deepEqual([...small.keys()], [...model.keys()]);
          assert.deepEqual([...small.values()], [...model.values()]);
          for (const one of keys) {
            assert.deepEqual(small.get(one), model.get(one));
            assert.equal(small.has(one), model.has(one));
          }
        }
      }),
    );
  });
});
