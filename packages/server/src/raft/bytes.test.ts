import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Reader, Writer } from "./bytes.ts";

const field = fc.oneof(
  fc.record({ kind: fc.constant("byte" as const), value: fc.nat({ max: 255 }) }),
  fc.record({ kind: fc.constant("hash" as const), value: fc.nat({ max: 2 ** 32 - 1 }) }),
  fc.record({ kind: fc.constant("count" as const), value: fc.nat({ max: 2 ** 48 - 1 }) }),
  fc.record({ kind: fc.constant("real" as const), value: fc.double({ noNaN: true, noDefaultInfinity: true }) }),
  fc.record({ kind: fc.constant("text" as const), value: fc.string({ maxLength: 3 }) }),
);

describe("bytes", () => {
  test("are read as they were written, wherever the writer begins a new part", () => {
    fc.assert(
      fc.property(fc.array(field, { minLength: 200, maxLength: 1200 }), (fields) => {
        const writer = new Writer();
        for (const { kind, value } of fields) writer[kind](value as never);
        const reader = new Reader(Buffer.concat(writer.parts()));
        assert.equal(reader.left, writer.length);
        for (const { kind, value } of fields) assert.equal(reader[kind](), value);
        reader.end();
      }),
    );
  });
});
