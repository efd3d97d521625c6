import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { RegistryError } from "./failures.ts";
import { decodePayload, encodePayload, type Payload } from "./payload.ts";

/** The declaration of the wire, for a library that knows nothing of our codec. */
const reference = (() => {
  const field = (name: string, number: number, type = Type.STRING, typeName = "") => ({
    name,
    number,
    type,
    label: Label.OPTIONAL,
    ...(typeName === "" ? {} : { typeName }),
  });
  const file = create(FileDescriptorProtoSchema, {
    name: "payload.proto",
    syntax: "proto3",
    messageType: [
      { name: "Any", field: [field("type_url", 1), field("value", 2, Type.BYTES)] },
      {
        name: "Metadata",
        field: [
          field("type", 3),
          { ...field("headers", 7, Type.MESSAGE, ".Metadata.HeadersEntry"), label: Label.REPEATED },
          field("clientIp", 8),
        ],
        nestedType: [
          { name: "HeadersEntry", field: [field("key", 1), field("value", 2)], options: { mapEntry: true } },
        ],
      },
      {
        name: "Payload",
        field: [field("metadata", 2, Type.MESSAGE, ".Metadata"), field("body", 3, Type.MESSAGE, ".Any")],
      },
    ],
  });
  const schema = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] })).getMessage("Payload");
  if (schema === undefined) throw new Error("the declaration has no Payload");
  return schema;
})();

interface ReferencePayload {
  metadata?: { type: string; clientIp: string; headers: Record<string, string> };
  body?: { typeUrl: string; value: Uint8Array };
}

/** Text that UTF-8 can carry. */
const text = fc.string({ unit: "grapheme" });
/** An object with a key `__proto__` cannot be given to the library; our codec takes it, see below. */
const headers = fc.uniqueArray(fc.tuple(text, text), { selector: ([key]) => key }).map((pairs) => new Map(pairs));
const payload: fc.Arbitrary<Payload> = fc.record({
  type: text,
  clientIp: text,
  headers,
  body: fc.uint8Array({ maxLength: 500 }),
});

function plain(one: Payload) {
  return { type: one.type, clientIp: one.clientIp, headers: [...one.headers], body: [...one.body] };
}

describe("the payload codec", () => {
  test("reads back what it wrote", () => {
    fc.assert(fc.property(payload, (one) => assert.deepEqual(plain(decodePayload(encodePayload(one))), plain(one))));
  });

  test("is read by a protobuf library as it was meant", () => {
    fc.assert(
      fc.property(payload, (one) => {
        one = { ...one, headers: new Map([...one.headers].filter(([key]) => key !== "__proto__")) };
        const read = fromBinary(reference, encodePayload(one)) as unknown as ReferencePayload;
        assert.equal(read.metadata?.type ?? "", one.type);
        assert.equal(read.metadata?.clientIp ?? "", one.clientIp);
        assert.deepEqual(new Map(Object.entries(read.metadata?.headers ?? {})), new Map(one.headers));
        assert.deepEqual([...(read.body?.value ?? [])], [...one.body]);
      }),
    );
  });

  test("reads what a protobuf library wrote, and ignores the type URL", () => {
    fc.assert(
      fc.property(payload, text, (one, typeUrl) => {
        const written = toBinary(
          reference,
          create(reference, {
            metadata: { type: one.type, clientIp: one.clientIp, headers: Object.fromEntries(one.headers) },
            body: { typeUrl, value: one.body },
          } as never),
        );
        const read = decodePayload(written);
        assert.deepEqual(
          { ...plain(read), headers: Object.fromEntries(read.headers) },
          { ...plain(one), headers: Object.fromEntries(one.headers) },
        );
      }),
    );
  });

  test("refuses any other bytes with a RegistryError and nothing else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodePayload(bytes);
        } catch (thrown) {
          assert.ok(thrown instanceof RegistryError);
          assert.equal(thrown.failure, "badRequest");
        }
      }),
      { numRuns: 5000 },
    );
  });

  test("agrees with a protobuf library about which cut payloads can be read", () => {
    fc.assert(
      fc.property(payload, fc.nat(), (one, at) => {
        const good = encodePayload(one);
        const cut = good.slice(0, at % (good.length + 1));
        assert.equal(
          attempt(() => decodePayload(cut)) === undefined,
          attempt(() => fromBinary(reference, cut)) === undefined,
          Buffer.from(cut).toString("hex"),
        );
      }),
    );
  });

  test("refuses a payload with one wrong byte with a RegistryError, or reads it", () => {
    fc.assert(
      fc.property(payload, fc.nat(), fc.nat(255), (one, at, byte) => {
        const bytes = encodePayload(one);
        bytes[at % bytes.length] = byte;
        try {
          decodePayload(bytes);
        } catch (thrown) {
          assert.ok(thrown instanceof RegistryError, String(thrown));
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("keeps keys and values that are awkward elsewhere", () => {
    const awkward = new Map([
      ["__proto__", "a"],
      ["constructor", ""],
      ["", "\0"],
      ["key".repeat(400_000), "1 MB"],
    ]);
    const read = decodePayload(encodePayload({ type: "T", headers: awkward, body: new Uint8Array(0) }));

    assert.deepEqual([...read.headers], [...awkward]);
  });

  test("takes the last of repeated fields, and skips fields it does not know", () => {
    const known = encodePayload({ type: "First", body: Buffer.from("{}") });
    const other = encodePayload({ type: "Second", body: Buffer.from("[]") });
    // Field 1 as a varint, field 4 as 8 bytes, field 5 as 4 bytes, field 6 as text.
    const unknown = Buffer.from([0x08, 0x96, 0x01, 0x21, 1, 2, 3, 4, 5, 6, 7, 8, 0x2d, 1, 2, 3, 4, 0x32, 1, 0x61]);

    const read = decodePayload(Buffer.concat([unknown, known, unknown, other]));
    assert.equal(read.type, "Second");
    assert.equal(Buffer.from(read.body).toString(), "[]");
  });

  const broken: Record<string, string> = {
    "a length past the end": "127f",
    "a tag without a value": "12",
    "an endless varint": "ffffffffffffffffffffff",
    "field number 0": "0200",
    "a group, which proto3 does not have": "13",
    "text that is not UTF-8": "12031a01ff",
    "a length over 2 GiB": "12ffffffff0f",
  };
  for (const [what, bytes] of Object.entries(broken))
    test(`refuses ${what}`, () => {
      assert.throws(() => decodePayload(Buffer.from(bytes, "hex")), { name: "RegistryError", failure: "badRequest" });
    });
});

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
