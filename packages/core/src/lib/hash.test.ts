import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { addToSet, hashText, hex, takeFromSet } from "./hash.ts";

describe("hashes", () => {
  test("are those of FNV-1a", () => {
    assert.deepEqual(
      [hex(hashText("")), hex(hashText("a")), hex(hashText("foobar"))],
      ["811c9dc5", "e40c292c", "bf9cf968"],
    );
  });

  test("of a text are continued by another", () => {
    assert.equal(hashText("bar", hashText("foo")), hashText("foobar"));
  });

  test("are written with eight digits", () => {
    assert.equal(hex(0), "00000000");
    assert.equal(hex(0xffffffff), "ffffffff");
  });
});

describe("a set hash", () => {
  test("does not depend on order, and forgets what is taken away", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xffffffff)), fc.array(fc.nat(0xffffffff)), (kept, passing) => {
        const forward = kept.reduce(addToSet, 0);
        const through = passing.reduce(takeFromSet, [...passing, ...kept.toReversed()].reduce(addToSet, 0));
        assert.equal(through, forward);
      }),
    );
  });

  test("tells apart sets whose elements differ in a bit", () => {
    const seen = new Set<number>();
    for (const a of ["0", "1"])
      for (const b of ["0", "1"])
        for (let n = 0; n < 2000; n++)
          seen.add(addToSet(addToSet(0, hashText(a, hashText(`left${n}`))), hashText(b, hashText(`right${n}`))));
    assert.equal(seen.size, 8000);
  });
});
