import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type FieldOptions, ReferenceEncoder } from "../hpack/encoding.fixture.ts";
import { ErrorCode, Flag, FrameType, Setting } from "./protocol.ts";
import { Subject } from "./subject.fixture.ts";
import {
  continuation,
  data,
  type Fields,
  frame,
  goaway,
  headers,
  PREFACE,
  paddedData,
  ping,
  priority,
  REQUEST,
  request,
  rstStream,
  settings,
  TRAILERS,
  windowUpdate,
} from "./wire.fixture.ts";

/** Parts of a session, some of which cannot follow each other: faults must not depend on splits either. */
type Part =
  | { type: "open"; fields: Fields; how: FieldOptions; cuts: number[]; ends: boolean }
  | { type: "data"; back: number; size: number; padding: number | undefined; ends: boolean }
  | { type: "trailers"; back: number }
  | { type: "reset"; back: number }
  | { type: "update"; back: number }
  | { type: "settings"; window: number }
  | { type: "other"; bytes: Buffer };

const fields: fc.Arbitrary<Fields> = fc
  .array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.constantFrom("1", "2", "x".repeat(60))), { maxLength: 4 })
  .map((more) => [...REQUEST, ...more]);
const how: fc.Arbitrary<FieldOptions> = fc.record({
  representation: fc.constantFrom("indexed", "incremental", "without", "never"),
  huffman: fc.boolean(),
  nameByIndex: fc.boolean(),
});
const back = fc.nat(3);
const part: fc.Arbitrary<Part> = fc.oneof(
  fc.record({
    type: fc.constant("open" as const),
    fields,
    how,
    cuts: fc.array(fc.nat(40), { maxLength: 2 }),
    ends: fc.boolean(),
  }),
  fc.record({
    type: fc.constant("data" as const),
    back,
    size: fc.oneof(fc.nat(20), fc.nat(3000)),
    padding: fc.option(fc.nat(20), { nil: undefined }),
    ends: fc.boolean(),
  }),
  fc.record({ type: fc.constant("trailers" as const), back }),
  fc.record({ type: fc.constant("reset" as const), back }),
  fc.record({ type: fc.constant("update" as const), back }),
  fc.record({ type: fc.constant("settings" as const), window: fc.nat(100_000) }),
  fc.record({
    type: fc.constant("other" as const),
    bytes: fc.constantFrom(ping(), priority(1, 3), frame(0x55, 7, 3, Buffer.alloc(9)), windowUpdate(0, 7), goaway(0)),
  }),
);

function bytesOf(parts: readonly Part[]): Buffer {
  const encoder = new ReferenceEncoder();
  const all = [PREFACE, settings()];
  let latest = -1;
  for (const own of parts) {
    const id = "back" in own ? Math.max(latest - 2 * own.back, 1) : latest + 2;
    if (own.type === "open") {
      latest = id;
      const block = Buffer.from(own.fields.flatMap((field) => encoder.field(field, own.how)));
      const at = [0, ...own.cuts.map((cut) => cut % block.length).sort((a, b) => a - b), block.length];
      for (let nth = 0; nth + 1 < at.length; nth++) {
        const flags = nth + 2 === at.length ? Flag.END_HEADERS : 0;
        const payload = block.subarray(at[nth], at[nth + 1]);
        if (nth > 0) all.push(continuation(id, payload, flags));
        else all.push(frame(FrameType.HEADERS, flags | (own.ends ? Flag.END_STREAM : 0), id, payload));
      }
    } else if (own.type === "data") {
      const content = Buffer.alloc(own.size, "d");
      const flags = own.ends ? Flag.END_STREAM : 0;
      all.push(own.padding === undefined ? data(id, content, flags) : paddedData(id, content, own.padding, flags));
    } else if (own.type === "trailers") {
      const octets = encoder.field(["t", "1"], { representation: "indexed", huffman: true, nameByIndex: true });
      all.push(headers(id, Buffer.from(octets), Flag.END_STREAM));
    } else if (own.type === "reset") all.push(rstStream(id));
    else if (own.type === "update") all.push(windowUpdate(id, 1000));
    else if (own.type === "settings") all.push(settings([Setting.INITIAL_WINDOW_SIZE, own.window]));
    else all.push(own.bytes);
  }
  return Buffer.concat(all);
}

/** What is heard and written when the bytes come in these pieces; content counts as one however it comes. */
function transcript(
  bytes: Buffer,
  cuts: readonly number[],
  pieceBytes = Number.POSITIVE_INFINITY,
): { heard: string[]; sent: string[]; failure: string | undefined } {
  const subject = new Subject();
  subject.on.head = (stream) => {
    if (stream.id % 3 === 0) subject.connection.reset(stream, ErrorCode.CANCEL);
  };
  subject.on.remoteEnded = (stream) => {
    subject.connection.respond(
      stream,
      Buffer.of(0x88),
      Buffer.alloc((stream.id % 50) * 300),
      Buffer.of(0x88),
      subject.now,
    );
  };
  const sent: string[] = [];
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  for (let nth = 0; nth + 1 < at.length; nth++) {
    const chunk = bytes.subarray(at[nth], at[nth + 1]);
    let read = 0;
    do read = subject.connection.receive(chunk, subject.now, read, pieceBytes);
    while (read < chunk.length);
    sent.push(...subject.sent());
  }
  const heard: string[] = [];
  for (const line of subject.heard) {
    const [, begin, more] = /^(data \d+ )(.*)$/s.exec(line) ?? [];
    const before = heard.at(-1);
    if (begin !== undefined && before?.startsWith(begin) === true) heard[heard.length - 1] = before + more;
    else heard.push(line);
  }
  return { heard, sent, failure: subject.failure };
}

describe("bytes mean the same however TCP cuts them (RFC 9113, section 4.1)", () => {
  test("in any pieces", () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 30 }), (parts, cuts) => {
        const bytes = bytesOf(parts);
        assert.deepEqual(transcript(bytes, cuts), transcript(bytes, []));
      }),
      { numRuns: 500 },
    );
  });

  test("also when what came at once is worked through in turns", () => {
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 12 }),
        fc.array(fc.nat(), { maxLength: 5 }),
        fc.integer({ min: 1, max: 300 }),
        (parts, cuts, pieceBytes) => {
          const bytes = bytesOf(parts);
          assert.deepEqual(transcript(bytes, cuts, pieceBytes), transcript(bytes, []));
        },
      ),
      { numRuns: 500 },
    );
  });

  test("byte by byte", () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const bytes = bytesOf(parts);
        const everywhere = Array.from(bytes, (_, at) => at);
        assert.deepEqual(transcript(bytes, everywhere), transcript(bytes, []));
      }),
      { numRuns: 60 },
    );
  });

  test("also when they break a rule", () => {
    const hit = fc.tuple(fc.nat(), fc.nat(255));
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 8 }),
        fc.array(hit, { minLength: 1, maxLength: 3 }),
        fc.array(fc.nat(), { maxLength: 10 }),
        (parts, hits, cuts) => {
          const bytes = bytesOf(parts);
          for (const [at, byte] of hits) bytes[at % bytes.length] = byte;
          const [split, whole] = [transcript(bytes, cuts), transcript(bytes, [])];
          assert.deepEqual(split, whole);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("reading that is cut into turns", () => {
  const CALL_BYTES = headers(1, request(), Flag.END_STREAM).length;
  /** Where it stops in some calls that are answered with so many bytes. */
  const stops = (answerBytes: number, bytes?: number, calls = 3): number => {
    const subject = Subject.greeted();
    subject.on.remoteEnded = (stream) => {
      subject.connection.respond(stream, TRAILERS, Buffer.alloc(answerBytes), TRAILERS, subject.now);
    };
    const ids = Array.from({ length: calls }, (_, at) => 1 + 2 * at);
    const chunk = Buffer.concat(ids.map((id) => headers(id, request(), Flag.END_STREAM)));
    return subject.connection.receive(chunk, subject.now, 0, bytes) / CALL_BYTES;
  };

  test("stops at the first border of frames behind so many bytes", () => {
    assert.equal(stops(10, 1), 1);
    assert.equal(stops(10, CALL_BYTES), 1);
    assert.equal(stops(10, CALL_BYTES + 1), 2);
    assert.equal(stops(10, 10_000), 3);
    assert.equal(stops(10), 3);
  });

  test("stops behind answers of more than 32 KiB too, which have taken time to make", () => {
    assert.equal(stops(32_768, 10_000), 1);
    assert.equal(stops(16_384, 10_000), 2);
    assert.equal(stops(8192, 10_000), 3);
    assert.equal(stops(32_768), 3, "unless it is to stop nowhere");
  });

  test("stops behind some dozens of answers, however short", () => {
    assert.equal(stops(10, 10_000, 100), 32);
  });
});
