import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RegistryError } from "@nacre/protocol";
import fc from "fast-check";
import { LINES_MAX, readListening, writeChanged } from "./listening-configs.ts";

const W = "\u0002";
const L = "\u0001";

describe("the lines of a long poll", () => {
  test("have three fields, or four with a tenant that may be blank", () => {
    const text = `a.yaml${W}g${W}m1${L}b${W}g${W}${W}dev${L}c${W}g${W}m3${W}${L}`;
    assert.deepEqual(readListening(text, true), [
      { name: { dataId: "a.yaml", group: "g", namespace: "public" }, form: "absent", md5: "m1" },
      { name: { dataId: "b", group: "g", namespace: "dev" }, form: "given", md5: "" },
      { name: { dataId: "c", group: "g", namespace: "public" }, form: "blank", md5: "m3" },
    ]);
  });

  test("may be encoded twice, and may lack the last separator", () => {
    const text = `a.yaml${W}g${W}m${W}dev${L}`;
    assert.deepEqual(readListening(encodeURIComponent(text), true), readListening(text, true));
    assert.deepEqual(readListening(text.slice(0, -1), true), readListening(text, true));
  });

  for (const [what, text, rule] of [
    ["too few fields", `a${W}g${L}`, /line 1 .* 2 fields/],
    ["too many fields", `a${W}g${W}m${L}a${W}g${W}m${W}t${W}x${L}`, /line 2 .* 5 fields/],
    ["no separators at all", "hello", /1 fields/],
    ["a blank name", `${W}g${W}m${L}`, /required/],
    ["an empty line", `a${W}g${W}m${L}${L}`, /line 2/],
    ["a name that breaks the rules", `a b${W}g${W}m${L}`, /dataId/],
    ["a tenant that breaks the rules", `a${W}g${W}m${W}t.t${L}`, /namespaceId/],
    ["a broken escape", "a%zz", /invalid probeModify/],
    ["an escape that is not UTF-8", "a%ff", /invalid probeModify/],
  ] as const)
    test(`are refused for ${what}`, () => {
      assert.throws(
        () => readListening(text, true),
        (thrown) =>
          thrown instanceof RegistryError && thrown.failure === "invalidParameter" && rule.test(thrown.message),
      );
    });

  test("are bounded in number", () => {
    const line = `a${W}g${W}m${L}`;
    assert.equal(readListening(line.repeat(LINES_MAX), true).length, LINES_MAX);
    assert.throws(() => readListening(line.repeat(LINES_MAX + 1), true), /too much key/);
  });

  test("are read or refused, and never fail otherwise", () => {
    const piece = fc.constantFrom(W, L, "a", "%", "+", "%02", "%2502", "\u0000", "配", " ");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        try {
          for (const { name, md5 } of readListening(pieces.join(""), false))
            assert.ok(![name.dataId, name.group, md5].join("").includes(W));
        } catch (thrown) {
          assert.ok(thrown instanceof RegistryError, String(thrown));
        }
      }),
    );
  });
});

test("an answer names what has changed, with the tenant as the request had it", () => {
  const name = { dataId: "app.yaml", group: "DEFAULT_GROUP", namespace: "dev" };
  const at = (form: "given" | "absent" | "blank", namespace: string) => ({ name: { ...name, namespace }, form });
  assert.equal(writeChanged([at("given", "dev")]), "app.yaml%02DEFAULT_GROUP%02dev%01");
  assert.equal(writeChanged([at("given", "public")]), "app.yaml%02DEFAULT_GROUP%02public%01");
  assert.equal(
    writeChanged([at("absent", "public"), at("blank", "public")]),
    "app.yaml%02DEFAULT_GROUP%01app.yaml%02DEFAULT_GROUP%01",
  );
});
