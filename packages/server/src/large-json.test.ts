import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { encodeUtf8, parseJsonObject, RegistryError } from "@nacre/protocol";
import fc from "fast-check";
import { parseBody, parseLarge } from "./large-json.ts";

function read(bytes: Uint8Array): { readonly value: Record<string, unknown>; readonly pauses: number } {
  const work = parseLarge(bytes, "message");
  let pauses = 0;
  for (;;) {
    const step = work.next();
    if (step.done === true) return { value: step.value, pauses };
    pauses++;
  }
}

const LONG = 700_000;
const TEXTS: Readonly<Record<string, string>> = {
  plain: "k".repeat(LONG),
  "quotes and backslashes": '{"a\\\\": "b"},\n'.repeat(LONG / 10),
  "Chinese and emoji": "x配置😀".repeat(LONG / 8),
  "halves of pairs": "\udc00\ud83d".repeat(LONG / 10),
};

describe("a large body", () => {
  for (const [kind, text] of Object.entries(TEXTS))
    test(`with a text of ${kind} is read piece by piece, and gives what JSON.parse does`, () => {
      for (const fields of [
        { content: text },
        { a: [1, { b: "c" }], content: text, additionMap: { type: "text", schema: text, desc: "short" }, last: "x" },
        { deep: { deeper: { deepest: text } }, content: text },
      ]) {
        const bytes = encodeUtf8(JSON.stringify(fields));
        const { value, pauses } = read(bytes);
        assert.deepEqual(value, parseJsonObject(bytes, "message"));
        assert.ok(pauses >= bytes.length / (256 * 1024), `${pauses} pauses for ${bytes.length} bytes`);
      }
    });

  const small = Array.from({ length: 20_000 }, (_, n) => ({
    group: "g",
    dataId: `é"${n}`,
    n,
    none: null,
    deep: [[n], {}],
  }));
  const SHAPES: Readonly<Record<string, unknown>> = {
    "in a list": { listen: true, contexts: small, last: 1 },
    "in a map": { map: Object.fromEntries(small.map((one, n) => [`key ${n}`, one])) },
    "further down": { a: [1, { b: [[small, []], "x"], c: {} }, small], d: "k".repeat(LONG) },
    "between large ones": { list: [["k".repeat(LONG)], 1, "l".repeat(LONG), 2, {}, ["m".repeat(LONG)]] },
  };
  for (const [where, fields] of Object.entries(SHAPES))
    test(`with many small values ${where} is parsed piece by piece, and gives what JSON.parse does`, () => {
      for (const text of [JSON.stringify(fields), JSON.stringify(fields, undefined, "\t \r\n")]) {
        const bytes = encodeUtf8(text);
        const { value, pauses } = read(bytes);
        assert.deepEqual(value, parseJsonObject(bytes, "message"));
        assert.ok(pauses >= bytes.length / (128 * 1024), `${pauses} pauses for ${bytes.length} bytes`);
      }
    });

  test("may have names of any length, twice, and that of the prototype", () => {
    const long = "n".repeat(LONG);
    const text = `{"${long}":1,"a":1,"__proto__":{"b":2},"a":2,"c":{"__proto__":"${long}"} , "${long}" : [ "${long}" ] }`;
    const { value } = read(encodeUtf8(text));
    assert.deepEqual(Object.entries(value), Object.entries(JSON.parse(text)));
    assert.equal(JSON.stringify(value), JSON.stringify(JSON.parse(text)));
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
  });

  test("may have brackets with nothing but space in them", () => {
    const space = " \t\r\n".repeat(LONG / 4);
    for (const text of [`{${space}}`, `{"a":[${space}],"b":{${space}},"c":[{${space}},[[${space}]]]}`])
      assert.deepEqual(read(encodeUtf8(text)).value, JSON.parse(text));
  });

  test("survives any depth", () => {
    const bytes = encodeUtf8(`{"a":${"[".repeat(LONG)}`);
    assert.throws(() => read(bytes), RegistryError);
  });

  test("is refused where something is missing between two large values, or too much behind them", () => {
    const large = `"${"k".repeat(LONG)}"`;
    for (const [name, open, close] of [
      ["", "[", "]"],
      ['"a":', "{", "}"],
    ] as const) {
      const one = `${name}${large}`;
      const inside = (text: string) => encodeUtf8(`{"list":${open}${text}${close}}`);
      assert.ok(read(inside(`${one} , ${one}`)).value);
      for (const text of [
        `,${one}`,
        `${one},`,
        `${one},,${one}`,
        `${one} ${one}`,
        `${one},${close}`,
        `${one}${close},`,
      ])
        assert.throws(() => read(inside(text)), RegistryError, text.replaceAll(one, "large"));
    }
  });

  test("is escaped as it likes", () => {
    const escaped = "\\ud83d\\ude00\\n\\u0041".repeat(LONG / 10);
    const bytes = encodeUtf8(`{"content":"${escaped}"}`);
    assert.deepEqual(read(bytes).value, parseJsonObject(bytes, "message"));
  });

  test("that is no JSON object in UTF-8 is refused, wherever it is broken", () => {
    const list = small.slice(0, 3000);
    const content = 'k"é\n'.repeat(40_000);
    const sound = Buffer.from(JSON.stringify({ a: "b", content, c: { d: list }, list, long: [content, {}, content] }));
    const brokenByte = fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('{}[],:"\\ 1')));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: sound.length - 1 }), brokenByte, fc.boolean(), (at, byte, cut) => {
        const broken = cut ? sound.subarray(0, at) : Buffer.from(sound);
        if (!cut) broken[at] = byte;
        const outcome = (parse: () => unknown): unknown => {
          try {
            return parse();
          } catch (thrown) {
            assert.ok(thrown instanceof RegistryError && thrown.failure === "badRequest", String(thrown));
            return "refused";
          }
        };
        assert.deepEqual(
          outcome(() => read(broken).value),
          outcome(() => parseJsonObject(broken, "message")),
        );
      }),
      { numRuns: 100 },
    );
  });

  test("is read later, a small one at once", async () => {
    assert.deepEqual(parseBody(encodeUtf8('{"a":1}'), "message"), { a: 1 });
    const fields = { content: "k".repeat(2 * LONG) };
    const later = parseBody(encodeUtf8(JSON.stringify(fields)), "message");
    assert.ok(later instanceof Promise);
    assert.deepEqual(await later, fields);
  });
});
