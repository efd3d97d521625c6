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

/**
 * Copies a snapshot with another head: the same rows, byte by byte, and a foot that fits. Synced when it resolves, but
 * not checked: `checkSnapshot` says whether what came out is whole.
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
  const footAt = await findFoot(files, from);
  const foot = await files.readRange(path, offset + footAt, bytes - footAt);
  const rows = rowsIn(foot.toString());
  if (rows === undefined || footAt < headEnd) return "its last line is damaged";

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
    for (let at = headEnd; at < footAt; at += CHUNK_BYTES)
      await write(await files.readRange(path, offset + at, Math.min(CHUNK_BYTES, footAt - at)));
    await write(Buffer.from(`${JSON.stringify({ rows, checksum })}\n`));
    await file.sync();
  } finally {
    await file.close();
  }
  return undefined;
}

/** Offset of the last line, within the snapshot. */
async function findFoot(files: Files, { path, offset, bytes }: SnapshotPlace): Promise<number> {
  const length = Math.min(bytes, FOOT_BYTES_MAX);
  const end = await files.readRange(path, offset + bytes - length, length);
  return bytes - length + end.lastIndexOf(10, end.length - 2) + 1;
}

function rowsIn(foot: string): number | undefined {
  try {
    const { rows } = JSON.parse(foot) as { rows?: unknown };
    return Number.isSafeInteger(rows) ? (rows as number) : undefined;
  } catch {
    return undefined;
  }
}
