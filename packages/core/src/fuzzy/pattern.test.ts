import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RegistryError, type ServiceName } from "@nacre/protocol";
import fc from "fast-check";
import { matches, PATTERN_LENGTH_MAX, parsePattern } from "./pattern.ts";

const orders: ServiceName = { namespace: "public", group: "DEFAULT_GROUP", name: "orders" };

describe("a fuzzy pattern", () => {
  const cases: readonly [pattern: string, name: string, matched: boolean][] = [
    ["*", "orders", true],
    ["**", "orders", true],
    [".*", "orders", true],
    ["orders", "orders", true],
    ["orders", "orders2", false],
    ["ord*", "orders", true],
    ["ord*", "ord", true],
    ["ord*", "word", false],
    ["*ers", "orders", true],
    ["*ers", "ersatz", false],
    ["*rde*", "orders", true],
    ["*o*s*", "orders", false],
    ["*o*s*", "pos-1", true],
    ["o*s", "orders", false],
    ["o*s", "o*s", false],
    ["o*e*", "orders", false],
    ["*r*s", "orders", false],
    [".*s", "orders", false],
  ];
  for (const [pattern, name, matched] of cases)
    test(`${pattern} ${matched ? "matches" : "does not match"} ${name}`, () => {
      assert.equal(matches(parsePattern(`public>>DEFAULT_GROUP>>${pattern}`), { ...orders, name }), matched);
      assert.equal(matches(parsePattern(`public>>${pattern}>>orders`), { ...orders, group: name }), matched);
    });

  test("takes a blank namespace for public, and no star in it", () => {
    assert.equal(matches(parsePattern(">>*>>*"), orders), true);
    assert.equal(matches(parsePattern("*>>*>>*"), orders), false);
    assert.equal(matches(parsePattern("dev>>*>>*"), orders), false);
  });

  test("keeps the text that the client wrote, by which it finds its watchers again", () => {
    assert.equal(parsePattern(">>.*>>ord*").text, ">>.*>>ord*");
  });

  for (const [text, rule] of [
    ["", /exactly two ">>"/],
    ["public>>orders", /exactly two ">>"/],
    ["public>>a>>b>>c", /exactly two ">>"/],
    ["public>> >>orders", /blank group/],
    ["public>>DEFAULT_GROUP>>", /blank service/],
    [`public>>${"g".repeat(PATTERN_LENGTH_MAX)}>>a`, /the longest one allowed/],
  ] as const)
    test(`${JSON.stringify(text.slice(0, 40))} is refused by name`, () => {
      assert.throws(
        () => parsePattern(text),
        (thrown) =>
          thrown instanceof RegistryError && thrown.failure === "invalidParameter" && rule.test(thrown.message),
      );
    });
});

describe("every name", () => {
  const name = fc.stringMatching(/^[a-zA-Z0-9_.:-]{1,40}$/);
  const matchesName = (pattern: string, text: string) =>
    matches(parsePattern(`public>>*>>${pattern}`), { ...orders, name: text });

  test("is matched by itself, by its prefixes, suffixes and parts", () => {
    fc.assert(
      fc.property(name, fc.nat(40), fc.nat(40), (text, a, b) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)];
        assert.ok(text === ".*" || matchesName(text, text));
        assert.ok(matchesName(`${text.slice(0, to)}*`, text));
        assert.ok(matchesName(`*${text.slice(from)}`, text));
        assert.ok(matchesName(`*${text.slice(from, to)}*`, text));
      }),
    );
  });

  test("is matched by another plain name only when they are equal", () => {
    fc.assert(fc.property(name, name, (a, b) => assert.equal(matchesName(a, b), a === b)));
  });
});
