import { join } from "node:path";
import { isLarge, piecesOf } from "../large-text.ts";
import { crc32 } from "./crc32.ts";
import { DamageError } from "./damage.ts";
import type { Files } from "./files.ts";
import type { ColumnValue, SnapshotRow } from "./sql/snapshot-rows.ts";
import type { Mark, View } from "./store.ts";
import { turn } from "./turn.ts";

/**
 * A snapshot is a text file of JSON lines: a head with format, mark and a checksum of its own, one `[kind, key, value]` per row, and a foot with
 * the number of rows and the checksum of all bytes before it (L8). Format 1 had keyed rows only, 2 neither term nor
 * configuration.
 */
export const SNAPSHOT_VERSION = 3;
const FORMAT = `nacre-snapshot-${SNAPSHOT_VERSION}`;
const READABLE = [FORMAT, "nacre-snapshot-2", "nacre-snapshot-1"];
const NAME = /^(\d{16})\.snapshot$/;
const SLICE_MS = 5;
const SLICE_BYTES = 256 * 1024;

/** What a snapshot says of itself. */
export interface SnapshotInfo extends Mark {
  /** Of the whole file. */
  readonly bytes: number;
}

/** More than a head has: it holds the ids of members, and they are few. */
export const HEAD_BYTES_MAX = 64 * 1024;

const numbered = (index: number): string => String(index).padStart(16, "0");

export function snapshotPath(directory: string, index: number): string {
  return join(directory, `${numbered(index)}.snapshot`);
}

/** The indexes of the snapshots in a folder, newest first. */
export async function listSnapshots(files: Files, directory: string): Promise<number[]> {
  const names = await files.list(directory);
  return names
    .flatMap((name) => NAME.exec(name)?.[1] ?? [])
    .map(Number)
    .reverse();
}

/**
 * Removes what interrupted snapshots left, what was being received and is older than the newest, what was set aside but
 * the newest of it, and all snapshots but the newest `keep` and those in use.
 *
 * @returns the oldest index that the log has to continue; undefined with fewer than `keep`.
 */
export async function pruneSnapshots(
  files: Files,
  directory: string,
  keep: number,
  inUse: readonly number[] = [],
): Promise<number | undefined> {
  const indexes = await listSnapshots(files, directory);
  for (const index of indexes.slice(keep)) {
    if (!inUse.includes(index)) await files.remove(snapshotPath(directory, index));
  }
  const names = await files.list(directory);
  const damaged = names.filter((name) => name.endsWith(DAMAGED)).slice(0, -1);
  const overtaken = (name: string) => name.endsWith(INCOMING) && Number.parseInt(name, 10) <= (indexes[0] ?? 0);
  for (const name of names) {
    if (name.endsWith(".tmp") || damaged.includes(name) || overtaken(name)) await files.remove(join(directory, name));
  }
  return indexes.length < keep ? undefined : indexes[keep - 1];
}

const DAMAGED = ".damaged";
/** Ends the name of one of another member that has not come whole; the name begins with the index. */
export const INCOMING = ".incoming";
/** Ends the name of a snapshot that is being put in the place of log and store. */
export const INSTALL = ".install";

/** Keeps a damaged snapshot for whoever wants to know, under a name by which it is none. */
export async function setAsideSnapshot(files: Files, directory: string, index: number): Promise<void> {
  const path = snapshotPath(directory, index);
  await files.rename(path, path + DAMAGED);
  await files.syncDirectory(directory);
}

/**
 * Writes the view in slices of at most 5 ms, with the event loop free between them, under a temporary name, synced, then
 * renamed: a name that ends in `.snapshot` is a complete file.
 *
 * @param stopped  asked between slices; true gives up without a trace.
 * @returns the bytes of the snapshot; undefined when it was given up.
 */
export async function writeSnapshot(
  files: Files,
  directory: string,
  view: View,
  stopped: () => boolean,
): Promise<number | undefined> {
  const path = snapshotPath(directory, view.mark.index);
  const file = await files.create(`${path}.tmp`);
  let complete = false;
  let position = 0;
  try {
    let checksum = 0;
    const write = async (text: string) => {
      const bytes = Buffer.from(text);
      checksum = crc32(bytes, checksum);
      await file.write(bytes, position);
      position += bytes.length;
    };
    await write(`${headLine(view.mark)}\n`);
    let count = 0;
    for (let done = false; !done; ) {
      if (stopped()) return undefined;
      let text = "";
      const sliceEndsAt = performance.now() + SLICE_MS;
      while (!done && text.length < SLICE_BYTES && performance.now() < sliceEndsAt) {
        const next = view.rows.next();
        if (next.done === true) {
          done = true;
        } else {
          count += 1;
          const { kind, key, value } = next.value;
          if (typeof value === "string" || !value.some(isLong)) text += `${JSON.stringify([kind, key, value])}\n`;
          else {
            for (const piece of longLine(kind, key, value)) {
              await write(text + piece);
              text = "";
            }
          }
        }
      }
      await write(text);
      await turn();
    }
    await write(`${JSON.stringify({ rows: count, checksum })}\n`);
    await file.sync();
    complete = true;
  } finally {
    await file.close();
    if (!complete) await files.remove(`${path}.tmp`);
  }
  await files.rename(`${path}.tmp`, path);
  await files.syncDirectory(directory);
  return position;
}

const isLong = (column: ColumnValue): boolean => typeof column === "string" && isLarge(column);

/** A line with a content of megabytes: the same bytes, of which none takes long to make. */
function* longLine(kind: string, key: string, columns: readonly ColumnValue[]): Generator<string> {
  let text = `[${JSON.stringify(kind)},${JSON.stringify(key)},[`;
  for (const [at, column] of columns.entries()) {
    if (at > 0) text += ",";
    if (typeof column !== "string" || !isLarge(column)) {
      text += JSON.stringify(column);
      continue;
    }
    yield `${text}"`;
    for (const piece of piecesOf(column)) yield JSON.stringify(piece).slice(1, -1);
    text = '"';
  }
  yield `${text}]]\n`;
}

/**
 * Whether a snapshot is complete and undamaged.
 * @returns its mark, or what is wrong with it, as a clause.
 */
export async function checkSnapshot(files: Files, path: string): Promise<Mark | string> {
  let head: Mark | undefined;
  let foot: string | undefined;
  let checksum = 0;
  let rows = 0;
  try {
    for await (const line of lines(files.chunks(path))) {
      if (foot !== undefined) {
        checksum = crc32(`${foot}\n`, checksum);
        if (head === undefined) head = readHead(foot);
        else rows += 1;
        if (head === undefined) return headFault(foot);
      }
      foot = line;
    }
  } catch (thrown) {
    return `it cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
  }
  if (head === undefined || foot !== JSON.stringify({ rows, checksum })) return "its checksum is wrong";
  return head;
}

/** What a snapshot says of itself in its first line; undefined when that is damaged. The rest is not looked at. */
export async function inspectSnapshot(files: Files, path: string): Promise<SnapshotInfo | undefined> {
  const start = await files.readRange(path, 0, HEAD_BYTES_MAX);
  const head = readHead(start.toString("utf8", 0, Math.max(0, start.indexOf(10))));
  return head && { ...head, bytes: await files.size(path) };
}

/** The rows of a snapshot that `checkSnapshot` found good. */
export async function* snapshotRows(files: Files, path: string): AsyncGenerator<SnapshotRow> {
  let head = true;
  for await (const line of lines(files.chunks(path))) {
    if (line.startsWith("[")) {
      const [kind, key, value] = JSON.parse(line) as [string, string, SnapshotRow["value"]];
      yield { kind, key, value };
    } else if (!head) {
      return;
    }
    head = false;
  }
}

/** The snapshot that a process began to put in the place of log and store, and did not finish. */
export async function unfinishedInstall(
  files: Files,
  directory: string,
): Promise<{ readonly index: number; finish(): Promise<void> } | undefined> {
  for (const name of await files.list(directory)) {
    if (!name.endsWith(INSTALL)) continue;
    const index = Number.parseInt(name, 10);
    return {
      index,
      async finish() {
        await files.rename(join(directory, name), snapshotPath(directory, index));
        await files.syncDirectory(directory);
      },
    };
  }
  return undefined;
}

export function noSnapshot(directory: string, firstIndex: number, reasons: readonly string[]): DamageError {
  const why = reasons.length === 0 ? "there is none" : reasons.join("; ");
  return new DamageError(
    { part: "snapshots", path: directory, fromIndex: 1 },
    `the state cannot be rebuilt, because no snapshot in ${directory} can be used (${why}) and the log starts at record ` +
      `${firstIndex}: restore the data folder from a backup`,
  );
}

export function headLine({ index, term, checksum, configuration }: Mark): string {
  const head = { format: FORMAT, index, term, checksum, configuration };
  return JSON.stringify({ ...head, sum: crc32(JSON.stringify(head)) });
}

export function readHead(line: string): Mark | undefined {
  try {
    const { sum, ...head } = JSON.parse(line);
    if (head.format === FORMAT ? sum !== crc32(JSON.stringify(head)) : !READABLE.includes(head.format))
      return undefined;
    const { index, term = 0, checksum, configuration = "" } = head;
    return { index, term, checksum, configuration };
  } catch {
    return undefined;
  }
}

/** Of which version a first line says that its snapshot is; undefined when it is damaged. */
export function snapshotVersion(line: string): number | undefined {
  try {
    const { sum, ...head } = JSON.parse(line);
    const version = /^nacre-snapshot-(\d{1,9})$/.exec(head.format)?.[1];
    const isWhole = sum === crc32(JSON.stringify(head));
    return version === undefined || !(isWhole || READABLE.includes(head.format)) ? undefined : Number(version);
  } catch {
    return undefined;
  }
}

/** Why `readHead` could make nothing of a first line, as a clause. */
export function headFault(line: string): string {
  const version = snapshotVersion(line);
  return version === undefined || version <= SNAPSHOT_VERSION
    ? "its first line is damaged"
    : `its format is version ${version}, and this program reads up to version ${SNAPSHOT_VERSION}: take the program that wrote it, or a newer one`;
}

/** Lines without their end; bytes behind the last line end are no line. Damaged UTF-8 is caught by the checksum. */
async function* lines(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  // Pieces of a line that goes on in the next chunk: with a content of 10 MiB there are many.
  let begun: Buffer[] = [];
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(10, start); end !== -1; end = chunk.indexOf(10, start)) {
      begun.push(chunk.subarray(start, end));
      yield Buffer.concat(begun).toString();
      begun = [];
      start = end + 1;
    }
    begun.push(chunk.subarray(start));
  }
}
