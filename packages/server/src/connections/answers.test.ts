import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { encodePayload, encodeUtf8 } from "@nacre/protocol";
import fc from "fast-check";
import { textPayload } from "./answers.ts";

describe("a payload that is written around text", () => {
  test("has the bytes of one that is encoded from bytes, whatever the text, in memory of its own", () => {
    const body = fc.string({ unit: "binary", minLength: 1, maxLength: 40_000, size: "max" });
    fc.assert(
      fc.property(fc.string(), body, (type, text) => {
        const payload = textPayload(type, text);
        assert.deepEqual(Buffer.from(payload), Buffer.from(encodePayload({ type, body: encodeUtf8(text) })));
        assert.equal(payload.buffer.byteLength, payload.length);
      }),
      { numRuns: 50 },
    );
  });
});
