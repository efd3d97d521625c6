import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HpackDecoder, HpackError } from "./decoder.ts";
import { decoded, type Field, integer, ReferenceEncoder, tableBytes, tableOf } from "./encoding.fixture.ts";

/** The examples of RFC 7541, Appendix C, read by the decoder and written by the fixture that other tests rely on. */

const bytes = (hex: string) => Buffer.from(hex.replaceAll(" ", ""), "hex");

describe("integers of Appendix C.1", () => {
  test("C.1.1: 10 with a prefix of 5 bits", () => {
    assert.deepEqual(integer(10, 5), [0b01010]);
    assert.deepEqual(decoded(new HpackDecoder(10), [0b001_01010]), []);
    assert.throws(() => decoded(new HpackDecoder(9), [0b001_01010]), HpackError);
  });

  test("C.1.2: 1337 with a prefix of 5 bits", () => {
    assert.deepEqual(integer(1337, 5), [0b11111, 0b10011010, 0b00001010]);
    const block = [0b001_11111, 0b10011010, 0b00001010];
    assert.deepEqual(decoded(new HpackDecoder(1337), block), []);
    assert.throws(() => decoded(new HpackDecoder(1336), block), HpackError);
  });

  test("C.1.3: 42 with a prefix of 8 bits, which no representation of a field has", () => {
    assert.deepEqual(integer(42, 8), [0b00101010]);
  });
});

describe("fields of Appendix C.2", () => {
  const plain = { huffman: false, nameByIndex: true };

  test("C.2.1: a literal with indexing", () => {
    const field: Field = ["custom-key", "custom-header"];
    const block = bytes("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572");
    const decoder = new HpackDecoder();

    assert.deepEqual(decoded(decoder, block), [field]);
    assert.deepEqual(tableOf(decoder), [field]);
    assert.equal(tableBytes(tableOf(decoder)), 55);
    const written = new ReferenceEncoder().field(field, { ...plain, representation: "incremental" });
    assert.deepEqual(Buffer.from(written), block);
  });

  for (const [name, hex, field, representation] of [
    ["C.2.2: a literal without indexing", "040c 2f73 616d 706c 652f 7061 7468", [":path", "/sample/path"], "without"],
    ["C.2.3: a literal never indexed", "1008 7061 7373 776f 7264 0673 6563 7265 74", ["password", "secret"], "never"],
    ["C.2.4: an indexed field", "82", [":method", "GET"], "indexed"],
  ] as const) {
    test(`${name}, which leaves the table empty`, () => {
      const decoder = new HpackDecoder();
      assert.deepEqual(decoded(decoder, bytes(hex)), [field]);
      assert.deepEqual(tableOf(decoder), []);
      assert.deepEqual(Buffer.from(new ReferenceEncoder().field(field, { ...plain, representation })), bytes(hex));
    });
  }
});

/** Blocks that follow one another on a connection, and the dynamic table after each, newest first. */
interface Step {
  plain: string;
  huffman: string;
  fields: Field[];
  table: Field[];
  tableBytes: number;
}

const EXAMPLE_AUTHORITY: Field = [":authority", "www.example.com"];
const NO_CACHE: Field = ["cache-control", "no-cache"];
const CUSTOM: Field = ["custom-key", "custom-value"];

const REQUESTS: Step[] = [
  {
    plain: "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
    huffman: "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
    fields: [[":method", "GET"], [":scheme", "http"], [":path", "/"], EXAMPLE_AUTHORITY],
    table: [EXAMPLE_AUTHORITY],
    tableBytes: 57,
  },
  {
    plain: "8286 84be 5808 6e6f 2d63 6163 6865",
    huffman: "8286 84be 5886 a8eb 1064 9cbf",
    fields: [[":method", "GET"], [":scheme", "http"], [":path", "/"], EXAMPLE_AUTHORITY, NO_CACHE],
    table: [NO_CACHE, EXAMPLE_AUTHORITY],
    tableBytes: 110,
  },
  {
    plain: "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    huffman: "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    fields: [[":method", "GET"], [":scheme", "https"], [":path", "/index.html"], EXAMPLE_AUTHORITY, CUSTOM],
    table: [CUSTOM, NO_CACHE, EXAMPLE_AUTHORITY],
    tableBytes: 164,
  },
];

const PRIVATE: Field = ["cache-control", "private"];
const LOCATION: Field = ["location", "https://www.example.com"];
const DATE_21: Field = ["date", "Mon, 21 Oct 2013 20:13:21 GMT"];
const DATE_22: Field = ["date", "Mon, 21 Oct 2013 20:13:22 GMT"];
const GZIP: Field = ["content-encoding", "gzip"];
const COOKIE: Field = ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"];

const RESPONSES: Step[] = [
  {
    plain:
      "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 " +
      "474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
    huffman:
      "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 " +
      "63c7 8f0b 97c8 e9ae 82ae 43d3",
    fields: [[":status", "302"], PRIVATE, DATE_21, LOCATION],
    table: [LOCATION, DATE_21, PRIVATE, [":status", "302"]],
    tableBytes: 222,
  },
  {
    plain: "4803 3330 37c1 c0bf",
    huffman: "4883 640e ffc1 c0bf",
    fields: [[":status", "307"], PRIVATE, DATE_21, LOCATION],
    table: [[":status", "307"], LOCATION, DATE_21, PRIVATE],
    tableBytes: 222,
  },
  {
    plain:
      "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 " +
      "666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 " +
      "3630 303b 2076 6572 7369 6f6e 3d31",
    huffman:
      "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 " +
      "b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    fields: [[":status", "200"], PRIVATE, DATE_22, LOCATION, GZIP, COOKIE],
    table: [COOKIE, GZIP, DATE_22],
    tableBytes: 215,
  },
];

for (const [subject, tableBytesMax, coding, steps] of [
  ["requests of Appendix C.3, without Huffman code", 4096, "plain", REQUESTS],
  ["requests of Appendix C.4, with Huffman code", 4096, "huffman", REQUESTS],
  ["responses of Appendix C.5, without Huffman code, in a table of 256 bytes", 256, "plain", RESPONSES],
  ["responses of Appendix C.6, with Huffman code, in a table of 256 bytes", 256, "huffman", RESPONSES],
] as const) {
  describe(subject, () => {
    test("are read with their effect on the table", () => {
      const decoder = new HpackDecoder(tableBytesMax);
      for (const step of steps) {
        assert.deepEqual(decoded(decoder, bytes(step[coding])), step.fields);
        assert.deepEqual(tableOf(decoder), step.table);
        assert.equal(tableBytes(tableOf(decoder)), step.tableBytes);
      }
    });

    test("are what the fixture writes", () => {
      const encoder = new ReferenceEncoder();
      encoder.resize(tableBytesMax);
      const options = { representation: "indexed", huffman: coding === "huffman", nameByIndex: true } as const;
      for (const step of steps) {
        const block = step.fields.flatMap((field) => encoder.field(field, options));
        assert.deepEqual(Buffer.from(block), bytes(step[coding]));
        assert.deepEqual(encoder.table, step.table);
      }
    });
  });
}
