import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HpackDecoder, HpackError } from "./decoder.ts";
import { decoded, FieldList, huffman, integer, octetsOf, string, tableOf } from "./encoding.fixture.ts";
import { EOS } from "./huffman.ts";
import { STATIC_TABLE } from "./static-table.ts";

const STATIC_COUNT = STATIC_TABLE.length;
const FIRST_DYNAMIC = STATIC_COUNT + 1;
const AUTHORITY = 1;

const indexed = (index: number): number[] => integer(index, 7, 0x80);
const sizeUpdate = (bytes: number): number[] => integer(bytes, 5, 0x20);
/** A literal that enters the table and counts there what its two strings and 32 more make. */
const entered = (name: string, value: string): number[] => [0x40, ...string(name, false), ...string(value, false)];

function refuses(block: readonly number[], sentence: RegExp, decoder = new HpackDecoder()): void {
  assert.throws(
    () => decoded(decoder, block),
    (error: unknown) => {
      assert.ok(error instanceof HpackError, `${error}`);
      assert.match(error.message, sentence);
      return true;
    },
  );
}

describe("an integer (RFC 7541, 5.1)", () => {
  // A size update carries an integer of any size, and its limit shows what was read.
  const reads = (block: readonly number[], value: number) => {
    assert.deepEqual(decoded(new HpackDecoder(value), block), []);
    refuses(block, new RegExp(`update to ${value} is above`), new HpackDecoder(value - 1));
  };

  test("stands in its prefix when it is smaller than all ones", () => {
    reads([0x20 | 30], 30);
  });

  test("that has the prefix's largest value goes on for one octet of zero", () => {
    reads([0x3f, 0x00], 31);
  });

  test("has its lowest seven bits first", () => {
    reads([0x3f, 0x80, 0x01], 31 + 128);
  });

  test("may be filled up with zeros, to five octets after the prefix", () => {
    reads([0x3f, 0x81, 0x80, 0x80, 0x80, 0x00], 32);
    refuses([0x3f, 0x81, 0x80, 0x80, 0x80, 0x80, 0x00], /more than 5 octets/);
  });

  test("may be 2^28 and no more", () => {
    reads(sizeUpdate(2 ** 28), 2 ** 28);
    refuses(sizeUpdate(2 ** 28 + 1), /above 268435456/, new HpackDecoder(2 ** 30));
    refuses([0x3f, 0xff, 0xff, 0xff, 0xff, 0x7f], /above 268435456/, new HpackDecoder(2 ** 30));
  });

  test("must not end with the block", () => {
    for (const block of [[0x3f], [0x3f, 0x80], [0xff], [0x7f], [0x0f], [0x1f, 0xff]]) {
      refuses(block, /ends inside an integer/);
    }
  });
});

describe("a string (RFC 7541, 5.2)", () => {
  const value = (octets: readonly number[]) => decoded(new HpackDecoder(), [AUTHORITY, ...octets])[0]?.[1];
  /** A Huffman string of these bits. */
  const coded = (bits: string) => [0x80 | (bits.length / 8), ...octetsOf(bits)];
  const A = "00011";

  test("has one character per octet, whatever the octet", () => {
    const octets = Array.from({ length: 256 }, (_, octet) => octet);
    const text = String.fromCharCode(...octets);
    assert.equal(value(string(text, false)), text);
    assert.equal(value(string(text, true)), text);
  });

  test("may be empty, coded or not", () => {
    assert.equal(value([0x00]), "");
    assert.equal(value([0x80]), "");
  });

  test("may be longer than any block was before", () => {
    for (const length of [126, 127, 128, 2559, 2560, 2561, 100_000]) {
      const text = "a".repeat(length);
      assert.equal(value(string(text, false)), text);
      assert.equal(value(string(text, true)), text);
    }
  });

  test("must not end with the block", () => {
    refuses([AUTHORITY], /ends before a string/);
    refuses([0x40], /ends before a string/);
    refuses([0x40, 0x01, 0x61], /ends before a string/);
    refuses([AUTHORITY, 0x02, 0x61], /longer than the rest/);
    refuses([AUTHORITY, 0x82, 0x1f], /longer than the rest/);
    refuses([AUTHORITY, ...integer(2 ** 28, 7)], /longer than the rest/);
  });

  test("does not reach past the end that was named, even if there are more octets", () => {
    const list = new FieldList();
    assert.throws(() => new HpackDecoder().decode(Uint8Array.of(AUTHORITY, 2, 97, 97), 0, 3, list), HpackError);
    assert.deepEqual(list.fields, []);
  });

  test("in Huffman code is padded with up to seven ones", () => {
    assert.equal(value(coded(`${A}111`)), "a");
    assert.equal(value(coded(A.repeat(5) + "1".repeat(7))), "aaaaa");
    assert.equal(value(coded(A.repeat(8))), "aaaaaaaa");
  });

  test("in Huffman code must not be padded with anything else", () => {
    for (const bits of [`${A}000`, `${A}110`, `${A}011`, A.repeat(5) + "1".repeat(6).concat("0")]) {
      refuses([AUTHORITY, ...coded(bits)], /wrong padding/);
    }
  });

  test("in Huffman code must not be padded with eight ones or more", () => {
    refuses([AUTHORITY, ...coded("1".repeat(8))], /wrong padding/);
    refuses([AUTHORITY, ...coded(A + "1".repeat(11))], /wrong padding/);
    refuses([AUTHORITY, ...coded(A.repeat(8) + "1".repeat(8))], /wrong padding/);
    refuses([AUTHORITY, ...coded(A.repeat(8) + "1".repeat(24))], /wrong padding/);
  });

  test("in Huffman code must not hold EOS, at its end or before", () => {
    const a = 97;
    for (const symbols of [[EOS], [a, EOS], [a, EOS, a], [EOS, a, a, a]]) {
      const octets = huffman(symbols);
      refuses([AUTHORITY, 0x80 | octets.length, ...octets], /holds EOS/);
    }
  });

  test("in Huffman code must not end inside a code", () => {
    // '!' is 11111110 00: all of it but the last two bits looks like padding with a zero.
    refuses([AUTHORITY, ...coded("11111110")], /wrong padding/);
  });

  test("holds nothing of the octets it came from", () => {
    const block = Uint8Array.from([AUTHORITY, ...string("before", false)]);
    const list = new FieldList();
    new HpackDecoder().decode(block, 0, block.length, list);
    block.fill(0x78);
    assert.deepEqual(list.fields, [[":authority", "before"]]);
  });
});

describe("an indexed field (RFC 7541, 6.1)", () => {
  test("is any entry of the static table (Appendix A)", () => {
    const all = STATIC_TABLE.flatMap((_, place) => indexed(place + 1));
    assert.deepEqual(decoded(new HpackDecoder(), all), STATIC_TABLE);

    // Requests hold no status, so the comparison with nghttp2 leaves these out.
    const statuses = [8, 9, 10, 11, 12, 13, 14].flatMap((index) => decoded(new HpackDecoder(), indexed(index)));
    assert.deepEqual(
      statuses,
      ["200", "204", "206", "304", "400", "404", "500"].map((status) => [":status", status]),
    );
  });

  test("is an entry of the dynamic table after them, the newest first (2.3.3)", () => {
    const decoder = new HpackDecoder();
    decoded(decoder, [...entered("a", "1"), ...entered("b", "2")]);
    assert.deepEqual(decoded(decoder, indexed(FIRST_DYNAMIC)), [["b", "2"]]);
    assert.deepEqual(decoded(decoder, indexed(FIRST_DYNAMIC + 1)), [["a", "1"]]);
  });

  test("has no index 0", () => {
    refuses([0x80], /index 0 stands for no field/);
  });

  test("has no index beyond the tables (2.3.3)", () => {
    refuses(indexed(FIRST_DYNAMIC), /index 62 is beyond the tables, which end at 61/);
    refuses([...entered("a", "1"), ...indexed(FIRST_DYNAMIC + 1)], /index 63 is beyond the tables, which end at 62/);
    refuses(indexed(2 ** 28), /index 268435456 is beyond/);
  });
});

describe("a literal field (RFC 7541, 6.2)", () => {
  for (const [name, pattern, bits, enters] of [
    ["with incremental indexing (6.2.1)", 0x40, 6, true],
    ["without indexing (6.2.2)", 0x00, 4, false],
    ["never indexed (6.2.3)", 0x10, 4, false],
  ] as const) {
    test(`${name} ${enters ? "enters" : "does not enter"} the dynamic table, and takes its name from where it likes`, () => {
      const decoder = new HpackDecoder();
      const literal = (index: number, ...strings: string[]) => [
        ...integer(index, bits, pattern),
        ...strings.flatMap((text) => string(text, false)),
      ];

      assert.deepEqual(decoded(decoder, literal(0, "name", "new")), [["name", "new"]]);
      assert.deepEqual(decoded(decoder, literal(STATIC_COUNT, "static")), [["www-authenticate", "static"]]);
      const held = enters
        ? [
            ["www-authenticate", "static"],
            ["name", "new"],
          ]
        : [];
      assert.deepEqual(tableOf(decoder), held);

      decoded(decoder, entered("own", ""));
      assert.deepEqual(decoded(decoder, literal(FIRST_DYNAMIC, "dynamic")), [["own", "dynamic"]]);
    });

    test(`${name} has no name beyond the tables`, () => {
      refuses([...integer(FIRST_DYNAMIC, bits, pattern), ...string("value", false)], /index 62 is beyond/);
    });
  }
});

describe("the dynamic table", () => {
  const value = (bytes: number) => "v".repeat(bytes - 32 - 1);

  test("holds 4096 bytes unless a peer is told otherwise, counting 32 for each entry (4.1)", () => {
    const decoder = new HpackDecoder();
    decoded(decoder, [...entered("a", value(2048)), ...entered("b", value(2048))]);
    assert.deepEqual(names(decoder), ["b", "a"], "exactly full");

    decoded(decoder, entered("", ""));
    assert.deepEqual(names(decoder), ["", "b"]);
  });

  test("evicts as many of the oldest as a new entry needs (4.4)", () => {
    const decoder = new HpackDecoder(100);
    decoded(decoder, [...entered("a", ""), ...entered("b", ""), ...entered("c", "")]);
    assert.deepEqual(names(decoder), ["c", "b", "a"], "99 bytes");

    decoded(decoder, entered("d", value(67)));
    assert.deepEqual(names(decoder), ["d", "c"]);
  });

  test("is emptied by an entry larger than all of it, which is a field like others (4.4)", () => {
    const decoder = new HpackDecoder(100);
    decoded(decoder, entered("a", ""));

    assert.deepEqual(decoded(decoder, entered("b", value(101))), [["b", value(101)]]);

    assert.deepEqual(names(decoder), []);
    decoded(decoder, entered("c", value(100)));
    assert.deepEqual(names(decoder), ["c"]);
  });

  test("gives an entry's name to a new entry that evicts it (4.4)", () => {
    const decoder = new HpackDecoder(40);
    decoded(decoder, entered("name", "1"));
    assert.deepEqual(decoded(decoder, [...integer(FIRST_DYNAMIC, 6, 0x40), ...string("2", false)]), [["name", "2"]]);
    assert.deepEqual(tableOf(decoder), [["name", "2"]]);
  });

  test("may hold a field twice (2.3.2)", () => {
    const decoder = new HpackDecoder();
    decoded(decoder, [...entered("a", "1"), ...entered("a", "1")]);
    assert.deepEqual(names(decoder), ["a", "a"]);
  });

  test("keeps its order over thousands of insertions and evictions", () => {
    const decoder = new HpackDecoder();
    const inserted: string[] = [];
    for (let nth = 0; nth < 3000; nth += 1) {
      decoded(decoder, entered(`n${nth % 1000}`, "v".repeat(nth % 61)));
      inserted.unshift(`n${nth % 1000}`);
      if (nth % 100 !== 0) continue;
      const held = names(decoder);
      assert.deepEqual(held, inserted.slice(0, held.length));
    }
  });

  test("starts with 4096 bytes, even if a peer is told of more (RFC 9113, 6.5.2)", () => {
    const decoder = new HpackDecoder(8192);
    decoded(decoder, entered("a", value(4097)));
    assert.deepEqual(names(decoder), []);

    decoded(decoder, [...sizeUpdate(8192), ...entered("a", value(8192))]);
    assert.deepEqual(names(decoder), ["a"]);
  });

  test("of 0 bytes holds nothing, and every field is still a field", () => {
    const decoder = new HpackDecoder(0);
    assert.deepEqual(decoded(decoder, entered("", "")), [["", ""]]);
    assert.deepEqual(names(decoder), []);
  });

  function names(decoder: HpackDecoder): string[] {
    return tableOf(decoder).map(([name]) => name);
  }
});

describe("a size update (RFC 7541, 6.3)", () => {
  test("evicts what no longer has room, the oldest first (4.3)", () => {
    const decoder = new HpackDecoder();
    decoded(decoder, [...entered("a", ""), ...entered("b", ""), ...entered("c", "")]);
    decoded(decoder, sizeUpdate(66));
    assert.deepEqual(tableOf(decoder), [
      ["c", ""],
      ["b", ""],
    ]);
  });

  test("to 0 and back empties the table (4.2)", () => {
    const decoder = new HpackDecoder();
    decoded(decoder, entered("a", ""));
    decoded(decoder, [...sizeUpdate(0), ...sizeUpdate(4096)]);
    assert.deepEqual(tableOf(decoder), []);
    decoded(decoder, entered("b", ""));
    assert.deepEqual(tableOf(decoder), [["b", ""]]);
  });

  test("stays below what the peer was told", () => {
    refuses(sizeUpdate(4097), /update to 4097 is above the table's limit of 4096/);
    assert.deepEqual(decoded(new HpackDecoder(), sizeUpdate(4096)), []);
    refuses(sizeUpdate(1), /limit of 0/, new HpackDecoder(0));
  });

  test("stands at the beginning of a block, twice at most (4.2)", () => {
    refuses([...indexed(2), ...sizeUpdate(0)], /only at the beginning/);
    refuses([...entered("a", ""), ...sizeUpdate(0)], /only at the beginning/);
    refuses([AUTHORITY, 0x00, ...sizeUpdate(0)], /only at the beginning/);
    refuses([...sizeUpdate(0), ...sizeUpdate(1), ...sizeUpdate(2)], /twice at most/);

    const decoder = new HpackDecoder();
    for (let block = 0; block < 3; block += 1) {
      assert.deepEqual(decoded(decoder, [...sizeUpdate(0), ...sizeUpdate(100), ...indexed(2)]), [[":method", "GET"]]);
    }
  });
});

describe("changes", () => {
  const changesBy = (block: readonly number[], decoder = new HpackDecoder()) => {
    const before = decoder.changes;
    decoded(decoder, block);
    return decoder.changes - before;
  };

  test("stay while blocks leave the table as it is, so that equal blocks mean equal fields", () => {
    const decoder = new HpackDecoder();
    decoded(decoder, entered("a", "1"));
    const literals = [AUTHORITY, ...string("value", true), 0x10, ...string("name", false), ...string("value", false)];
    assert.equal(changesBy([...indexed(2), ...indexed(FIRST_DYNAMIC), ...literals], decoder), 0);
  });

  test("grow with every insertion, even of what does not fit and empties the table", () => {
    assert.ok(changesBy(entered("a", "1")) > 0);
    assert.ok(changesBy(entered("a", "v".repeat(5000))) > 0);
  });

  test("grow with every size update", () => {
    assert.ok(changesBy(sizeUpdate(0)) > 0);
    assert.ok(changesBy(sizeUpdate(4096)) > 0);
  });
});

describe("a block", () => {
  test("may be empty", () => {
    assert.deepEqual(decoded(new HpackDecoder(), []), []);
  });

  test("is read from start to end, and not beyond", () => {
    const list = new FieldList();
    new HpackDecoder().decode(Uint8Array.of(0x80, 0x82, 0x84, 0x80), 1, 3, list);
    assert.deepEqual(list.fields, [
      [":method", "GET"],
      [":path", "/"],
    ]);
  });

  test("lets what the sink throws through", () => {
    const full = new Error("too many fields");
    const sink = {
      field: () => {
        throw full;
      },
    };
    assert.throws(
      () => new HpackDecoder().decode(Uint8Array.of(0x82), 0, 1, sink),
      (error) => error === full,
    );
  });
});
