import { RegistryError } from "@nacre/protocol";
import { crc32 } from "../storage/crc32.ts";
import type { Files } from "../storage/files.ts";
import { readFoot, WRONG_CHECKSUM } from "../storage/snapshot-copy.ts";
import { Tally } from "./tally.ts";

/**
 * A backup is one line of JSON, its head, and behind it a snapshot of the storage as it is. The head says what is in it and
 * has sums of the snapshot's blocks, so that damage is found with its place and without understanding a row.
 */
const BACKUP_VERSION = 1;
export const BACKUP_FORMAT = `nacre-backup-${BACKUP_VERSION}`;
/** More than a head has: ids, counts by kind, and `BLOCKS_MAX` sums of ten digits. */
const HEAD_BYTES_MAX = 64 * 1024;
const BLOCKS_MAX = 1000;
const BLOCK_BYTES_MIN = 1024 * 1024;

/** Where a backup comes from. */
export interface BackupOrigin {
  readonly clusterId: string;
  readonly epoch: number;
  readonly memberId: string;
  readonly address: string;
  readonly version: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

export interface BackupHead extends BackupOrigin {
  readonly format: string;
  /** Of the last entry of the log that it holds. */
  readonly index: number;
  readonly term: number;
  /** Of the snapshot behind the head. */
  readonly bytes: number;
  /** Rows by kind: tables of configurations, and `service`, `override`, `persistent`, `switch`. */
  readonly counts: Readonly<Record<string, number>>;
  /** SHA-256 over the rows of the state: equal for members, and backups, that hold the same. */
  readonly stateHash: string;
  readonly blocks: { readonly bytes: number; readonly sums: readonly number[] };
}

/** A snapshot that lies there for as long as it is read. */
export interface SnapshotFile {
  readonly path: string;
  readonly index: number;
  readonly term: number;
  readonly bytes: number;
}

/**
 * Reads a snapshot once, in chunks, to say what it holds.
 *
 * @throws RegistryError `dataAccess` for one that is damaged: sums of what it holds now would say that it is whole.
 */
export async function describeBackup(files: Files, snapshot: SnapshotFile, origin: BackupOrigin): Promise<BackupHead> {
  const { path, index, term, bytes } = snapshot;
  const tally = new Tally();
  const sums = new BlockSums(blockBytesFor(bytes));
  const foot = await readFoot(files, { path, offset: 0, bytes });
  let checksum = 0;
  let position = 0;
  for await (const chunk of files.chunks(path)) {
    tally.push(chunk);
    sums.push(chunk);
    checksum = crc32(chunk.subarray(0, Math.max(0, (foot?.at ?? 0) - position)), checksum);
    position += chunk.length;
  }
  if (position !== bytes || checksum !== foot?.checksum)
    throw new RegistryError(
      "dataAccess",
      `${path}, of which the backup was to be made, is damaged (${WRONG_CHECKSUM}): make it at another member, or at this ` +
        "one after another change of durable data, with which it takes another snapshot",
    );
  const blocks = { bytes: sums.blockBytes, sums: sums.end() };
  return { format: BACKUP_FORMAT, ...origin, index, term, bytes, ...tally.end(), blocks };
}

/** The bytes of a backup. */
export async function* backupBytes(files: Files, head: BackupHead, path: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(headText(head));
  yield* files.chunks(path);
}

function headText(head: BackupHead): string {
  return `${JSON.stringify({ ...head, sum: crc32(JSON.stringify(head)) })}\n`;
}

/** What a backup says of itself. @returns the head, and the offset of the snapshot. @throws RegistryError `invalidParameter`. */
export async function readBackupHead(
  files: Files,
  path: string,
): Promise<{ readonly head: BackupHead; readonly offset: number }> {
  const start = await files.readRange(path, 0, HEAD_BYTES_MAX);
  const end = start.indexOf(10);
  const head = end === -1 ? "none" : headOf(start.toString("utf8", 0, end));
  if (typeof head === "number")
    throw refused(
      path,
      `its format is version ${head}, and this program reads up to version ${BACKUP_VERSION}: take the program that wrote it, or a newer one`,
    );
  if (head === "none")
    throw refused(path, `it does not begin with the head of a backup (a line of JSON of the format ${BACKUP_FORMAT})`);
  if (head === "damaged")
    throw refused(path, `its head, bytes 0 to ${end}, is damaged, because the sum in it does not fit`);
  return { head, offset: end + 1 };
}

/** Reads all of a backup and compares it with its head. @throws RegistryError `invalidParameter` with the place and the rule. */
export async function verifyBackup(files: Files, path: string): Promise<BackupHead> {
  const { head, offset } = await readBackupHead(files, path);
  const check = new BackupCheck(path, head, offset);
  let skipped = 0;
  for await (const chunk of files.chunks(path)) {
    const begin = Math.min(chunk.length, offset - skipped);
    skipped += begin;
    if (begin < chunk.length) check.push(chunk.subarray(begin));
  }
  check.end();
  return head;
}

/** Compares the bytes behind the head with what that says, as they pass. */
export class BackupCheck {
  readonly #path: string;
  readonly #head: BackupHead;
  readonly #offset: number;
  readonly #tally = new Tally();
  readonly #sums: BlockSums;
  #bytes = 0;
  #checked = 0;

  constructor(path: string, head: BackupHead, offset: number) {
    this.#path = path;
    this.#head = head;
    this.#offset = offset;
    this.#sums = new BlockSums(head.blocks.bytes);
  }

  /** @throws RegistryError `invalidParameter` */
  push(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#head.bytes)
      throw refused(
        this.#path,
        `it goes on behind byte ${this.#offset + this.#head.bytes}, where its head says it ends`,
      );
    this.#tally.push(chunk);
    this.#sums.push(chunk);
    this.#compare(this.#sums.whole);
  }

  /** @throws RegistryError `invalidParameter` */
  end(): void {
    const { bytes, counts, stateHash } = this.#head;
    if (this.#bytes < bytes)
      throw refused(
        this.#path,
        `it ends at byte ${this.#offset + this.#bytes} and not at byte ${this.#offset + bytes}, where its head says it ends: it was cut off`,
      );
    this.#compare(this.#sums.end());
    const found = this.#tally.end();
    if (found.stateHash !== stateHash || JSON.stringify(found.counts) !== JSON.stringify(counts))
      throw refused(this.#path, "its rows are not those that its head counts");
  }

  #compare(sums: readonly number[]): void {
    const { bytes: blockBytes, sums: expected } = this.#head.blocks;
    for (; this.#checked < sums.length; this.#checked++) {
      if (sums[this.#checked] === expected[this.#checked]) continue;
      const from = this.#offset + this.#checked * blockBytes;
      const to = Math.min(from + blockBytes, this.#offset + this.#head.bytes);
      throw refused(this.#path, `bytes ${from} to ${to} are damaged, because their checksum is not that of its head`);
    }
  }
}

/** A checksum for every so many bytes. */
class BlockSums {
  readonly blockBytes: number;
  readonly whole: number[] = [];
  #sum = 0;
  #filled = 0;

  constructor(blockBytes: number) {
    this.blockBytes = blockBytes;
  }

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const piece = chunk.subarray(at, at + this.blockBytes - this.#filled);
      this.#sum = crc32(piece, this.#sum);
      this.#filled += piece.length;
      at += piece.length;
      if (this.#filled === this.blockBytes) this.#next();
    }
  }

  end(): readonly number[] {
    if (this.#filled > 0) this.#next();
    return this.whole;
  }

  #next(): void {
    this.whole.push(this.#sum);
    this.#sum = 0;
    this.#filled = 0;
  }
}

function blockBytesFor(bytes: number): number {
  return Math.max(BLOCK_BYTES_MIN, Math.ceil(bytes / BLOCKS_MAX));
}

/** @returns a number for a head of another version, which is that. */
function headOf(line: string): BackupHead | "none" | "damaged" | number {
  let read: Partial<BackupHead> & { readonly sum?: unknown };
  try {
    read = JSON.parse(line);
  } catch {
    return line.startsWith(`{"format":"nacre-backup`) ? "damaged" : "none";
  }
  const { sum, ...head } = read ?? {};
  const version = /^nacre-backup-(\d{1,9})$/.exec(head.format ?? "")?.[1];
  if (version === undefined) return "none";
  if (sum !== crc32(JSON.stringify(head))) return "damaged";
  if (Number(version) > BACKUP_VERSION) return Number(version);
  return isHead(head) ? head : "damaged";
}

/** What reading relies on: the sum tells damage, but not what somebody made by hand. */
function isHead(head: Partial<BackupHead>): head is BackupHead {
  const { index, term, bytes, blocks, clusterId, counts } = head;
  const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
  return (
    isCount(index) &&
    isCount(term) &&
    isCount(bytes) &&
    typeof clusterId === "string" &&
    typeof counts === "object" &&
    isCount(blocks?.bytes) &&
    blocks.bytes >= BLOCK_BYTES_MIN &&
    Array.isArray(blocks.sums) &&
    blocks.sums.length === Math.ceil(bytes / blocks.bytes)
  );
}

function refused(path: string, why: string): RegistryError {
  return new RegistryError("invalidParameter", `${path} cannot be used as a backup: ${why}`);
}
