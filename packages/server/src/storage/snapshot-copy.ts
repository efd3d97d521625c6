import { crc32 } from "./crc32.ts";
import type { Files } from "./files.ts";
import { HEAD_BYTES_MAX, headFault, headLine, readHead } from "./snapshot.ts";
import type { Mark } from "./store.ts";

/** Where a snapshot stands, by itself or within another file. */
export interface SnapshotPlace {
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
}

/** More than a foot has. */
const FOOT_BYTES_MAX = 256;
const CHUNK_BYTES = 256 * 1024;

/** What the last line of a snapshot says of the bytes before it. */
export interface SnapshotFoot {
  /** Offset of the line, within the snapshot. */
  readonly at: number;
  readonly rows: number;
  readonly checksum: number;
}

export const WRONG_CHECKSUM = "its checksum is wrong";

/**
 * Copies a snapshot with another head: the same rows, byte by byte, and a foot that fits. Synced when it resolves.
 *
 * @returns what is wrong with the snapshot, as a clause; undefined for nothing.
 */
export async function copySnapshot(
  files: Files,
  from: SnapshotPlace,
  to: string,
  change: (mark: Mark) => Mark,
): Promise<string | undefined> {
  const { path, offset, bytes } = from;
  const start = await files.readRange(path, offset, Math.min(bytes, HEAD_BYTES_MAX));
  const headEnd = start.indexOf(10) + 1;
  const head = start.toString("utf8", 0, Math.max(0, headEnd - 1));
  const mark = readHead(head);
  if (mark === undefined) return headFault(head);
  const foot = await readFoot(files, from);
  if (foot === undefined || foot.at < headEnd) return "its last line is damaged";

  const file = await files.create(to);
  try {
    let position = 0;
    let checksum = 0;
    const write = async (piece: Buffer): Promise<void> => {
      checksum = crc32(piece, checksum);
      await file.write(piece, position);
      position += piece.length;
    };
    await write(Buffer.from(`${headLine(change(mark))}\n`));
    let found = crc32(start.subarray(0, headEnd));
    for (let at = headEnd; at < foot.at; at += CHUNK_BYTES) {
      const piece = await files.readRange(path, offset + at, Math.min(CHUNK_BYTES, foot.at - at));
      found = crc32(piece, found);
      await write(piece);
    }
    // Else what is damaged would have a checksum that fits.
    if (found !== foot.checksum) return WRONG_CHECKSUM;
    await write(Buffer.from(`${JSON.stringify({ rows: foot.rows, checksum })}\n`));
    await file.sync();
  } finally {
    await file.close();
  }
  return undefined;
}

/** Undefined for one whose last line is damaged. */
export async function readFoot(files: Files, place: SnapshotPlace): Promise<SnapshotFoot | undefined> {
  const { path, offset, bytes } = place;
  const length = Math.min(bytes, FOOT_BYTES_MAX);
  const end = await files.readRange(path, offset + bytes - length, length);
  const begin = end.lastIndexOf(10, end.length - 2) + 1;
  try {
    const { rows, checksum } = JSON.parse(end.toString("utf8", begin)) as { rows?: unknown; checksum?: unknown };
    if (!Number.isSafeInteger(rows) || !Number.isSafeInteger(checksum)) return undefined;
    return { at: bytes - length + begin, rows: rows as number, checksum: checksum as number };
  } catch {
    return undefined;
  }
}
