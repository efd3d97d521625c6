import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { RegistryError } from "@nacre/protocol";
import fc from "fast-check";
import type { Family } from "./family.ts";
import { Params } from "./params.ts";
import { PAIRS_MAX, type Pair, pairSteps, pairsOf } from "./params-text.ts";

const read = (query: string, form = "", family: Family = "v1"): Params => Params.read(query, form, family);
const refusal = (failure: string, message: RegExp) => (thrown: unknown) => {
  assert.ok(thrown instanceof RegistryError, String(thrown));
  assert.equal(thrown.failure, failure);
  assert.match(thrown.message, message);
  return true;
};
/** As Node gives a URL: one character per byte. */
const bytes = (text: string): string => Buffer.from(text).toString("latin1");

describe("parameters on the wire", () => {
  test("come from query and form, the query first", () => {
    const params = read("a=1&b=2", "a=3&c=4");
    assert.deepEqual(
      ["a", "b", "c"].map((name) => params.optional(name)),
      ["1", "2", "4"],
    );
    assert.deepEqual(params.list("a"), ["1", "3"]);
  });

  test("keep no request in memory that they were a small part of", () => {
    setFlagsFromString("--expose-gc");
    const collectGarbage = runInNewContext("gc") as () => void;
    const stringBytes = (): number => {
      collectGarbage();
      const { external, arrayBuffers } = process.memoryUsage();
      return external - arrayBuffers;
    };
    const before = stringBytes();
    const padding = "x".repeat(2_000_000);
    const kept = Array.from({ length: 40 }, (_, at) => {
      const form = Buffer.from(
        `serviceName=${`orders-of-shop-${at}`}&pad=${padding}&metadata=zone=a-long-name,${padding}=`,
      );
      const params = read("", form.toString("latin1"));
      return [params.optional("serviceName"), params.metadata()?.zone];
    });
    const grownBytes = stringBytes() - before;
    assert.deepEqual(kept[7], ["orders-of-shop-7", "a-long-name"]);
    assert.ok(grownBytes < 80_000_000, `${grownBytes} bytes`);
  });

  test("may be written with empty pairs, without a value, and with more than one equals sign", () => {
    assert.deepEqual(pairsOf("&a=b&&c&d=e=f&"), [
      ["a", "b"],
      ["c", ""],
      ["d", "e=f"],
    ]);
  });

  test("may hold raw JSON, as the beats of the Go SDK do", () => {
    const beat = '{"ip":"10.1.1.5","port":8080,"metadata":{"a":"b"}}';
    assert.equal(read("", `serviceName=s&beat=${beat}`).optional("beat"), beat);
  });

  test("are UTF-8, escaped or raw, with plus as a space", () => {
    assert.equal(read(`a=${encodeURIComponent("配置 1")}`).optional("a"), "配置 1");
    assert.equal(read(`a=${bytes("配置")}+1`).optional("a"), "配置 1");
  });

  for (const [what, query, rule] of [
    ["a percent sign at the end", "a=1&zone=5%", /Param 'zone' is illegal, a % must be followed by two hex/],
    ["an escape that is not hexadecimal", "zone=%zz", /Param 'zone' is illegal/],
    ["an escape that is only half hexadecimal", "zone=%4z", /Param 'zone' is illegal/],
    ["escaped bytes that are not UTF-8", "zone=%ff", /Param 'zone' is illegal, it must be UTF-8/],
  ] as const)
    test(`are refused by name for ${what}`, () => {
      assert.throws(() => read(query), refusal("invalidParameter", rule));
    });

  test("are bounded in number", () => {
    assert.throws(() => read("a=1&".repeat(PAIRS_MAX + 1)), refusal("invalidParameter", /10000 parameters at most/));
  });

  test("come back as they were encoded, whatever they hold", () => {
    const wellFormed = fc.string({ unit: "grapheme" }).filter((value) => value.isWellFormed());
    fc.assert(
      fc.property(fc.array(fc.tuple(wellFormed, wellFormed)), (pairs) => {
        const encoded = new URLSearchParams(pairs).toString();
        assert.deepEqual(
          pairsOf(encoded),
          pairs.filter(([name, value]) => `${name}=${value}` !== ""),
        );
      }),
    );
  });

  test("are read or refused by a RegistryError, and never fail otherwise, for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (raw) => {
        try {
          for (const [name, value] of pairsOf(Buffer.from(raw).toString("latin1")))
            assert.ok(name.isWellFormed() && value.isWellFormed());
        } catch (thrown) {
          assert.ok(thrown instanceof RegistryError && thrown.failure === "invalidParameter", String(thrown));
        }
      }),
    );
  });
});

describe("the parameters of a form of megabytes", () => {
  function inSteps(encoded: string): { pairs: Pair[]; steps: number } {
    const work = pairSteps(encoded);
    for (let steps = 0; ; steps++) {
      const { done, value } = work.next();
      if (done === true) return { pairs: value, steps };
    }
  }

  test("are read in steps of 64 KiB of a value, and of one value where they are many", () => {
    const long = inSteps(`dataId=a&content=${"%e9%85%8d+x".repeat(100_000)}`);
    assert.equal(long.pairs[1]?.[1], "配 x".repeat(100_000));
    assert.ok(long.steps >= 1_100_000 / (64 * 1024), `${long.steps}`);
    assert.equal(inSteps("a=1&".repeat(1000)).steps, 1000);
  });

  test("are what is read in one go, wherever a piece ends", () => {
    const text = "配é%+&= 😀";
    for (let from = 64 * 1024 - 40; from < 64 * 1024 + 4; from++) {
      const [start, end] = [`a=${"x".repeat(from)}`, "y".repeat(50)];
      for (const form of [`${start}${encodeURIComponent(text)}${end}`, `${start}${bytes("配é😀")}${end}`])
        assert.deepEqual(inSteps(form).pairs, pairsOf(form), `${from}`);
    }
  });

  test("are refused by name for escapes and bytes that are broken in a later piece", () => {
    const start = `content=${"x".repeat(70_000)}`;
    for (const end of ["%", "%4", "%zz", "%ff", "\xe9\x85"])
      assert.throws(() => inSteps(`${start}${end}`), refusal("invalidParameter", /^Param 'content' is illegal/), end);
  });
});

describe("the readers of parameters", () => {
  test("take blank for absent, and v1 trims", () => {
    assert.equal(read("a=++").optional("a"), undefined);
    assert.equal(read("a=+x+").optional("a"), "x");
    assert.equal(read("a=+x+", "", "v3").optional("a"), " x ");
    assert.equal(read("a=&b=y").optional(["a", "b"]), "y");
  });

  test("say what is missing in the words of the family", () => {
    assert.throws(
      () => read("a=").required("serviceName"),
      refusal("parameterMissing", /^Param 'serviceName' is required\.$/),
    );
    assert.throws(() => read("").bound("pageNo"), refusal("parameterMissing", /^Parameter 'pageNo' is missing$/));
    assert.throws(
      () => read("", "", "v3").required("ip"),
      refusal("parameterMissing", /^Required parameter 'ip' type String is not present$/),
    );
  });

  test("read yes and no as each family does", () => {
    const table: readonly (readonly [string, boolean, boolean | "refused"])[] = [
      ["true", true, true],
      ["T", true, "refused"],
      ["YES", true, true],
      ["y", true, "refused"],
      ["on", true, true],
      ["1", false, true],
      ["0", false, false],
      ["off", false, false],
      ["anything", false, "refused"],
    ];
    for (const [value, v1, v3] of table) {
      assert.equal(read(`x=${value}`).flag("x", true), v1, `v1 ${value}`);
      const later = read(`x=${value}`, "", "v3");
      if (v3 === "refused") assert.throws(() => later.flag("x", true), refusal("invalidParameter", /true or false/));
      else assert.equal(later.flag("x", !v3), v3, `v3 ${value}`);
    }
    assert.equal(read("").flag("x", true), true);
    assert.deepEqual(
      ["TRUE", "yes"].map((value) => read(`x=${value}`).isTrue("x")),
      [true, false],
    );
  });

  test("read numbers in decimal digits only", () => {
    assert.equal(read("x=+8080").integer("x", 0), 8080);
    assert.equal(read("x=2.5").double("x", 1), 2.5);
    for (const bad of ["0x10", "1e3", "8080a", "1.5", "NaN"])
      assert.throws(
        () => read(`x=${bad}`).integer("x", 0),
        refusal("invalidParameter", /^Param 'x' is illegal, it should be /),
      );
    for (const bad of ["Infinity", "0x1", "NaN", "1,5"])
      assert.throws(
        () => read(`x=${bad}`, "", "v2").double("x", 0),
        refusal("invalidParameter", /Param 'x' is illegal/),
      );
  });

  test("read metadata as JSON or as pairs, and keep hostile keys ordinary", () => {
    const metadata = (text: string) => read(`metadata=${encodeURIComponent(text)}`).metadata();
    assert.deepEqual(metadata('{"zone":"a","n":1}'), { zone: "a", n: "1" });
    assert.deepEqual(metadata("zone=a, color = b"), { zone: "a", color: "b" });
    assert.equal(metadata(""), undefined);
    const hostile = metadata('{"__proto__":"x","constructor":"y"}') ?? {};
    assert.deepEqual(Object.entries(hostile), [
      ["__proto__", "x"],
      ["constructor", "y"],
    ]);
    assert.deepEqual(Object.entries(metadata("__proto__=x") ?? {}), [["__proto__", "x"]]);
    for (const bad of ["zone", "=a", "{", '{"a":{}}', "a=1,b"])
      assert.throws(() => metadata(bad), refusal("metadataError", /Param 'metadata' is illegal/));
  });
});
