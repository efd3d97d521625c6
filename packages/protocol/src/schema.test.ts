import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { RegistryError } from "./failures.ts";
import { acknowledgement, connectionMessages, connectionSetup } from "./messages/connection.ts";
import { namingMessages } from "./messages/naming.ts";
import { bool, flagMap, integer, list, number, object, optional, optionalText, text, textMap } from "./schema.ts";

describe("a reader", () => {
  test("of any declared message, given any JSON, reads it or throws a RegistryError that names a field", () => {
    const bodies = { ...connectionMessages, ...namingMessages, connectionSetup, acknowledgement };
    const names = [
      "labels",
      "abilityTable",
      "instance",
      "instances",
      "metadata",
      "port",
      "type",
      "namespace",
      "__proto__",
    ];
    const body = fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), fc.jsonValue());
    fc.assert(
      fc.property(fc.constantFrom(...Object.values(bodies)), body, (message, value) => {
        try {
          message.body.read(value, "");
        } catch (thrown) {
          assert.ok(thrown instanceof RegistryError, String(thrown));
          assert.match(thrown.message, /^Param '.*' is illegal, it /s);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("gives back what is of its type", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme" }),
        fc.boolean(),
        fc.maxSafeInteger(),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        (a, b, c, d) => {
          const read = object({ a: text(), b: bool(false), c: integer(0), d: number(0), e: list(text(), 2) });
          // JSON has no negative zero, so that none is kept.
          assert.deepEqual(read.read({ a, b, c, d, e: [a, a], ignored: 1 }, ""), { a, b, c, d: d + 0, e: [a, a] });
        },
      ),
    );
  });

  test("takes null and absent for the default", () => {
    const read = object({
      a: text("x"),
      b: bool(true),
      c: integer(1),
      d: number(0.5),
      e: list(text(), 2),
      f: textMap(),
      g: flagMap(),
      h: optionalText(),
      i: optional(flagMap()),
    });
    const expected = { a: "x", b: true, c: 1, d: 0.5, e: [], f: {}, g: {}, h: undefined, i: undefined };
    const nulls = Object.fromEntries(Object.keys(expected).map((name) => [name, null]));

    assert.deepEqual(read.read({}, ""), expected);
    assert.deepEqual(read.read(nulls, ""), expected);
  });

  test("accepts numbers and booleans that are written as text", () => {
    const read = object({ a: integer(0), b: bool(false), c: bool(true) });
    assert.deepEqual(read.read({ a: "42", b: "true", c: "false" }, ""), { a: 42, b: true, c: false });
  });

  const refused: [string, () => unknown, RegExp][] = [
    ["text for a number", () => integer(0).read("x", "port"), /'port'.* an? (integer|number)/],
    ["a fraction for an integer", () => integer(0).read(1.5, "port"), /'port'.* an integer/],
    ["a number beyond precision", () => integer(0).read(2 ** 53, "port"), /'port'.* an integer/],
    ["a number for text", () => text().read(1, "name"), /'name'.* a string, not a number/],
    ["a list for an object", () => object({}).read([], "instance"), /'instance'.* an object, not a list/],
    ["a list that is too long", () => list(text(), 1).read(["", ""], "names"), /'names'.* exceed 1 entries/],
    ["a lone surrogate", () => text().read("\ud800", "name"), /'name'.* lone surrogate/],
    ["a lone surrogate in a key", () => textMap().read({ "\udc00": "" }, "metadata"), /'metadata key'/],
    ["an object inside a map of text", () => textMap().read({ a: {} }, "metadata"), /'metadata.a'/],
    [
      "a wrong entry, by its place",
      () => list(object({ port: integer(0) }), 9).read([{}, { port: "x" }], "instances"),
      /'instances\[1\].port'/,
    ],
  ];
  for (const [what, read, expected] of refused)
    test(`refuses ${what}`, () => {
      assert.throws(read, (thrown) => {
        assert.ok(thrown instanceof RegistryError);
        assert.equal(thrown.failure, "invalidParameter");
        assert.match(thrown.message, expected);
        return true;
      });
    });

  test("keeps `__proto__` an ordinary key, and takes no field from a prototype", () => {
    const labels = textMap().read(JSON.parse('{"__proto__":"a","constructor":"b"}'), "labels");
    assert.deepEqual(Object.entries(labels), [
      ["__proto__", "a"],
      ["constructor", "b"],
    ]);
    assert.equal(Object.getPrototypeOf(labels), Object.prototype);
    assert.deepEqual(object({ toString: optionalText() }).read({}, ""), { toString: undefined });
  });
});
