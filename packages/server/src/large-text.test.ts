import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { describe, test } from "node:test";
import { digestInTurns, hasLarge, isLarge, jsonPieces } from "./large-text.ts";

/** How many turns the event loop took meanwhile. */
async function turnsDuring<T>(work: () => Promise<T>): Promise<{ readonly value: T; readonly turns: number }> {
  let turns = 0;
  let over = false;
  const count = (): void => {
    turns++;
    if (!over) setImmediate(count);
  };
  setImmediate(count);
  const value = await work();
  over = true;
  return { value, turns };
}

/** Two megabytes, in which every piece ends inside of something: pairs, lone halves of pairs, quotes, line breaks. */
const TEXTS: Readonly<Record<string, string>> = {
  pairs: `x${"😀".repeat(500_000)}`,
  "halves of pairs": `${"\udc00\ud83d".repeat(400_000)}`,
  quotes: '{"a": "b"},\n'.repeat(150_000),
  Chinese: "配置".repeat(600_000),
};

describe("a large text", () => {
  for (const [kind, text] of Object.entries(TEXTS)) {
    test(`of ${kind} is hashed and counted piece by piece`, async () => {
      assert.ok(isLarge(text));
      const { value, turns } = await turnsDuring(() => digestInTurns(text));
      assert.deepEqual(value, { md5: hash("md5", text), bytes: Buffer.byteLength(text) });
      assert.ok(turns >= 4, `${turns} turns`);
    });

    test(`of ${kind} is written as JSON piece by piece`, async () => {
      const fields = { a: 1, b: undefined, content: text, none: null, more: text, last: [true] };
      assert.ok(hasLarge(fields));
      const { value, turns } = await turnsDuring(() => jsonPieces(fields));
      assert.ok(Buffer.concat(value).equals(Buffer.from(JSON.stringify(fields))));
      assert.ok(turns >= 8, `${turns} turns`);
    });
  }

  test("may be the first and the only field", async () => {
    const fields = { content: TEXTS.quotes };
    assert.equal(Buffer.concat(await jsonPieces(fields)).toString(), JSON.stringify(fields));
  });
});
