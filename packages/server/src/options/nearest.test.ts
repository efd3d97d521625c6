import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { editDistance, nearest } from "./nearest.ts";

describe("the nearest name", () => {
  const names = ["port", "nacos.naming.expireInstance", "nacos.core.param.check.enabled"];
  const cases: [string, string | undefined][] = [
    ["prot", "port"],
    ["PORT", "port"],
    ["nacos.namin.expire-instances", "nacos.naming.expireInstance"],
    ["pxyt", undefined],
    ["something.else.entirely", undefined],
  ];
  for (const [given, found] of cases) test(`of ${given} is ${found}`, () => assert.equal(nearest(given, names), found));

  test("is measured alike in both directions, and is zero for equal texts only", () => {
    const text = fc.string({ maxLength: 8 });
    fc.assert(
      fc.property(text, text, (a, b) => {
        assert.equal(editDistance(a, b), editDistance(b, a));
        assert.equal(editDistance(a, b) === 0, a === b);
        assert.ok(editDistance(a, b) <= Math.max(a.length, b.length));
      }),
    );
  });
});
