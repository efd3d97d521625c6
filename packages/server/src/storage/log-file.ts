import { join } from "node:path";
import { RegistryError } from "@nacre/protocol";
import { diskFailure, failureCode } from "./disk-failure.ts";
import type { Files, OpenFile } from "./files.ts";
import { type LogScan, type Segment, segmentName } from "./log-scan.ts";
import {
  encodeBatch,
  encodeSegmentHeader,
  type LogRecord,
  type NewRecord,
  SEGMENT_HEADER_BYTES,
  scanSegment,
} from "./records.ts";
import { SyncTimes } from "./sync-times.ts";

/** Where a batch went: the index of its first record, and the checksum of each. */
export interface Appended {
  readonly firstIndex: number;
  readonly checksums: readonly number[];
}

/** The segment that is written to. */
interface Active {
  readonly name: string;
  readonly firstIndex: number;
  readonly file: OpenFile;
  /** End of the last synced record: what lies behind is not part of the log. */
  goodBytes: number;
}

/** The append-only log of one member, in segments. One `append` at a time; its caller collects what comes meanwhile. */
export class LogFile {
  readonly #files: Files;
  readonly #directory: string;
  readonly #segmentBytes: number;
  #closed: Segment[];
  #active: Active;
  #lastIndex: number;
  #appendedBytes = 0;
  #refusing: string | undefined;
  readonly #syncs = new SyncTimes();

  private constructor(files: Files, directory: string, segmentBytes: number, closed: Segment[], active: Active) {
    this.#files = files;
    this.#directory = directory;
    this.#segmentBytes = segmentBytes;
    this.#closed = closed;
    this.#active = active;
    this.#lastIndex = active.firstIndex - 1;
  }

  /**
   * Cuts the torn tail that the scan found and opens the last segment for writing.
   *
   * @param startAfter  index that a log without any segment continues.
   * @throws RegistryError `dataAccess`
   */
  static async open(
    files: Files,
    directory: string,
    scan: LogScan,
    options: { readonly segmentBytes: number; readonly startAfter: number },
  ): Promise<LogFile> {
    try {
      const last = scan.segments.at(-1);
      if (last === undefined || last.bytes < SEGMENT_HEADER_BYTES) {
        const active = await createSegment(files, directory, last?.firstIndex ?? options.startAfter + 1);
        return new LogFile(files, directory, options.segmentBytes, scan.segments.slice(0, -1), active);
      }
      const file = await files.open(join(directory, last.name));
      if (scan.torn !== undefined) {
        await file.truncate(last.bytes);
        await file.sync();
      }
      const active = { name: last.name, firstIndex: last.firstIndex, file, goodBytes: last.bytes };
      const log = new LogFile(files, directory, options.segmentBytes, scan.segments.slice(0, -1), active);
      log.#lastIndex = last.lastIndex;
      return log;
    } catch (thrown) {
      throw diskFailure(`the log in ${directory} cannot be opened`, thrown);
    }
  }

  get lastIndex(): number {
    return this.#lastIndex;
  }

  get firstIndex(): number {
    return this.#closed[0]?.firstIndex ?? this.#active.firstIndex;
  }

  get bytes(): number {
    return this.#closed.reduce((sum, segment) => sum + segment.bytes, this.#active.goodBytes);
  }

  /** Bytes of records appended since the log was opened. */
  get appendedBytes(): number {
    return this.#appendedBytes;
  }

  /** Why nothing is written until a restart, as a sentence. */
  /** The longest sync of the last few seconds, milliseconds. */
  get syncMs(): number {
    return this.#syncs.longestMs;
  }

  get refusing(): string | undefined {
    return this.#refusing;
  }

  /**
   * Writes the batch with one write and one sync; it is durable when this resolves (L1).
   *
   * @throws RegistryError `dataAccess`: nothing of the batch is in the log, and its indexes are free again (L5).
   */
  async append(records: readonly NewRecord[]): Promise<Appended> {
    if (this.#refusing !== undefined) throw new RegistryError("dataAccess", this.#refusing);
    const firstIndex = this.#lastIndex + 1;
    const { bytes, checksums } = encodeBatch(firstIndex, records);
    try {
      if (this.#active.goodBytes >= this.#segmentBytes) await this.#roll(firstIndex);
      await this.#active.file.write(bytes, this.#active.goodBytes);
    } catch (thrown) {
      await this.#cutBack();
      throw diskFailure(`the log in ${this.#directory} cannot be written`, thrown);
    }
    try {
      await this.#syncs.time(() => this.#active.file.sync());
    } catch (thrown) {
      this.#refuse("a sync of the log failed, so that what the system holds of it cannot be trusted", thrown);
      await this.#cutBack();
      throw new RegistryError("dataAccess", this.#refusing ?? "", { cause: thrown });
    }
    this.#active.goodBytes += bytes.length;
    this.#appendedBytes += bytes.length;
    this.#lastIndex += records.length;
    return { firstIndex, checksums };
  }

  /** The records after an index, oldest first, read from the files. Not to be mixed with `append`. */
  async *recordsAfter(index: number): AsyncGenerator<LogRecord> {
    for (const { name, firstIndex, lastIndex } of this.#segments()) {
      if (lastIndex <= index) continue;
      const found: LogRecord[] = [];
      scanSegment(await this.#files.read(join(this.#directory, name)), firstIndex, (record) => {
        if (record.index > index) found.push(record);
      });
      yield* found;
    }
  }

  /** Removes the segments that hold nothing after `index`; the one that is written to always stays. */
  async dropThrough(index: number): Promise<void> {
    while (this.#closed[0] !== undefined && this.#closed[0].lastIndex <= index) {
      // Oldest first, so that a crash in between leaves no gap.
      await this.#files.remove(join(this.#directory, this.#closed[0].name));
      this.#closed.shift();
    }
    await this.#files.syncDirectory(this.#directory);
  }

  close(): Promise<void> {
    return this.#active.file.close();
  }

  #segments(): Segment[] {
    const { name, firstIndex, goodBytes } = this.#active;
    return [...this.#closed, { name, firstIndex, lastIndex: this.#lastIndex, bytes: goodBytes }];
  }

  async #roll(firstIndex: number): Promise<void> {
    const next = await createSegment(this.#files, this.#directory, firstIndex);
    const { file } = this.#active;
    this.#closed = this.#segments();
    this.#active = next;
    await file.close();
  }

  /** Removes what a failed write left behind the last good record, so that a restart does not find it. */
  async #cutBack(): Promise<void> {
    try {
      await this.#active.file.truncate(this.#active.goodBytes);
      await this.#active.file.sync();
    } catch (thrown) {
      this.#refuse("a failed write could not be removed from the log", thrown);
    }
  }

  #refuse(reason: string, thrown: unknown): void {
    this.#refusing ??=
      `the log in ${this.#directory} takes no writes, because ${reason} (${failureCode(thrown)}): ` +
      "check its disk and restart";
  }
}

async function createSegment(files: Files, directory: string, firstIndex: number): Promise<Active> {
  const name = segmentName(firstIndex);
  const path = join(directory, name);
  const file = await files.create(path);
  try {
    await file.write(encodeSegmentHeader(firstIndex), 0);
    await file.sync();
    await files.syncDirectory(directory);
  } catch (thrown) {
    await file.close().catch(() => {});
    // A header that stays is harmless: the next try empties the file, and a restart takes it for a torn one.
    await files.remove(path).catch(() => {});
    throw thrown;
  }
  return { name, firstIndex, file, goodBytes: SEGMENT_HEADER_BYTES };
}
