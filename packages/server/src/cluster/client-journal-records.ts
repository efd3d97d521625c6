import { type Change, type ClientId, FrameReader, frames, type Head } from "@nacre/core/distro";
import { crc32 } from "../storage/crc32.ts";

/** What a journal remembers of one client: what it publishes, or that it is gone. */
export type Kept = Change | (Head & { readonly gone: NonNullable<Head["gone"]> });

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
const BODY_BYTES_MAX = 2 * 1024 * 1024;

export function fileHeader(): Uint8Array {
  return MAGIC;
}

/** @returns the records of some clients, one after the other. `forgotten` are not this member's any more. */
export function encodeRecords(kept: readonly Kept[], forgotten: readonly ClientId[], wall: number): Uint8Array {
  const changes = kept.filter((one): one is Change => one.gone === undefined);
  const removals = kept.filter(({ gone }) => gone !== undefined);
  const bodies: Uint8Array[] = [];
  if (kept.length > 0) bodies.push(...frames({ type: "sync", seq: 0, changes, removals }));
  // The frame that asks for clients carries nothing but ids: here it says that they are to be forgotten.
  if (forgotten.length > 0) bodies.push(...frames({ type: "fetch", ids: forgotten }));
  const length = bodies.reduce((sum, body) => sum + PREFIX_BYTES + TIME_BYTES + body.length, 0);
  const bytes = Buffer.allocUnsafe(length);
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
  /** Bytes of the records of this batch. */
  readonly bytes: number;
}

/**
 * Reads a file from its start, oldest batch first, as far as it is whole.
 *
 * @param wall  now, in epoch milliseconds: ages are durations, and go on while the member does not run.
 * @returns what is wrong with it, as part of a sentence. A record that ends behind the file's end is what a write leaves
 *   that was interrupted, and nothing is wrong with that.
 */
export function readRecords(bytes: Buffer, wall: number, take: (batch: ReadBatch) => void): string | undefined {
  if (bytes.length < FILE_HEADER_BYTES) return undefined;
  if (!bytes.subarray(0, FILE_HEADER_BYTES).equals(MAGIC)) return "it is not a journal of this version";
  const reader = new FrameReader();
  let begunAt = FILE_HEADER_BYTES;
  for (let at = FILE_HEADER_BYTES; at + PREFIX_BYTES <= bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const end = at + PREFIX_BYTES + length;
    if (length <= TIME_BYTES || length > BODY_BYTES_MAX) return `no record begins at byte ${at}`;
    if (end > bytes.length) return undefined;
    const body = bytes.subarray(at + PREFIX_BYTES, end);
    if (crc32(body) !== bytes.readUInt32BE(at + 4)) return `the checksum of the record at byte ${at} is wrong`;
    const message = reader.push(body.subarray(TIME_BYTES));
    if (message?.type === "malformed") return `the record at byte ${at} cannot be read: ${message.reason}`;
    at = end;
    if (message === undefined) continue;
    const size = end - begunAt;
    begunAt = end;
    if (message.type === "fetch") take({ kept: [], forgotten: message.ids, bytes: size });
    if (message.type !== "sync") continue;
    const elapsedMs = Math.max(0, Math.round(wall - body.readDoubleBE(0)));
    const kept: Kept[] = [];
    for (const change of message.changes) kept.push({ ...change, ageMs: change.ageMs + elapsedMs });
    for (const head of message.removals)
      if (head.gone !== undefined) kept.push({ ...head, gone: head.gone, ageMs: head.ageMs + elapsedMs });
    take({ kept, forgotten: [], bytes: size });
  }
  return undefined;
}
