import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { SortedNames } from "./sorted-names.ts";

describe("sorted names", () => {
  test("are what was added and not removed, in order, whenever they are read", () => {
    const names = fc.constantFrom("a", "b", "c", "B", "10", "9", "", "é");
    const steps = fc.array(fc.oneof(names, fc.constant(undefined)), { maxLength: 60 });
    fc.assert(
      fc.property(steps, (all) => {
        const sorted = new SortedNames();
        const model = new Set<string>();
        for (const name of all) {
          if (name === undefined) assert.deepEqual(sorted.all(), [...model].sort());
          else if (model.delete(name)) sorted.remove(name);
          else {
            model.add(name);
            sorted.add(name);
          }
          assert.equal(sorted.size, model.size);
        }
        assert.deepEqual(sorted.all(), [...model].sort());
      }),
    );
  });

  test("that were read before do not change", () => {
    const sorted = new SortedNames();
    sorted.add("b");
    const before = sorted.all();
    sorted.add("a");
    assert.deepEqual([before, sorted.all()], [["b"], ["a", "b"]]);
  });
});
