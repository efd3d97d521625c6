import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TextMap } from "@nacre/protocol";
import { instance, service } from "@nacre/testkit/naming-bench";
import fc from "fast-check";
import type { InstanceInput } from "./events.ts";
import { heartbeatOf, instanceOf, mergedText, overridden, sameInstance, sameText, withHealth } from "./instance.ts";
import type { Instance } from "./model.ts";

const orders = service();
const kept = (input: InstanceInput): Instance => instanceOf(orders, input, true, () => assert.fail());

/** Few and short texts, so that equal and nearly equal contents are drawn often. */
const text = fc.oneof(
  fc.constantFrom("", "0", "1", "a", "b", "ab", "__proto__", "constructor"),
  fc.string({ maxLength: 3 }),
);
const textMap: fc.Arbitrary<TextMap> = fc
  .array(fc.tuple(text, text), { maxLength: 3 })
  .map((entries) => Object.fromEntries(entries));
const input: fc.Arbitrary<InstanceInput> = fc.record({
  ip: fc.constantFrom("10.0.0.1", "10.0.0.1#80", "a"),
  port: fc.constantFrom(0, 80, 8080),
  weight: fc.constantFrom(0, 1, 0.5, 10),
  healthy: fc.boolean(),
  enabled: fc.boolean(),
  clusterName: fc.constantFrom("", "DEFAULT", "A", "80"),
  metadata: textMap,
  instanceId: fc.constantFrom("", "x", "1#x"),
});

function content({ hash: _, metadata, ...rest }: Instance): string {
  return JSON.stringify([rest.instanceId ?? null, rest, Object.entries(metadata).sort()]);
}

describe("an instance that resembles another", () => {
  test("is what it would be without it", () => {
    fc.assert(
      fc.property(input, input, (drawn, other) => {
        const next = instanceOf(orders, drawn, true, () => assert.fail(), kept(other));
        assert.equal(JSON.stringify(next), JSON.stringify(kept(drawn)), "to the order of the metadata");
      }),
    );
  });

  test("shares the metadata with it, when both are equal in the same order", () => {
    const like = kept(instance("10.0.0.1:80", { metadata: { zone: "a", version: "1" } }));
    const beside = (metadata: TextMap): Instance =>
      instanceOf(orders, instance("10.0.0.2:80", { metadata }), true, () => assert.fail(), like);
    assert.equal(beside({ zone: "a", version: "1" }).metadata, like.metadata);
    assert.notEqual(beside({ version: "1", zone: "a" }).metadata, like.metadata);
    assert.notEqual(beside({ zone: "a", version: "2" }).metadata, like.metadata);
  });
});

describe("the hash of an instance", () => {
  test("is equal where the content is, and differs where it differs", () => {
    const byHash = new Map<number, string>();
    fc.assert(
      fc.property(input, (drawn) => {
        const one = kept(drawn);
        const before = byHash.get(one.hash);
        if (before !== undefined) assert.equal(content(one), before);
        byHash.set(one.hash, content(one));
      }),
      { numRuns: 20_000, seed: 1 },
    );
    assert.equal(new Set(byHash.values()).size, byHash.size, "no content has two hashes");
  });

  test("does not depend on the order of the metadata", () => {
    fc.assert(
      fc.property(input, (drawn) => {
        const turned = { ...drawn, metadata: Object.fromEntries(Object.entries(drawn.metadata).reverse()) };
        assert.equal(kept(drawn).hash, kept(turned).hash);
        assert.ok(sameInstance(kept(drawn), kept(turned)));
      }),
    );
  });

  test("tells apart what only moved between key and value, or between two keys", () => {
    const pairs: [TextMap, TextMap][] = [
      [{ a: "bc" }, { ab: "c" }],
      [{ ab: "" }, { a: "b" }],
      ...Array.from({ length: 50 }, (_, n): [TextMap, TextMap] => [
        { [`left${n}`]: "1", [`right${n}`]: "0" },
        { [`left${n}`]: "0", [`right${n}`]: "1" },
      ]),
    ];
    for (const [one, other] of pairs) {
      const hash = (metadata: TextMap) => kept(instance("10.0.0.1:80", { metadata })).hash;
      assert.notEqual(hash(one), hash(other), JSON.stringify([one, other]));
    }
  });

  test("tells apart addresses that hold the characters between the parts", () => {
    const one = instance("a:1", { clusterName: "2", weight: 3, instanceId: "4#id" });
    const other = instance("a#1:2", { clusterName: "3", weight: 4, instanceId: "id" });
    assert.notEqual(kept(one).hash, kept(other).hash);
  });

  test("is new with an operator's record and with another health, and back with it", () => {
    fc.assert(
      fc.property(input, textMap, fc.constantFrom(undefined, 3), (drawn, metadata, weight) => {
        const one = kept(drawn);
        const shown = overridden(one, { weight, enabled: undefined, metadata });
        assert.equal(shown.hash, kept({ ...drawn, weight: weight ?? drawn.weight, metadata: shown.metadata }).hash);
        const flipped = withHealth(one, !one.healthy);
        assert.notEqual(flipped.hash, one.hash);
        assert.deepEqual(withHealth(flipped, one.healthy), one);
      }),
    );
  });
});

describe("texts that are merged", () => {
  test("have every key of both, the upper one's value first, and no other prototype", () => {
    fc.assert(
      fc.property(textMap, textMap, (under, over) => {
        const merged = mergedText(under, over);
        const keys = [...new Set([...Object.keys(under), ...Object.keys(over)])].sort();
        assert.deepEqual(Object.keys(merged).sort(), keys);
        for (const key of keys) assert.equal(merged[key], Object.hasOwn(over, key) ? over[key] : under[key]);
        assert.equal(Object.getPrototypeOf(merged), Object.prototype);
        assert.ok(sameText(mergedText(merged, over), merged));
      }),
    );
  });

  test("leave their parts as they were", () => {
    fc.assert(
      fc.property(textMap, textMap, (under, over) => {
        const before = JSON.stringify([under, over]);
        mergedText(Object.freeze(under), Object.freeze(over));
        assert.equal(JSON.stringify([under, over]), before);
      }),
    );
  });
});

describe("equal texts", () => {
  test("have equal entries in whatever order, and inherit nothing", () => {
    fc.assert(
      fc.property(textMap, textMap, (one, other) => {
        const sorted = (map: TextMap) => JSON.stringify(Object.entries(map).sort());
        assert.equal(sameText(one, other), sorted(one) === sorted(other));
      }),
      { numRuns: 2000 },
    );
    assert.equal(sameText({ constructor: "x" }, { other: "x" }), false);
  });
});

describe("heartbeat times", () => {
  test("are whole positive milliseconds, or their defaults", () => {
    const of = (value: string) => heartbeatOf({ "preserved.heart.beat.timeout": value }).timeoutMs;
    assert.equal(of("3000"), 3000);
    for (const bad of ["", "0", "-1", "1.5", "x", "NaN", "Infinity", "1e400", "99999999999999999999"])
      assert.equal(of(bad), 15_000, bad);
  });

  test("are not inherited", () => {
    const inherited = Object.create({ "preserved.heart.beat.timeout": "1" }) as TextMap;
    assert.equal(heartbeatOf(inherited).timeoutMs, 15_000);
  });
});
