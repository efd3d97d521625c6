import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { RegistryError } from "./failures.ts";
import { clustersBroken, metadataBroken, portBroken, type RuleName, refuseBroken, ruleBroken } from "./rules.ts";

/** The longest value, what may stand in it, and what may not: written a second time, without patterns. */
const RULES: Record<RuleName, { longest: number; param: string; holds: (char: string) => boolean }> = {
  namespace: { longest: 64, param: "namespaceId/tenant", holds: (char) => isWord(char) || char === "-" },
  namespaceShowName: { longest: 256, param: "namespaceShowName", holds: (char) => !"@#$%^&*".includes(char) },
  group: { longest: 128, param: "group", holds: (char) => isWord(char) || "-:.".includes(char) },
  dataId: { longest: 256, param: "dataId", holds: (char) => isWord(char) || "-:.".includes(char) },
  serviceName: { longest: 512, param: "serviceName", holds: isPrintable },
  cluster: { longest: 64, param: "cluster", holds: (char) => isWord(char) || char === "-" },
  ip: { longest: 128, param: "ip", holds: isPrintable },
};

function isWord(char: string): boolean {
  return "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_".includes(char);
}

function isPrintable(char: string): boolean {
  return char.trim() !== "" && char !== "\0" && !(char >= "\u4e00" && char <= "\u9fa5");
}

const names = Object.keys(RULES) as RuleName[];
const unit = fc.oneof(
  fc.constantFrom(..."aZ09_-:.@#$%^&*/ \t\n\0\u4e00\u9fa5\u9fa6\u00e9\u2028"),
  fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
);
const value = fc.array(unit, { maxLength: 6 }).map((units) => units.join(""));

describe("what a name may hold", () => {
  for (const rule of names)
    test(`of a ${rule} is decided character by character`, () => {
      const { holds, param } = RULES[rule];
      fc.assert(
        fc.property(value, (text) => {
          const at = rule === "serviceName" && (text.startsWith("@") || text.includes("@@"));
          const fine = text.trim() === "" || (!at && text.split("").every(holds));
          const expected = `Param '${param}' is illegal, illegal characters should not appear in the param.`;
          assert.equal(ruleBroken(rule, text), fine ? undefined : expected);
        }),
        { numRuns: 2000 },
      );
    });

  test("at most, is said with the parameter and the length", () => {
    for (const rule of names) {
      const { longest, param } = RULES[rule];
      assert.equal(ruleBroken(rule, "a".repeat(longest)), undefined);
      assert.equal(
        ruleBroken(rule, "a".repeat(longest + 1)),
        `Param '${param}' is illegal, the param length should not exceed ${longest}.`,
      );
    }
  });

  test("is decided quickly, however long and odd the value is", () => {
    const hostile = ["@".repeat(100_000), `${"a@".repeat(50_000)}@@`, "\u4e00".repeat(100_000)];
    for (const rule of names) for (const text of hostile) assert.notEqual(ruleBroken(rule, text), undefined);
  });

  test("is anything when it is absent or blank", () => {
    for (const rule of names) for (const text of [undefined, "", "  "]) assert.equal(ruleBroken(rule, text), undefined);
  });
});

describe("a comma list of clusters", () => {
  test("is broken where one of them is", () => {
    assert.equal(clustersBroken("a,b-1,C_2"), undefined);
    assert.equal(clustersBroken(undefined), undefined);
    assert.match(clustersBroken("a,b c") ?? "", /'cluster' is illegal/);
    assert.match(clustersBroken(`a,${"b".repeat(65)}`) ?? "", /'cluster'.*64/);
  });
});

describe("a port", () => {
  test("is a whole number from 0 to 65535", () => {
    fc.assert(
      fc.property(fc.oneof(fc.integer({ min: -2, max: 65538 }), fc.double()), (port) => {
        const fine = port >= 0 && port <= 65535 && port % 1 === 0;
        assert.equal(portBroken(port) === undefined, fine);
      }),
    );
    assert.equal(portBroken(-1, "checkPort"), "Param 'checkPort' is illegal, the value should be between 0 and 65535.");
  });
});

describe("metadata", () => {
  test("is as long as its keys and values together", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ maxLength: 9 }), fc.string({ maxLength: 9 })), fc.nat(100), (map, most) => {
        const length = Object.entries(map).flat().join("").length;
        const expected = `Param 'metadata' is illegal, the param length should not exceed ${most}.`;
        assert.equal(metadataBroken(map, most), length > most ? expected : undefined);
      }),
    );
  });
});

describe("the first thing that is broken", () => {
  test("is thrown as an invalid parameter", () => {
    refuseBroken(undefined, undefined);
    assert.throws(
      () => refuseBroken(undefined, "first", "second"),
      (err) => err instanceof RegistryError && err.failure === "invalidParameter" && err.message === "first",
    );
  });
});
