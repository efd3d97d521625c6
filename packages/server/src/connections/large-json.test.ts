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

  test("may hold what stands for a text that was taken out", () => {
    const fields = { mark: "nacre: text taken out 0", content: "k".repeat(LONG) };
    assert.deepEqual(read(encodeUtf8(JSON.stringify(fields))).value, fields);
  });

  test("is escaped as it likes", () => {
    const escaped = "\\ud83d\\ude00\\n\\u0041".repeat(LONG / 10);
    const bytes = encodeUtf8(`{"content":"${escaped}"}`);
    assert.deepEqual(read(bytes).value, parseJsonObject(bytes, "message"));
  });

  test("that is no JSON object in UTF-8 is refused, wherever it is broken", () => {
    const sound = Buffer.from(JSON.stringify({ a: "b", content: 'k"é\n'.repeat(80_000), c: { d: 1 } }));
    fc.assert(
      fc.property(fc.nat(sound.length - 1), fc.nat(255), fc.boolean(), (at, byte, cut) => {
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
      { numRuns: 60 },
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
