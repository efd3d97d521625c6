import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { HpackDecoder, HpackError } from "../hpack/decoder.ts";
import { encodeFields } from "../hpack/encoder.ts";
import { type Field, type FieldOptions, ReferenceEncoder } from "../hpack/encoding.fixture.ts";
import { HeaderBlocks } from "./blocks.ts";
import { type Head, type HeadKind, HeadReader } from "./head.ts";
import { LIMITS } from "./limits.ts";
import { ConnectionFailure, Flag, FrameType } from "./protocol.ts";
import { SharedHeads } from "./shared-heads.ts";
import { Subject } from "./subject.fixture.ts";
import {
  continuation,
  data,
  type Fields,
  frame,
  headers,
  lastData,
  lastHeaders,
  ping,
  REQUEST,
  request,
  TRAILERS,
} from "./wire.fixture.ts";

const with_ = (...more: Fields): Fields => [...REQUEST, ...more];
const without = (name: string): Fields => REQUEST.filter(([own]) => own !== name);
const changed = (name: string, value: string): Fields => REQUEST.map(([own, was]) => [own, own === name ? value : was]);

describe("a malformed request is a stream error PROTOCOL_ERROR (RFC 9113, section 8.1.1)", () => {
  const MALFORMED: Readonly<Record<string, Fields>> = {
    "8.2: a name in upper case": with_(["User-agent", "a"]),
    "8.2.1: a name with a blank": with_(["a b", "c"]),
    "8.2.1: a name with a colon inside": with_(["a:b", "c"]),
    "8.2.1: a name above ASCII": with_(["\xe4", "c"]),
    "8.2.1: an empty name": with_(["", "c"]),
    "8.2.1: NUL in a value": with_(["a", "b\0c"]),
    "8.2.1: a line feed in a value": with_(["a", "b\nc"]),
    "8.2.1: a carriage return in a value": with_(["a", "b\rc"]),
    "8.2.1: a blank before a value": with_(["a", " b"]),
    "8.2.1: a tab behind a value": with_(["a", "b\t"]),
    "8.2.1: a line feed in a pseudo-field": changed(":path", "/a\n"),
    "8.2.2: connection": with_(["connection", "close"]),
    "8.2.2: proxy-connection": with_(["proxy-connection", "close"]),
    "8.2.2: keep-alive": with_(["keep-alive", "5"]),
    "8.2.2: transfer-encoding": with_(["transfer-encoding", "chunked"]),
    "8.2.2: upgrade": with_(["upgrade", "h2c"]),
    "8.2.2: te that is not trailers": with_(["te", "gzip"]),
    "8.3: a pseudo-field behind a field": [...without(":path"), [":path", "/a"]],
    "8.3: an unknown pseudo-field": [[":protocol", "a"], ...REQUEST],
    "8.3: a pseudo-field of responses": [[":status", "200"], ...REQUEST],
    "8.3.1: no :method": without(":method"),
    "8.3.1: no :scheme": without(":scheme"),
    "8.3.1: no :path": without(":path"),
    "8.3.1: an empty :path": changed(":path", ""),
    "8.3.1: :method twice": [[":method", "POST"], ...REQUEST],
    "8.3.1: :scheme twice": [[":scheme", "http"], ...REQUEST],
    "8.3.1: :path twice": [[":path", "/b"], ...REQUEST],
    "8.3.1: :authority twice": [[":authority", "b"], ...REQUEST],
    "8.5: CONNECT with :path": changed(":method", "CONNECT"),
    "8.6 of RFC 9110: a content-length that is no number": with_(["content-length", "5 "]),
    "8.6 of RFC 9110: a content-length below zero": with_(["content-length", "-5"]),
    "8.6 of RFC 9110: two that differ": with_(["content-length", "5"], ["content-length", "6"]),
  };
  for (const [rule, fields] of Object.entries(MALFORMED)) {
    test(rule, () => {
      const subject = Subject.greeted();
      assert.deepEqual(subject.receive(headers(1, encodeFields(fields))), ["RST_STREAM 1 PROTOCOL_ERROR"]);
      assert.deepEqual(subject.news(), [], "nobody hears of it");
      assert.deepEqual(subject.receive(ping()), ["PING ACK 12345678"], "the connection goes on");
    });
  }

  const WELL_FORMED: Readonly<Record<string, Fields>> = {
    "the head of a call": REQUEST,
    "no :authority": without(":authority"),
    "two equal content-lengths": with_(["content-length", "5"], ["content-length", "5"]),
    "empty values": with_(["a", ""]),
    "bytes above ASCII in a value": with_(["a", "\xe4\xff"]),
    "a field twice": with_(["a", "b"], ["a", "b"]),
    CONNECT: [
      [":method", "CONNECT"],
      [":authority", "a:1"],
    ],
  };
  for (const [what, fields] of Object.entries(WELL_FORMED)) {
    test(`${what}: not malformed`, () => {
      const subject = Subject.greeted();
      subject.receive(headers(1, encodeFields(fields)));
      assert.deepEqual(subject.news(), ["head 1"]);
    });
  }
});

describe("trailers (RFC 9113, section 8.1)", () => {
  const open = (): Subject => {
    const subject = Subject.greeted();
    subject.receive(headers(1, request()), data(1, "x"));
    subject.news();
    return subject;
  };

  test("end the stream", () => {
    const subject = open();
    assert.deepEqual(subject.receive(lastHeaders(1, TRAILERS)), []);
    assert.deepEqual(subject.news(), ["trailers 1", "ended 1"]);
  });

  test("that do not end the stream are malformed", () => {
    assert.deepEqual(open().receive(headers(1, TRAILERS)), ["RST_STREAM 1 PROTOCOL_ERROR"]);
  });

  test("with a pseudo-field are malformed (section 8.3)", () => {
    const block = encodeFields([[":path", "/"]]);
    assert.deepEqual(open().receive(lastHeaders(1, block)), ["RST_STREAM 1 PROTOCOL_ERROR"]);
  });

  test("equal to those before them are read as they were", () => {
    const subject = open();
    subject.receive(headers(3, request()), lastHeaders(1, TRAILERS), lastHeaders(3, TRAILERS));
    assert.deepEqual(subject.news(), ["head 3", "trailers 1", "ended 1", "trailers 3", "ended 3"]);
  });
});

describe("content-length (RFC 9113, section 8.1.1)", () => {
  const open = (length: string): Subject => {
    const subject = Subject.greeted();
    subject.receive(headers(1, request({ "content-length": length })));
    subject.news();
    return subject;
  };
  const RESET = ["RST_STREAM 1 PROTOCOL_ERROR"];

  test("is met by the content of all frames, padding aside", () => {
    const subject = open("5");
    assert.deepEqual(subject.receive(data(1, "ab"), data(1, ""), lastData(1, "cde")), []);
    assert.deepEqual(subject.news(), ["data 1 ab", "data 1 cde", "ended 1"]);
  });

  test("below the content ends the stream before the content is told", () => {
    const subject = open("2");
    assert.deepEqual(subject.receive(data(1, "abc")), RESET);
    assert.deepEqual(subject.news(), ["closed 1 PROTOCOL_ERROR"]);
  });

  test("above the content ends the stream with its last frame", () => {
    assert.deepEqual(open("5").receive(lastData(1, "abcd")), RESET);
    assert.deepEqual(open("5").receive(lastHeaders(1, TRAILERS)), RESET);
  });

  test("above nothing, in a request without content", () => {
    const subject = Subject.greeted();
    const answers = subject.receive(lastHeaders(1, request({ "content-length": "1" })));
    assert.deepEqual(answers, RESET);
    assert.deepEqual(subject.news(), ["head 1", "closed 1 PROTOCOL_ERROR"]);
  });
});

describe("header blocks over several frames (RFC 9113, sections 4.3 and 6.10)", () => {
  const BLOCK = request();
  const begin = (flags = 0): Buffer => frame(FrameType.HEADERS, flags, 1, BLOCK.subarray(0, 5));
  const end = (): Buffer => continuation(1, BLOCK.subarray(5), Flag.END_HEADERS);

  test("are read when they are whole; END_STREAM stands on the first", () => {
    const subject = Subject.greeted();
    subject.receive(begin(Flag.END_STREAM), continuation(1, Buffer.alloc(0)));
    assert.deepEqual(subject.news(), []);
    subject.receive(end());
    assert.deepEqual(subject.news(), ["head 1", "ended 1"]);
  });

  for (const [what, other] of [
    ["a frame of the connection", ping()],
    ["a frame of the stream", data(1, "x")],
    ["an unknown frame", frame(0x20, 0, 1)],
    ["HEADERS of another stream", headers(3, BLOCK)],
    ["CONTINUATION of another stream", continuation(3, BLOCK, Flag.END_HEADERS)],
  ] as const) {
    test(`end the connection with ${what} between`, () => {
      const subject = Subject.greeted();
      subject.receive(begin(), other);
      assert.equal(subject.failure, "PROTOCOL_ERROR");
    });
  }

  test("may have so many CONTINUATION frames", () => {
    const part = (): Buffer => continuation(1, Buffer.alloc(0));
    const subject = Subject.greeted({ continuationsMax: 3 });
    subject.receive(begin(), part(), part(), end());
    assert.deepEqual(subject.news(), ["head 1"]);
    const hostile = Subject.greeted({ continuationsMax: 3 });
    hostile.receive(begin(), part(), part(), part(), part());
    assert.equal(hostile.failure, "ENHANCE_YOUR_CALM");
  });

  test("may have so many bytes, in one frame or several", () => {
    const limits = { headerBlockBytesMax: BLOCK.length };
    const subject = Subject.greeted(limits);
    subject.receive(begin(), end(), headers(3, BLOCK));
    assert.deepEqual(subject.news(), ["head 1", "head 3"]);
    subject.receive(headers(5, request({ more: "x" })));
    assert.equal(subject.failure, "ENHANCE_YOUR_CALM");
    const split = Subject.greeted({ headerBlockBytesMax: BLOCK.length - 1 });
    split.receive(begin(), end());
    assert.equal(split.failure, "ENHANCE_YOUR_CALM");
  });

  test("may take so long, and wake whoever waits for them", () => {
    const subject = Subject.greeted({ headerBlockMs: 100 });
    subject.receive(begin());
    assert.equal(subject.connection.tickAt, subject.now + 100);
    subject.tick(99);
    assert.equal(subject.failure, undefined);
    assert.deepEqual(subject.tick(1), ["GOAWAY 0 ENHANCE_YOUR_CALM"]);
  });

  test("that were finished in time wake nobody", () => {
    const subject = Subject.greeted({ headerBlockMs: 100 });
    subject.receive(begin());
    subject.receive(end());
    subject.tick(100);
    assert.equal(subject.failure, undefined);
    assert.equal(subject.connection.tickAt, Number.POSITIVE_INFINITY);
  });

  test("that HPACK cannot read end the connection with COMPRESSION_ERROR", () => {
    const subject = Subject.greeted();
    subject.receive(headers(1, Buffer.of(0x80)));
    assert.equal(subject.failure, "COMPRESSION_ERROR");
  });

  test("are decoded for streams that are gone too, since later ones depend on them", () => {
    const encoder = new ReferenceEncoder();
    const how: FieldOptions = { representation: "indexed", huffman: false, nameByIndex: true };
    const block = (...fields: Fields): Buffer => Buffer.from(fields.flatMap((own) => encoder.field(own, how)));
    const subject = Subject.greeted();
    subject.receive(headers(1, request()));
    subject.connection.reset(subject.stream(1), 8);
    subject.receive(lastHeaders(1, block(["known", "since"])), headers(3, block(...REQUEST, ["known", "since"])));
    assert.ok(subject.heads.get(3)?.fields.includes("since"));
  });

  test("with padding and priority are read without them (section 6.2)", () => {
    const subject = Subject.greeted();
    const payload = Buffer.concat([Buffer.of(3, 0x80, 0, 0, 9, 200), BLOCK, Buffer.alloc(3)]);
    subject.receive(frame(FrameType.HEADERS, Flag.END_HEADERS | Flag.PADDED | Flag.PRIORITY, 1, payload));
    assert.deepEqual(subject.news(), ["head 1"]);
    assert.equal(subject.heads.get(1)?.path, "/a.B/C");
  });

  test("with more padding than frame end the connection (section 6.2)", () => {
    for (const flags of [Flag.PADDED, Flag.PADDED | Flag.PRIORITY]) {
      const subject = Subject.greeted();
      subject.receive(frame(FrameType.HEADERS, Flag.END_HEADERS | flags, 1, Buffer.of(8, 0, 0, 0, 9, 0, 0x82)));
      assert.equal(subject.failure, "PROTOCOL_ERROR");
    }
  });

  test("of a stream that depends on itself end the connection (RFC 7540, section 5.3.1)", () => {
    const subject = Subject.greeted();
    const payload = Buffer.concat([Buffer.of(0x80, 0, 0, 1, 200), BLOCK]);
    subject.receive(frame(FrameType.HEADERS, Flag.END_HEADERS | Flag.PRIORITY, 1, payload));
    assert.equal(subject.failure, "PROTOCOL_ERROR");
  });
});

describe("header lists (RFC 9113, sections 6.5.2 and 10.5.1)", () => {
  const size = (fields: Fields): number =>
    fields.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);

  test("up to the limit are whole; above it the layer above is told, and the table stays in step", () => {
    const limit = size(with_(["a", "b"]));
    const subject = Subject.greeted({ headerListBytesMax: limit });
    subject.receive(headers(1, encodeFields(with_(["a", "b"]))), headers(3, encodeFields(with_(["a", "bc"]))));
    assert.deepEqual(subject.news(), ["head 1", "head 3"]);
    assert.equal(subject.heads.get(1)?.tooLarge, false);
    assert.equal(subject.heads.get(3)?.tooLarge, true);
    assert.ok(!subject.heads.get(3)?.fields.includes("a"));
  });
});

describe("heads that repeat", () => {
  test("are one object as long as no table changes", () => {
    const subject = Subject.greeted();
    subject.receive(headers(1, request()), headers(3, request()));
    assert.equal(subject.heads.get(1), subject.heads.get(3));
    subject.receive(headers(5, request({ ":path": "/other" })), headers(7, request()));
    assert.equal(subject.heads.get(5)?.path, "/other");
    assert.equal(subject.heads.get(7)?.path, "/a.B/C");
  });

  test("mean something else when the table has moved under the same bytes", () => {
    const encoder = new ReferenceEncoder();
    const insert: FieldOptions = { representation: "incremental", huffman: false, nameByIndex: false };
    const NEWEST = Buffer.of(0x80 | 62);
    const read = (block: Uint8Array): readonly string[] => {
      id += 2;
      assert.deepEqual(own.receive(headers(id, block)), []);
      return own.heads.get(id)?.fields ?? [];
    };
    const own = Subject.greeted();
    let id = -1;
    const again = Buffer.concat([request(), NEWEST]);
    read(Buffer.concat([request(), Buffer.from(encoder.field(["a", "1"], insert))]));
    assert.deepEqual(read(again).slice(-2), ["a", "1"]);
    assert.deepEqual(read(again).slice(-2), ["a", "1"]);
    read(Buffer.concat([request(), Buffer.from(encoder.field(["b", "2"], insert))]));
    assert.deepEqual(read(again).slice(-2), ["b", "2"]);
  });

  const field: fc.Arbitrary<Field> = fc.constantFrom<Field>(
    [":method", "POST"],
    [":scheme", "http"],
    [":path", "/a"],
    [":path", "/b"],
    ["a", "1"],
    ["a", "2"],
    ["b", "x".repeat(100)],
  );
  const options: fc.Arbitrary<FieldOptions> = fc.record({
    representation: fc.constantFrom("indexed", "indexed", "indexed", "incremental", "without", "never"),
    huffman: fc.boolean(),
    nameByIndex: fc.boolean(),
  });
  const fresh = fc.record({
    kind: fc.constantFrom<HeadKind>("request", "trailers"),
    resize: fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.nat(400) }),
    fields: fc.array(fc.tuple(field, options), { maxLength: 5 }),
  });
  /** A block that is new, or the bytes of an earlier one, which may mean something else by now. */
  const step = fc.oneof(fresh, fc.record({ again: fc.nat(9) }));
  const CONNECTIONS = 2;

  test("say what a reader without memory says, whatever tables and other connections do between them", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(CONNECTIONS - 1), step), { maxLength: 20 }), (steps) => {
        const heads = new SharedHeads();
        const connections = Array.from({ length: CONNECTIONS }, () => ({
          encoder: new ReferenceEncoder(),
          remembering: new HeaderBlocks(LIMITS, heads),
          plain: new HpackDecoder(),
        }));
        const sent: { kind: HeadKind; bytes: Buffer }[] = [];
        for (const [connection, own] of steps) {
          const { encoder, remembering, plain } = connections[connection] as (typeof connections)[0];
          if ("again" in own)
            sent.push(sent[sent.length - 1 - own.again] ?? { kind: "request", bytes: Buffer.of(0x82) });
          else {
            const octets = own.resize === undefined ? [] : encoder.resize(own.resize);
            octets.push(...own.fields.flatMap(([field, how]) => encoder.field(field, how)));
            sent.push({ kind: own.kind, bytes: Buffer.from(octets) });
          }
          const { kind, bytes } = sent[sent.length - 1] as (typeof sent)[0];
          const expected = read(() => {
            const head = new HeadReader(kind, LIMITS.headerListBytesMax);
            plain.decode(bytes, 0, bytes.length, head);
            head.finish();
            return head;
          });
          const head = read(() => remembering.decode(kind, bytes, 0, bytes.length));
          assert.deepEqual(head, expected);
          if (expected === undefined) return;
        }
      }),
      { numRuns: 500 },
    );
  });

  test("are remembered while they are short, since an idle connection keeps them", () => {
    const blocks = new HeaderBlocks(LIMITS);
    const remembers = (octets: number): boolean => {
      const block = encodeFields([...REQUEST, ["a", "x".repeat(octets)]]);
      const heads = [0, 1].map(() => blocks.decode("request", block, 0, block.length));
      return heads[0] === heads[1];
    };
    assert.deepEqual([remembers(7000), remembers(8192)], [true, false]);
  });
});

/** What a head says, or undefined when the block cannot be read. */
function read(decode: () => Head): unknown {
  try {
    const { method, scheme, path, fields, malformed, tooLarge } = decode();
    return { method, scheme, path, fields, malformed, tooLarge };
  } catch (error) {
    assert.ok(error instanceof HpackError || error instanceof ConnectionFailure);
    return undefined;
  }
}
