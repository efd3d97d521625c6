import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import {
  decodeRecord,
  decodeSegmentHeader,
  encodeBatch,
  encodeSegmentHeader,
  type LogRecord,
  type NewRecord,
  RECORD_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
  scanSegment,
} from "./records.ts";

const command = (text: string, term = 1): NewRecord => ({
  term,
  kind: "command",
  at: 1_700_000_000_000,
  payload: Buffer.from(JSON.stringify({ text })),
});

/** A segment from index 5: a batch of one, one of three, and one of one. */
function segment(): { bytes: Buffer; ends: number[] } {
  const batches = [
    encodeBatch(5, [command("a")]),
    encodeBatch(
      6,
      ["b", "c", "d"].map((text) => command(text)),
    ),
    encodeBatch(9, [command("e")]),
  ];
  const bytes = Buffer.concat([encodeSegmentHeader(5), ...batches.map((batch) => batch.bytes)]);
  const ends: number[] = [];
  scanSegment(bytes, 5, ({ end }) => ends.push(end));
  return { bytes, ends };
}

function scan(bytes: Buffer) {
  const records: LogRecord[] = [];
  const result = scanSegment(bytes, 5, (record) => records.push(record));
  return { ...result, indexes: records.map(({ index }) => index) };
}

describe("the records of a segment", () => {
  test("come back as they were written", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 40 }),
        fc.array(
          fc.record({
            at: fc.integer({ min: 0, max: 2 ** 45 }),
            term: fc.integer({ min: 0, max: 2 ** 40 }),
            kind: fc.constantFrom("command", "configuration", "noop"),
            value: fc.json(),
          }),
          { minLength: 1 },
        ),
        (first, entries) => {
          entries.sort((a, b) => a.term - b.term);
          const written = entries.map(({ at, term, kind, value }) => {
            return { at, term, kind, payload: Buffer.from(kind === "noop" ? "" : value) };
          });
          const { bytes, checksums } = encodeBatch(first, written);
          const read: LogRecord[] = [];
          const whole = Buffer.concat([encodeSegmentHeader(first), bytes]);
          const { lastIndex, damage } = scanSegment(whole, first, (record) => read.push(record));
          assert.equal(damage, undefined);
          assert.equal(lastIndex, first + entries.length - 1);
          assert.deepEqual(
            read.map(({ end, ...record }) => record),
            written.map((record, i) => ({
              ...record,
              index: first + i,
              checksum: checksums[i],
              batchFirst: first,
            })),
          );
        },
      ),
    );
  });

  test("end at the last whole one, wherever the file was cut (L4)", () => {
    const { bytes, ends } = segment();
    for (let length = SEGMENT_HEADER_BYTES; length < bytes.length; length += 1) {
      const whole = ends.filter((end) => end <= length);
      const { indexes, goodBytes, damage } = scan(bytes.subarray(0, length));
      assert.equal(indexes.length, whole.length, `cut at ${length}`);
      assert.equal(goodBytes, whole.at(-1) ?? SEGMENT_HEADER_BYTES);
      assert.equal(damage === undefined, goodBytes === length);
      assert.equal(damage?.laterBatch, undefined);
    }
  });

  test("end before one with any bit flipped, and tell the newest batch behind it (L2, L4)", () => {
    const { bytes, ends } = segment();
    for (let bit = SEGMENT_HEADER_BYTES * 8; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const hit = ends.findIndex((end) => bit >> 3 < end);
      const { indexes, damage } = scan(flipped);
      assert.equal(indexes.length, hit, `bit ${bit}`);
      assert.equal(damage?.index, 5 + hit);
      assert.equal(damage?.laterBatch, hit === 4 ? undefined : 9, `bit ${bit}`);
    }
  });

  test("never include one with a wrong checksum, whatever the bytes (L2)", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat({ max: 50 }), (random, offset) => {
        const bytes = Buffer.from(random);
        const record = decodeRecord(bytes, Math.min(offset, bytes.length));
        if (typeof record === "string") return;
        const start = record.end - record.payload.length - RECORD_HEADER_BYTES;
        assert.equal(bytes.readUInt32BE(start), crc32(bytes.subarray(start + 4, record.end)));
      }),
      { numRuns: 2000 },
    );
  });

  test("end before one of an earlier term, which no log has behind a later one", () => {
    const records = [command("a", 3), command("b", 2)];
    const bytes = Buffer.concat([encodeSegmentHeader(5), encodeBatch(5, records).bytes]);
    const { indexes, damage } = scan(bytes);
    assert.deepEqual(indexes, [5]);
    assert.equal(damage?.reason, "term 2 follows term 3");
    assert.equal(
      scanSegment(bytes, 5, () => {}, 4).damage?.reason,
      "term 3 follows term 4",
      "also of a segment before",
    );
  });

  test("are found damaged, without an exception, when random bytes replace a part of them", () => {
    const { bytes } = segment();
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), fc.nat({ max: bytes.length - 1 }), (random, at) => {
        const changed = Buffer.from(bytes);
        changed.set(random.subarray(0, bytes.length - at), at);
        const { damage, goodBytes } = scan(changed);
        assert.equal(damage === undefined, changed.equals(bytes));
        assert.ok(bytes.subarray(0, goodBytes).equals(changed.subarray(0, goodBytes)), "what is kept is unchanged");
      }),
      { numRuns: 1000 },
    );
  });
});

describe("the header of a segment", () => {
  test("names its first index, and nothing when a bit is flipped or a byte missing", () => {
    const header = encodeSegmentHeader(2 ** 40);
    assert.equal(decodeSegmentHeader(header), 2 ** 40);
    for (let bit = 0; bit < header.length * 8; bit += 1) {
      const flipped = Buffer.from(header);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(decodeSegmentHeader(flipped), undefined, `bit ${bit}`);
    }
    for (let length = 0; length < header.length; length += 1) {
      assert.equal(decodeSegmentHeader(header.subarray(0, length)), undefined);
    }
  });
});
