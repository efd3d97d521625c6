import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { HpackDecoder, HpackError } from "./decoder.ts";
import { encodeFields } from "./encoder.ts";
import {
  decoded,
  type Field,
  FieldList,
  type FieldOptions,
  ReferenceEncoder,
  type Representation,
  tableOf,
} from "./encoding.fixture.ts";
import { STATIC_TABLE } from "./static-table.ts";

const TABLE_BYTES_MAX = 4096;

const latin1Text = fc.uint8Array({ maxLength: 200 }).map((octets) => Buffer.from(octets).toString("latin1"));
// Few names and values, so that tables are hit, and some of any kind.
const text = fc.oneof(fc.constantFrom("", "a", "te", "user-agent", "authorization", "v".repeat(900)), latin1Text);
const field: fc.Arbitrary<Field> = fc.oneof(fc.constantFrom(...STATIC_TABLE), fc.tuple(text, text));
const options: fc.Arbitrary<FieldOptions> = fc.record({
  representation: fc.constantFrom<Representation>("indexed", "indexed", "incremental", "without", "never"),
  huffman: fc.boolean(),
  nameByIndex: fc.boolean(),
});
interface Block {
  sizeUpdates: number[];
  fields: [field: Field, options: FieldOptions][];
}
const block: fc.Arbitrary<Block> = fc.record({
  sizeUpdates: fc.oneof(
    { weight: 4, arbitrary: fc.constant<number[]>([]) },
    { weight: 1, arbitrary: fc.array(fc.integer({ min: 0, max: TABLE_BYTES_MAX }), { maxLength: 2 }) },
  ),
  fields: fc.array(fc.tuple(field, options), { maxLength: 12 }),
});
const connection = fc.array(block, { minLength: 1, maxLength: 12 });

function write(encoder: ReferenceEncoder, { sizeUpdates, fields }: Block): number[] {
  return [
    ...sizeUpdates.flatMap((bytes) => encoder.resize(bytes)),
    ...fields.flatMap(([own, how]) => encoder.field(own, how)),
  ];
}

describe("whatever an encoder may choose", () => {
  test("the decoder gives back the fields, and its table is the encoder's after each block", () => {
    fc.assert(
      fc.property(connection, (blocks) => {
        const encoder = new ReferenceEncoder();
        const decoder = new HpackDecoder(TABLE_BYTES_MAX);
        for (const own of blocks) {
          assert.deepEqual(
            decoded(decoder, write(encoder, own)),
            own.fields.map(([field]) => field),
          );
          assert.deepEqual(tableOf(decoder), encoder.table);
        }
      }),
    );
  });

  test("a block that changed nothing means the same when it comes again", () => {
    fc.assert(
      fc.property(connection, (blocks) => {
        const encoder = new ReferenceEncoder();
        const decoder = new HpackDecoder(TABLE_BYTES_MAX);
        for (const own of blocks) {
          const octets = write(encoder, own);
          const before = decoder.changes;
          const fields = decoded(decoder, octets);
          if (decoder.changes === before) assert.deepEqual(decoded(decoder, octets), fields);
        }
      }),
    );
  });

  test("a block cut short gives a part of the fields or an HpackError", () => {
    fc.assert(
      fc.property(connection, fc.nat(), (blocks, cut) => {
        const encoder = new ReferenceEncoder();
        const whole = blocks.map((own) => write(encoder, own));
        const decoder = new HpackDecoder(TABLE_BYTES_MAX);
        for (const octets of whole.slice(0, -1)) decoded(decoder, octets);
        const last = Uint8Array.from(whole.at(-1) ?? []);
        const list = new FieldList();
        breachOrNothing(() => decoder.decode(last, 0, cut % (last.length + 1), list));
        const sent = blocks.at(-1)?.fields.map(([field]) => field) ?? [];
        assert.deepEqual(list.fields, sent.slice(0, list.fields.length));
      }),
    );
  });
});

describe("octets of no meaning", () => {
  test("make the decoder throw HpackError or nothing", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), (blocks) => {
        const decoder = new HpackDecoder(TABLE_BYTES_MAX);
        for (const octets of blocks) breachOrNothing(() => decoded(decoder, octets));
      }),
      { numRuns: 1000 },
    );
  });

  test("in a valid block make the decoder throw HpackError or nothing", () => {
    fc.assert(
      fc.property(
        connection,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (blocks, hits) => {
          const encoder = new ReferenceEncoder();
          const decoder = new HpackDecoder(TABLE_BYTES_MAX);
          for (const own of blocks) {
            const octets = write(encoder, own);
            for (const [at, octet] of hits) if (octets.length > 0) octets[at % octets.length] = octet;
            breachOrNothing(() => decoded(decoder, octets));
          }
        },
      ),
    );
  });
});

test("the encoder's blocks are read as they were meant", () => {
  fc.assert(
    fc.property(fc.array(field, { maxLength: 20 }), (fields) => {
      assert.deepEqual(decoded(new HpackDecoder(), encodeFields(fields)), fields);
    }),
  );
});

function breachOrNothing(decode: () => void): void {
  try {
    decode();
  } catch (error) {
    if (!(error instanceof HpackError)) throw error;
  }
}
