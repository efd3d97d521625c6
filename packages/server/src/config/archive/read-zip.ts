import { crc32 } from "node:zlib";
import { RegistryError } from "@nacre/protocol";
import { turn } from "../../storage/turn.ts";
import { inflate } from "./deflate.ts";
import type { ArchiveLimits } from "./limits.ts";
import {
  CENTRAL_BYTES,
  CENTRAL_SIGNATURE,
  COMMENT_BYTES_MAX,
  COUNT_MAX,
  DEFLATE_RATIO_MAX,
  DEFLATED,
  END_BYTES,
  END_SIGNATURE,
  FLAG_ENCRYPTED,
  LOCAL_BYTES,
  LOCAL_SIGNATURE,
  SIZE_MAX,
  STORED,
} from "./zip-format.ts";

/** One entry of the directory at the end of a zip, which alone says what the zip holds. */
export interface ZipEntry {
  /** Bytes that are not UTF-8 are replaced by U+FFFD. */
  readonly name: string;
  readonly encrypted: boolean;
  readonly method: number;
  readonly crc: number;
  /** Bytes in the archive, and bytes that they become. Both are claims of the header. */
  readonly deflatedSize: number;
  readonly size: number;
  readonly data: Uint8Array;
}

/** Central headers that are read before the event loop gets a turn: about 1 ms. */
const ENTRIES_PER_TURN = 500;

/**
 * The directory of a zip. Nothing is inflated yet, but nothing can cost more than the limits afterwards: claims add up
 * to less than them, `readEntry` holds every entry to its claim, and no two entries share bytes of the archive.
 *
 * @throws RegistryError `importUnreadable` for what is no zip, is damaged, needs zip64, or is over a limit.
 */
export async function readDirectory(archive: Uint8Array, limits: ArchiveLimits): Promise<ZipEntry[]> {
  const bytes = Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength);
  const end = findEnd(bytes);
  const located: { entry: ZipEntry; from: number; to: number }[] = [];
  let at = end.offset;
  let total = 0;
  while (at < end.offset + end.bytes) {
    if (located.length >= limits.entriesMax) throw tooManyEntries(limits);
    if (located.length % ENTRIES_PER_TURN === ENTRIES_PER_TURN - 1) await turn();
    const { next, ...one } = readCentral(bytes, at, end.offset);
    located.push(one);
    total += one.entry.size;
    at = next;
  }
  if (located.length !== end.count || at !== end.offset + end.bytes) throw damaged("its directory is cut");
  await turn();
  refuseOverlaps(located);
  if (total > limits.totalBytesMax) {
    throw unreadable(`its entries become ${total} bytes, more than the ${limits.totalBytesMax} that are allowed`);
  }
  if (total > limits.freeBytes && total > archive.length * limits.ratioMax) {
    throw unreadable(
      `its entries grow more than ${limits.ratioMax} times, as in archives that are made to fill a disk`,
    );
  }
  return located.map(({ entry }) => entry);
}

/**
 * The bytes of an entry.
 *
 * @throws RegistryError `importUnreadable` when they do not fit what the directory says of them.
 */
export async function readEntry(entry: ZipEntry): Promise<Uint8Array> {
  const bytes = entry.method === STORED ? entry.data : await inflated(entry);
  if (bytes.length !== entry.size || crc32(bytes) !== entry.crc) {
    throw damaged(`the content of ${shown(entry.name)} does not fit its checksum`);
  }
  return bytes;
}

/** Whether this reader knows how the entry is packed. */
export function canRead(entry: ZipEntry): boolean {
  return !entry.encrypted && (entry.method === STORED || entry.method === DEFLATED);
}

/** A name of an entry as a message shows it: not longer than a name may be. */
export function shown(name: string): string {
  return name.length > 400 ? `${name.slice(0, 400)}...` : name;
}

async function inflated(entry: ZipEntry): Promise<Uint8Array> {
  try {
    return await inflate(entry.data, entry.size);
  } catch (cause) {
    throw damaged(`the content of ${shown(entry.name)} can not be inflated to the size its header says`, cause);
  }
}

interface End {
  readonly count: number;
  readonly bytes: number;
  readonly offset: number;
}

/** The record at the end, behind which at most a comment stands. */
function findEnd(bytes: Buffer): End {
  const last = bytes.length - END_BYTES;
  for (let at = last; at >= 0 && at >= last - COMMENT_BYTES_MAX; at--) {
    if (bytes.readUInt32LE(at) !== END_SIGNATURE) continue;
    if (at + END_BYTES + bytes.readUInt16LE(at + 20) !== bytes.length) continue;
    const end = {
      count: bytes.readUInt16LE(at + 10),
      bytes: bytes.readUInt32LE(at + 12),
      offset: bytes.readUInt32LE(at + 16),
    };
    if (end.count === COUNT_MAX || end.bytes === SIZE_MAX || end.offset === SIZE_MAX) {
      throw unreadable("it is a zip64 archive; pack fewer than 65,535 entries and less than 4 GiB");
    }
    if (bytes.readUInt16LE(at + 4) !== 0 || bytes.readUInt16LE(at + 8) !== end.count) {
      throw unreadable("it is one part of an archive in several files");
    }
    if (end.offset + end.bytes !== at) throw damaged("its directory is not where its end says");
    return end;
  }
  throw unreadable("it is no zip archive, or its end is missing");
}

function readCentral(
  bytes: Buffer,
  at: number,
  directory: number,
): { entry: ZipEntry; from: number; to: number; next: number } {
  if (at + CENTRAL_BYTES > bytes.length || bytes.readUInt32LE(at) !== CENTRAL_SIGNATURE) {
    throw damaged("its directory is cut");
  }
  const nameBytes = bytes.readUInt16LE(at + 28);
  const next = at + CENTRAL_BYTES + nameBytes + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
  if (next > bytes.length) throw damaged("its directory is cut");
  const rawName = bytes.subarray(at + CENTRAL_BYTES, at + CENTRAL_BYTES + nameBytes);
  const name = rawName.toString();
  const deflatedSize = bytes.readUInt32LE(at + 20);
  const size = bytes.readUInt32LE(at + 24);
  const from = bytes.readUInt32LE(at + 42);
  if (deflatedSize === SIZE_MAX || size === SIZE_MAX || from === SIZE_MAX) {
    throw unreadable(`${shown(name)} needs zip64, which is not read`);
  }
  const dataFrom = localDataFrom(bytes, from, directory, rawName, name);
  const to = dataFrom + deflatedSize;
  if (to > directory) throw damaged(`the content of ${shown(name)} is cut`);
  if (size > deflatedSize * DEFLATE_RATIO_MAX)
    throw damaged(`no content can become the size that ${shown(name)} claims`);
  const entry: ZipEntry = {
    name,
    encrypted: (bytes.readUInt16LE(at + 8) & FLAG_ENCRYPTED) !== 0,
    method: bytes.readUInt16LE(at + 10),
    crc: bytes.readUInt32LE(at + 16),
    deflatedSize,
    size,
    data: bytes.subarray(dataFrom, to),
  };
  return { entry, from, to, next };
}

/** Where the data of an entry starts; its own header must bear the same name, or readers would disagree. */
function localDataFrom(bytes: Buffer, from: number, directory: number, rawName: Buffer, name: string): number {
  const nameFrom = from + LOCAL_BYTES;
  if (nameFrom > directory || bytes.readUInt32LE(from) !== LOCAL_SIGNATURE) {
    throw damaged(`${shown(name)} is not where the directory says`);
  }
  const nameTo = nameFrom + bytes.readUInt16LE(from + 26);
  if (nameTo > directory || bytes.compare(rawName, 0, rawName.length, nameFrom, nameTo) !== 0) {
    throw damaged(`${shown(name)} has another name in its own header`);
  }
  return nameTo + bytes.readUInt16LE(from + 28);
}

function refuseOverlaps(located: readonly { entry: ZipEntry; from: number; to: number }[]): void {
  const ascending = [...located].sort((a, b) => a.from - b.from);
  for (const [index, one] of ascending.entries()) {
    const before = ascending[index - 1];
    if (before !== undefined && one.from < before.to) {
      throw damaged(`${shown(before.entry.name)} and ${shown(one.entry.name)} share bytes`);
    }
  }
}

function tooManyEntries(limits: ArchiveLimits): RegistryError {
  return unreadable(`it has more than the ${limits.entriesMax} entries that are allowed`);
}

function damaged(why: string, cause?: unknown): RegistryError {
  return new RegistryError("importUnreadable", `the archive is damaged: ${why}`, { cause });
}

function unreadable(why: string): RegistryError {
  return new RegistryError("importUnreadable", `the archive can not be read: ${why}`);
}
