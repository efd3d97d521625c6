import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { crc32 as zlibCrc32 } from "node:zlib";
import fc from "fast-check";
import { crc32 } from "./crc32.ts";

describe("the checksum of a record", () => {
  test("is the CRC-32 that everybody knows", () => {
    assert.equal(crc32(Buffer.from("123456789")), 0xcbf43926);
    assert.equal(crc32(Buffer.alloc(0)), 0);
  });

  test("is that of zlib for any bytes, short or long, alone or going on from others", () => {
    const bytes = fc.uint8Array({ maxLength: 1500 });
    fc.assert(
      fc.property(bytes, fc.nat(600), (all, cut) => {
        const [first, second] = [all.subarray(0, cut), all.subarray(cut)];
        assert.equal(crc32(all), zlibCrc32(all));
        assert.equal(crc32(second, crc32(first)), zlibCrc32(all));
      }),
    );
  });

  test("of a text is that of its UTF-8 bytes", () => {
    assert.equal(crc32("schlüssel 鍵 🔑"), zlibCrc32(Buffer.from("schlüssel 鍵 🔑")));
  });
});
