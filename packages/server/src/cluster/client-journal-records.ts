import {
  type Base,
  type Change,
  type ClientId,
  type Contents,
  FrameReader,
  frames,
  type Head,
} from "@nacre/core/distro";
import { crc32 } from "../storage/crc32.ts";

/** What a journal remembers of one client: what it publishes, or that it is gone; then there are no contents. */
export interface Kept extends Head {
  readonly contents?: Contents;
  /** `contents` is what changed since this state, which the records before it give. Undefined: the whole. */
  readonly base?: Base;
  /** It counts only together with newer records, of which the last one makes it a state. */
  readonly isUnfinished?: true;
}

/**
 * Begins each file. The number grows with each change of these records and with each change of the frames of
 * `core/distro`: a file of another version is set aside, and costs the clients of one restart.
 */
const MAGIC = Buffer.from("nacre clients 1\n", "latin1");
export const FILE_HEADER_BYTES = MAGIC.length;

/** Bytes of what follows the checksum, then its CRC-32. */
const PREFIX_BYTES = 8;
/** Wall clock of the member that wrote it, in epoch milliseconds. */
const TIME_BYTES = 8;
/** Of one client; records of several are cut long before. */
const FRAME_BYTES_MAX = 64 * 1024 * 1024;
/** Nobody acknowledges a record: its number says whether what is in it counts by itself. */
const UNFINISHED = 1;

export function fileHeader(): Uint8Array {
  return MAGIC;
}

/** What is written together. */
export interface Batch {
  readonly wholes: readonly Kept[];
  readonly parts: readonly Kept[];
  /** Unfinished. */
  readonly slices: readonly Kept[];
  /** Clients that are not this member's any more. */
  readonly forgotten: readonly ClientId[];
}

/** @returns the records of some clients, one after the other, and how many of their bytes are those of wholes. */
export function encodeRecords(
  { wholes, parts, slices, forgotten }: Batch,
  wall: number,
): { readonly bytes: Uint8Array; readonly wholeBytes: number } {
  const ofWholes = framesOf(wholes);
  const bodies = [...ofWholes, ...framesOf(parts), ...framesOf(slices, UNFINISHED)];
  // The frame that asks for clients carries nothing but ids: here it says that they are to be forgotten.
  if (forgotten.length > 0) bodies.push(...frames({ type: "fetch", ids: forgotten }, FRAME_BYTES_MAX));
  const wholeBytes = lengthOf(ofWholes);
  return { bytes: recordsOf(bodies, wall), wholeBytes };
}

function framesOf(kept: readonly Kept[], seq = 0): Uint8Array[] {
  if (kept.length === 0) return [];
  const changes = kept.filter((one): one is Change => one.contents !== undefined);
  const removals = kept.filter(({ contents }) => contents === undefined);
  return frames({ type: "sync", seq, changes, removals }, FRAME_BYTES_MAX);
}

function lengthOf(bodies: readonly Uint8Array[]): number {
  return bodies.reduce((sum, body) => sum + PREFIX_BYTES + TIME_BYTES + body.length, 0);
}

function recordsOf(bodies: readonly Uint8Array[], wall: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(lengthOf(bodies));
  let at = 0;
  for (const body of bodies) {
    const end = at + PREFIX_BYTES + TIME_BYTES + body.length;
    bytes.writeUInt32BE(end - at - PREFIX_BYTES, at);
    bytes.writeDoubleBE(wall, at + PREFIX_BYTES);
    bytes.set(body, at + PREFIX_BYTES + TIME_BYTES);
    bytes.writeUInt32BE(crc32(bytes.subarray(at + PREFIX_BYTES, end)), at + 4);
    at = end;
  }
  return bytes;
}

export interface ReadBatch {
  readonly kept: readonly Kept[];
  readonly forgotten: readonly ClientId[];
  /** Of its record. */
  readonly bytes: number;
}

/**
 * Reads the whole records of a file, as far as none is damaged, and hands them over newest first: what is outdated is
 * garbage as soon as it is read, which takes half the time of replacing it by what is newer.
 *
 * @param wall  now, in epoch milliseconds: ages are durations, and go on while the member does not run.
 * @returns what is wrong with the file, as part of a sentence. A record that ends behind the file's end is what a write
 *   leaves that was interrupted, and nothing is wrong with that.
 */
export function readRecords(file: Buffer, wall: number, take: (batch: ReadBatch) => void): string | undefined {
  if (file.length < FILE_HEADER_BYTES) return undefined;
  if (!file.subarray(0, FILE_HEADER_BYTES).equals(MAGIC)) return "it is not a journal of this version";
  const begins: number[] = [];
  let wrong: string | undefined;
  let at = FILE_HEADER_BYTES;
  for (; at + PREFIX_BYTES <= file.length; at += PREFIX_BYTES + file.readUInt32BE(at)) {
    const length = file.readUInt32BE(at);
    if (length <= TIME_BYTES || length > TIME_BYTES + FRAME_BYTES_MAX) wrong = `no record begins at byte ${at}`;
    else if (at + PREFIX_BYTES + length > file.length) break;
    else if (crc32(bodyAt(file, at)) !== file.readUInt32BE(at + 4))
      wrong = `the checksum of the record at byte ${at} is wrong`;
    if (wrong !== undefined) break;
    begins.push(at);
  }
  for (let index = begins.length - 1; index >= 0; index--) {
    const begin = begins[index] as number;
    wrong = readRecord(bodyAt(file, begin), wall, take) ?? wrong;
  }
  return wrong;
}

function bodyAt(file: Buffer, at: number): Buffer {
  const begin = at + PREFIX_BYTES;
  return file.subarray(begin, begin + file.readUInt32BE(at));
}

function readRecord(body: Buffer, wall: number, take: (batch: ReadBatch) => void): string | undefined {
  const message = new FrameReader().push(body.subarray(TIME_BYTES));
  const bytes = PREFIX_BYTES + body.length;
  if (message?.type === "fetch") take({ kept: [], forgotten: message.ids, bytes });
  else if (message?.type === "sync") {
    const kept: Kept[] = [...message.changes, ...message.removals];
    const elapsedMs = Math.max(0, Math.round(wall - body.readDoubleBE(0)));
    // In place: nobody else has what was just read, and there may be hundreds of thousands.
    for (const one of kept as { ageMs: number; isUnfinished?: true }[]) {
      one.ageMs += elapsedMs;
      if (message.seq === UNFINISHED) one.isUnfinished = true;
    }
    take({ kept, forgotten: [], bytes });
  } else return message?.type === "malformed" ? `a record cannot be read: ${message.reason}` : "a record is unknown";
  return undefined;
}
