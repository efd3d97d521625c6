import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { unifiedDiff } from "./diff.ts";

const lines = (count: number, prefix: string): string =>
  Array.from({ length: count }, (_, at) => `${prefix}${at}\n`).join("");

describe("a difference of two texts", () => {
  test("is blank when there is none", () => {
    assert.equal(unifiedDiff("a\n", "a\n", ["x", "y"]), "");
  });

  test("is what diff -u shows", () => {
    assert.equal(
      unifiedDiff("a\nb\nc\n", "a\nB\nc", ["x", "y"]),
      "--- x\n+++ y\n@@ -1,3 +1,3 @@\n a\n-b\n-c\n+B\n+c\n\\ No newline at end of file\n",
    );
  });

  test("shows texts that have too little in common as replaced", () => {
    const shown = unifiedDiff(lines(3000, "a"), lines(3000, "b"), ["x", "y"]);
    assert.equal(shown.split("\n").length, 6003);
  });
});
