import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { jsonProblem, scanJson } from "./json.ts";

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Texts that are JSON, or nearly. */
const nearJson = fc
  .tuple(
    fc.json(),
    fc.array(fc.tuple(fc.nat(60), fc.constantFrom(...'{}[]:,"\\u0e-+.1 \n\ttn\u0001中')), { maxLength: 3 }),
  )
  .map(([json, inserts]) => inserts.reduce((text, [at, what]) => text.slice(0, at) + what + text.slice(at), json));

describe("the scanner of JSON", () => {
  test("agrees with JSON.parse about any text", () => {
    fc.assert(
      fc.property(fc.oneof(nearJson, fc.string({ unit: "binary" })), (text) => {
        assert.equal(jsonProblem(text) === undefined, parses(text), text);
      }),
      { numRuns: 3000 },
    );
  });

  test("finds any value by its keys", () => {
    const leaves = (value: unknown, keys: readonly string[]): { keys: readonly string[]; value: unknown }[] => [
      { keys, value },
      ...(typeof value === "object" && value !== null
        ? Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...keys, key]))
        : []),
    ];
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(0, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        for (const { keys, value: inner } of leaves(JSON.parse(text), [])) {
          const { found } = scanJson(text, keys);
          assert.equal(found.depth, keys.length);
          assert.ok(text.slice(found.valueAt).startsWith(JSON.stringify(inner, null, indent).slice(0, 1)));
        }
      }),
      { numRuns: 300 },
    );
  });

  test("finds the deepest value on the way where one is missing, and the last of equal keys", () => {
    const text = '{"a":{"b":1},"a":{"c":[10,20]}}';
    assert.deepEqual(scanJson(text, ["a", "c", "1"]).found, { depth: 3, keyAt: 26, valueAt: 26 });
    assert.deepEqual(scanJson(text, ["a", "x"]).found, { depth: 1, keyAt: 13, valueAt: 17 });
  });

  test("goes as deep as a text can", () => {
    assert.equal(jsonProblem("[".repeat(1_000_000) + "]".repeat(1_000_000)), undefined);
  });
});
