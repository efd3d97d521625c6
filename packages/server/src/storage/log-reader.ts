import { join } from "node:path";
import { DamageError } from "./damage.ts";
import type { Files } from "./files.ts";
import type { Segment } from "./log-scan.ts";
import { decodeRecord, type LogRecord, RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES } from "./records.ts";

/** Read beyond what was asked for, because a reading begins at a place that is kept. */
const READ_BYTES = 128 * 1024;

/**
 * Records of a segment from `index` on: at least one, and beyond it as many as fit into `bytesMax`.
 *
 * @throws DamageError when the file does not hold what was written.
 */
export async function readRecords(
  files: Files,
  directory: string,
  segment: Segment,
  index: number,
  bytesMax: number,
): Promise<readonly LogRecord[]> {
  const path = join(directory, segment.name);
  const place = placeBefore(segment, index);
  const left = segment.bytes - place.offset;
  for (let asked = Math.min(left, READ_BYTES + bytesMax); ; asked = Math.min(left, asked * 2)) {
    const bytes = await files.readRange(path, place.offset, asked);
    const records: LogRecord[] = [];
    let taken = 0;
    let reason = "it is missing";
    for (let offset = 0, expected = place.index; offset < bytes.length; expected += 1) {
      const record = decodeRecord(bytes, offset);
      if (typeof record === "string" || record.index !== expected) {
        reason = typeof record === "string" ? record : `record ${record.index} stands where ${expected} belongs`;
        break;
      }
      offset = record.end;
      if (expected < index) continue;
      taken += RECORD_HEADER_BYTES + record.payload.length;
      if (records.length > 0 && taken > bytesMax) break;
      records.push(record);
    }
    if (records.length > 0) return records;
    if (asked < left) continue;
    throw new DamageError(
      { part: "log", path, fromIndex: index },
      `the log is damaged in ${path}, where record ${index} belongs (${reason}): restart this member, which checks all of it`,
    );
  }
}

/** Where a record of the segment begins. @throws see `readRecords`. */
export async function offsetOf(files: Files, directory: string, segment: Segment, index: number): Promise<number> {
  const place = placeBefore(segment, index);
  let { offset } = place;
  for (let next = place.index; next < index; ) {
    const records = await readRecords(files, directory, segment, next, READ_BYTES);
    for (const { payload } of records.slice(0, index - next)) offset += RECORD_HEADER_BYTES + payload.length;
    next += records.length;
  }
  return offset;
}

function placeBefore({ places, firstIndex }: Segment, index: number): { index: number; offset: number } {
  return places.findLast((one) => one.index <= index) ?? { index: firstIndex, offset: SEGMENT_HEADER_BYTES };
}
