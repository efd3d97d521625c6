import { crc32 } from "./crc32.ts";

/**
 * The bytes of the log. All numbers are big endian.
 *
 *     segment: "nacrelog" | version u32 | first index u48 | 0 u16 | crc u32, then records
 *     record:  crc u32 | payload bytes u32 | index u48 | at u48 | term u48 | place u32 | kind u8 | 0 u8 | payload
 *
 * A record's checksum covers everything after it (L2), and a payload has no zero byte (L3). `place` is the record's
 * position in its group commit: since a batch is written only when the one before it is on the disk, it tells whether an
 * earlier record had been synced (L4).
 */
export const SEGMENT_HEADER_BYTES = 24;
export const RECORD_HEADER_BYTES = 32;
/** Also bounds what the decoder believes of a length field. */
export const PAYLOAD_BYTES_MAX = 16 * 1024 * 1024;

/** Why a record cannot be read that the end of the file cuts off. */
const INCOMPLETE = "the record is incomplete";
const MAGIC = Buffer.from("nacrelog");
/** The highest that is read here; another layout gets another one. Header, version and its checksum stay where they are. */
export const RECORDS_VERSION = 2;

/** What a record is for: the machine, the group's list of members, or nothing but the begin of a term. */
export type RecordKind = "command" | "configuration" | "noop";

const KINDS: readonly (RecordKind | undefined)[] = [undefined, "command", "configuration", "noop"];
const KIND_BYTES: Readonly<Record<RecordKind, number>> = { command: 1, configuration: 2, noop: 3 };

export interface NewRecord {
  /** Of the leader that gave the record its place; 0 in a log that never had one. */
  readonly term: number;
  readonly kind: RecordKind;
  readonly at: number;
  /** Without a zero byte (L3); empty for a `noop` only. */
  readonly payload: Buffer;
}

export interface LogRecord extends NewRecord {
  readonly index: number;
  /** Index of the first record of the group commit that this record was written in. */
  readonly batchFirst: number;
  readonly checksum: number;
  /** Offset of the byte after this record. */
  readonly end: number;
}

export function encodeSegmentHeader(firstIndex: number): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt32BE(RECORDS_VERSION, 8);
  header.writeUIntBE(firstIndex, 12, 6);
  header.writeUInt32BE(crc32(header.subarray(0, 20)), 20);
  return header;
}

/** The first index that a segment names in its header; undefined when the header is incomplete or damaged. */
export function decodeSegmentHeader(bytes: Buffer): number | undefined {
  return segmentVersion(bytes) === RECORDS_VERSION ? bytes.readUIntBE(12, 6) : undefined;
}

/** Of which version the header says that its segment is; undefined when the header is incomplete or damaged. */
export function segmentVersion(bytes: Buffer): number | undefined {
  if (bytes.length < SEGMENT_HEADER_BYTES || !bytes.subarray(0, 8).equals(MAGIC)) return undefined;
  return bytes.readUInt32BE(20) === crc32(bytes.subarray(0, 20)) ? bytes.readUInt32BE(8) : undefined;
}

/** One buffer for the whole batch, so that it goes to the disk in one write. */
export function encodeBatch(firstIndex: number, records: readonly NewRecord[]): { bytes: Buffer; checksums: number[] } {
  const total = records.reduce((sum, record) => sum + RECORD_HEADER_BYTES + record.payload.length, 0);
  const bytes = Buffer.allocUnsafe(total);
  const checksums: number[] = [];
  let offset = 0;
  for (const [place, { at, term, kind, payload }] of records.entries()) {
    const end = offset + RECORD_HEADER_BYTES + payload.length;
    bytes.writeUInt32BE(payload.length, offset + 4);
    bytes.writeUIntBE(firstIndex + place, offset + 8, 6);
    bytes.writeUIntBE(at, offset + 14, 6);
    bytes.writeUIntBE(term, offset + 20, 6);
    bytes.writeUInt32BE(place, offset + 26);
    bytes.writeUInt16BE(KIND_BYTES[kind] << 8, offset + 30);
    payload.copy(bytes, offset + RECORD_HEADER_BYTES);
    const checksum = crc32(bytes.subarray(offset + 4, end));
    bytes.writeUInt32BE(checksum, offset);
    checksums.push(checksum);
    offset = end;
  }
  return { bytes, checksums };
}

/** The record at an offset, or why there is none, as a clause. Never throws. */
export function decodeRecord(bytes: Buffer, offset: number): LogRecord | string {
  if (bytes.length - offset < RECORD_HEADER_BYTES) return INCOMPLETE;
  const length = bytes.readUInt32BE(offset + 4);
  if (length > PAYLOAD_BYTES_MAX) return `the record claims ${length} bytes`;
  const end = offset + RECORD_HEADER_BYTES + length;
  if (end > bytes.length) return INCOMPLETE;
  const checksum = bytes.readUInt32BE(offset);
  if (checksum !== crc32(bytes.subarray(offset + 4, end))) return "the checksum is wrong";
  const kind = KINDS[bytes[offset + 30] ?? 0];
  if (kind === undefined || (length === 0) !== (kind === "noop")) return "the record is of no known kind";
  const index = bytes.readUIntBE(offset + 8, 6);
  return {
    index,
    at: bytes.readUIntBE(offset + 14, 6),
    term: bytes.readUIntBE(offset + 20, 6),
    kind,
    batchFirst: index - bytes.readUInt32BE(offset + 26),
    checksum,
    payload: bytes.subarray(offset + RECORD_HEADER_BYTES, end),
    end,
  };
}

export interface RecordDamage {
  readonly offset: number;
  /** Whether the file ends before the record does, as after a write that was begun. */
  readonly isCutOff: boolean;
  readonly reason: string;
  /** The index that belongs at this offset. */
  readonly index: number;
  /** Of the valid records behind the damage, the newest group commit; undefined when nothing valid follows. */
  readonly laterBatch: number | undefined;
}

export interface SegmentScan {
  readonly lastIndex: number;
  /** Bytes up to the end of the last good record. */
  readonly goodBytes: number;
  readonly damage: RecordDamage | undefined;
}

/**
 * Walks the records of one segment, which must follow each other from `firstIndex` without gaps, and whose terms never
 * decrease. Never throws.
 *
 * @param termBefore  of the record before the segment, 0 when it is not known.
 */
export function scanSegment(
  bytes: Buffer,
  firstIndex: number,
  visit: (record: LogRecord) => void = () => {},
  termBefore = 0,
): SegmentScan {
  const damaged = (offset: number, index: number, reason: string): SegmentScan => ({
    lastIndex: index - 1,
    goodBytes: offset,
    damage: {
      offset,
      isCutOff: reason === INCOMPLETE || bytes.length < SEGMENT_HEADER_BYTES,
      reason,
      index,
      laterBatch: newestBatchAfter(bytes, offset, firstIndex),
    },
  });
  if (decodeSegmentHeader(bytes) !== firstIndex) return damaged(0, firstIndex, "the segment's header is damaged");
  let offset = SEGMENT_HEADER_BYTES;
  let index = firstIndex;
  let term = termBefore;
  while (offset < bytes.length) {
    const record = decodeRecord(bytes, offset);
    if (typeof record === "string") return damaged(offset, index, record);
    if (record.index !== index) return damaged(offset, index, `record ${record.index} stands where ${index} belongs`);
    if (record.term < term) return damaged(offset, index, `term ${record.term} follows term ${term}`);
    visit(record);
    term = record.term;
    offset = record.end;
    index += 1;
  }
  return { lastIndex: index - 1, goodBytes: offset, damage: undefined };
}

/**
 * Looks at every offset for a record that is still valid. Payloads hold no zero byte (L3), and an index starts with
 * some, so a payload cannot pass for a record; the range of the index spares most offsets their checksum.
 */
function newestBatchAfter(bytes: Buffer, from: number, firstIndex: number): number | undefined {
  const indexMax = firstIndex + bytes.length / RECORD_HEADER_BYTES;
  let newest: number | undefined;
  for (let offset = from; offset + RECORD_HEADER_BYTES <= bytes.length; ) {
    const index = bytes.readUIntBE(offset + 8, 6);
    const record = index >= firstIndex && index <= indexMax ? decodeRecord(bytes, offset) : "out of range";
    if (typeof record === "string") {
      offset += 1;
      continue;
    }
    if (newest === undefined || record.batchFirst > newest) newest = record.batchFirst;
    offset = record.end;
  }
  return newest;
}
