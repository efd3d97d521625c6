import { join } from "node:path";
import { RegistryError } from "@nacre/protocol";
import { diskFailure, failureCode, isFull } from "./disk-failure.ts";
import type { Files, OpenFile } from "./files.ts";
import { offsetOf, readRecords } from "./log-reader.ts";
import { type LogScan, notePlace, type Segment } from "./log-scan.ts";
import { encodeBatch, type LogRecord, type NewRecord, SEGMENT_HEADER_BYTES, scanSegment } from "./records.ts";
import {
  type ActiveSegment,
  createSegment,
  type NewSegment,
  prepareSegment,
  removePrepared,
  removeSegments,
} from "./segments.ts";
import { SyncTimes } from "./sync-times.ts";

/** Where a batch went: the index of its first record, and the checksum of each. */
export interface Appended {
  readonly firstIndex: number;
  readonly checksums: readonly number[];
}

/**
 * The log of one member, in segments. Whoever writes waits: one `append`, `truncateFrom` or `restartAfter` at a time.
 * Reading and dropping the start may go on meanwhile.
 */
export class LogFile {
  readonly #files: Files;
  readonly #directory: string;
  readonly #segmentBytes: number;
  #closed: Segment[];
  #active: ActiveSegment;
  #lastIndex: number;
  #appendedBytes = 0;
  /** Grows with every cut, so that a reading notices one. */
  #cuts = 0;
  /** Under way; whoever reads waits for it. */
  #cutting: Promise<void> | undefined;
  /** Up to here records may be gone at any moment. */
  #dropping = 0;
  /** A failed write is still in the file behind the last good record, because there was no space even to remove it. */
  #uncut = false;
  #refusing: string | undefined;
  #full: string | undefined;
  readonly #syncs = new SyncTimes();

  private constructor(
    files: Files,
    directory: string,
    segmentBytes: number,
    closed: readonly Segment[],
    active: ActiveSegment,
  ) {
    this.#files = files;
    this.#directory = directory;
    this.#segmentBytes = segmentBytes;
    this.#closed = [...closed];
    this.#active = active;
    this.#lastIndex = active.firstIndex - 1;
  }

  /**
   * Cuts the torn tail that the scan found, makes sure of what is left, and opens the last segment for writing.
   *
   * @param startAfter  index that a log without any segment continues.
   * @param isSynced    whether the last run ended in order, so that all of the log is on the disk.
   * @throws RegistryError `dataAccess`
   */
  static async open(
    files: Files,
    directory: string,
    scan: LogScan,
    options: { readonly segmentBytes: number; readonly startAfter: number; readonly isSynced: boolean },
  ): Promise<LogFile> {
    let file: OpenFile | undefined;
    try {
      await removePrepared(files, directory);
      const last = scan.segments.at(-1);
      if (last === undefined || last.bytes < SEGMENT_HEADER_BYTES) {
        const active = await createSegment(files, directory, last?.firstIndex ?? options.startAfter + 1);
        return new LogFile(files, directory, options.segmentBytes, scan.segments.slice(0, -1), active);
      }
      file = await files.open(join(directory, last.name));
      if (scan.torn !== undefined) await file.truncate(last.bytes);
      // What a killed process wrote may be in the page cache alone, and its segment's name too: without these, a loss of
      // power would take records from between others.
      if (!options.isSynced) {
        await file.sync();
        await files.syncDirectory(directory);
      }
      const { name, firstIndex, bytes: goodBytes } = last;
      const active = { name, firstIndex, file, goodBytes, places: [...last.places] };
      const log = new LogFile(files, directory, options.segmentBytes, scan.segments.slice(0, -1), active);
      log.#lastIndex = last.lastIndex;
      return log;
    } catch (thrown) {
      await file?.close();
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

  /** The longest sync of the last few seconds, milliseconds. */
  get syncMs(): number {
    return this.#syncs.longestMs;
  }

  /** Why nothing is written until a restart, as a sentence. */
  get refusing(): string | undefined {
    return this.#refusing;
  }

  /** Set while the last write failed for want of space, as a sentence; the next that succeeds ends it. */
  get full(): string | undefined {
    return this.#full;
  }

  /** Somebody found that there is space again, without a write to the log. */
  foundSpace(): void {
    this.#full = undefined;
  }

  /**
   * Writes the batch with one write and one sync; it is durable when this resolves (L1).
   *
   * @param firstIndex  of the first record: the place behind the last one.
   * @throws RegistryError `dataAccess`: nothing of the batch is in the log, and its indexes are free again (L5).
   */
  async append(records: readonly NewRecord[], firstIndex = this.#lastIndex + 1): Promise<Appended> {
    this.#mayWrite();
    if (firstIndex !== this.#lastIndex + 1) throw new Error(`record ${firstIndex} cannot follow ${this.#lastIndex}`);
    const { bytes, checksums } = encodeBatch(firstIndex, records);
    try {
      if (this.#uncut) await this.#cutFailedWrite();
      if (this.#active.goodBytes >= this.#segmentBytes) await this.#roll(firstIndex);
      await this.#active.file.write(bytes, this.#active.goodBytes);
    } catch (thrown) {
      await this.#cutBack();
      throw this.#failure(thrown);
    }
    try {
      await this.#syncs.time(() => this.#active.file.sync());
    } catch (thrown) {
      this.#refuse("a sync of the log failed, so that what the system holds of it cannot be trusted", thrown);
      await this.#cutBack();
      throw new RegistryError("dataAccess", this.#refusing ?? "", { cause: thrown });
    }
    this.#full = undefined;
    notePlace(this.#active.places, firstIndex, this.#active.goodBytes);
    this.#active.goodBytes += bytes.length;
    this.#appendedBytes += bytes.length;
    this.#lastIndex += records.length;
    return { firstIndex, checksums };
  }

  /**
   * Removes the records from `index` on and puts others in their place, all of it on the disk when this resolves.
   *
   * The segment that holds the cut is written anew, as it is to be, and takes its place in one step when the segments
   * behind it are gone: whenever process or machine stop, the log is the old one up to some record, or the new one.
   *
   * @param index  of a record of this log.
   * @throws RegistryError `dataAccess`: the log is as it was, or takes no writes until a restart.
   */
  async truncateFrom(index: number, records: readonly NewRecord[] = []): Promise<Appended> {
    this.#mayWrite();
    if (index < this.firstIndex || index > this.#lastIndex) throw new Error(`there is no record ${index} to be cut`);
    const segments = this.#segments();
    const at = segments.findLastIndex(({ firstIndex }) => firstIndex < index);
    const shortened = segments[at];
    const { bytes, checksums } = encodeBatch(index, records);
    const next = await this.#prepare(shortened, index, bytes).catch((thrown) => {
      throw this.#failure(thrown);
    });
    const closed = segments.slice(0, Math.max(0, at));
    // Where the first segment begins with the cut, the new one takes its name.
    await this.#replace(segments.slice(closed.length + 1), next, closed, index - 1 + records.length);
    this.#appendedBytes += bytes.length;
    return { firstIndex: index, checksums };
  }

  /** A segment of what stays of another one, and what comes behind it. */
  async #prepare(shortened: Segment | undefined, index: number, bytes: Buffer): Promise<NewSegment> {
    const placesIn = (start: number) => (bytes.length === 0 ? [] : [{ index, offset: start }]);
    if (shortened === undefined) {
      const next = await prepareSegment(this.#files, this.#directory, index, bytes);
      next.segment.places.push(...placesIn(SEGMENT_HEADER_BYTES));
      return next;
    }
    const { name, firstIndex, places } = shortened;
    const end = await offsetOf(this.#files, this.#directory, shortened, index);
    const path = join(this.#directory, name);
    const kept = await this.#files.readRange(path, SEGMENT_HEADER_BYTES, end - SEGMENT_HEADER_BYTES);
    const next = await prepareSegment(this.#files, this.#directory, firstIndex, Buffer.concat([kept, bytes]));
    next.segment.places.push(...places.filter((place) => place.index < index), ...placesIn(end));
    return next;
  }

  /** Removes all records; the next has the place behind `index`. A crash on the way leaves a beginning of the log, or none. */
  async restartAfter(index: number): Promise<void> {
    this.#mayWrite();
    const next = await prepareSegment(this.#files, this.#directory, index + 1, Buffer.alloc(0)).catch((thrown) => {
      throw this.#failure(thrown);
    });
    await this.#replace(this.#segments(), next, [], index);
  }

  /** The records after an index, oldest first, read from the files. Not to be mixed with writes. */
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

  /**
   * Some records from `index` on, as they follow each other: at least one, and beyond it as many as fit into `bytesMax`
   * and lie in the same segment. May be called while others write; a cut is seen as before or after it.
   *
   * @returns undefined for an index that the log does not hold, or no more.
   * @throws DamageError when the file does not hold what was written.
   */
  async read(index: number, bytesMax: number): Promise<readonly LogRecord[] | undefined> {
    for (;;) {
      await this.#cutting;
      const cuts = this.#cuts;
      const segment = this.#segments().find(({ firstIndex, lastIndex }) => firstIndex <= index && index <= lastIndex);
      if (segment === undefined) return undefined;
      try {
        const records = await readRecords(this.#files, this.#directory, segment, index, bytesMax);
        if (cuts === this.#cuts) return records;
      } catch (thrown) {
        // What was cut or dropped meanwhile may be gone from under the reading.
        if (index <= this.#dropping) return undefined;
        if (cuts === this.#cuts) throw diskFailure(`the log in ${this.#directory} cannot be read`, thrown);
      }
    }
  }

  /** Removes the segments that hold nothing after `index`; the one that is written to always stays. */
  async dropThrough(index: number): Promise<void> {
    while (this.#closed[0] !== undefined && this.#closed[0].lastIndex <= index) {
      // Oldest first, and each on the disk before the next, so that a crash in between leaves no gap.
      const { name, lastIndex } = this.#closed[0];
      this.#dropping = lastIndex;
      await this.#files.remove(join(this.#directory, name));
      await this.#files.syncDirectory(this.#directory);
      if (this.#closed[0]?.name === name) this.#closed = this.#closed.slice(1);
    }
  }

  /** Writes nothing from now on until a restart. @param reason  a clause. */
  stop(reason: string, thrown: unknown): void {
    this.#refuse(reason, thrown);
  }

  close(): Promise<void> {
    return this.#active.file.close();
  }

  #segments(): Segment[] {
    const { name, firstIndex, goodBytes, places } = this.#active;
    return [...this.#closed, { name, firstIndex, lastIndex: this.#lastIndex, bytes: goodBytes, places }];
  }

  /** Removes segments, and writes to the next one from now on, which may have the name of one that is left. */
  async #replace(
    removed: readonly Segment[],
    next: NewSegment,
    closed: readonly Segment[],
    lastIndex: number,
  ): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#cutting = done.promise;
    this.#cuts += 1;
    try {
      await removeSegments(this.#files, this.#directory, removed);
      await next.takePlace();
      await this.#active.file.close();
    } catch (thrown) {
      this.#refuse("a part of it could not be removed", thrown);
      await next.giveUp();
      throw new RegistryError("dataAccess", this.#refusing ?? "", { cause: thrown });
    } finally {
      this.#cutting = undefined;
      done.resolve();
    }
    // The start of the log may have been dropped meanwhile.
    this.#closed = closed.filter((segment) => segment.lastIndex > this.#dropping);
    this.#active = next.segment;
    this.#lastIndex = lastIndex;
    this.#uncut = false;
    this.#full = undefined;
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
      await this.#cutFailedWrite();
    } catch (thrown) {
      if (!this.#uncut) this.#refuse("a failed write could not be removed from the log", thrown);
    }
  }

  async #cutFailedWrite(): Promise<void> {
    try {
      await this.#active.file.truncate(this.#active.goodBytes);
    } catch (thrown) {
      // Some file systems need space to give some back. No sync has failed, so the cut can be tried again.
      this.#uncut = isFull(thrown);
      throw thrown;
    }
    this.#uncut = false;
    await this.#active.file.sync();
  }

  #mayWrite(): void {
    if (this.#refusing !== undefined) throw new RegistryError("dataAccess", this.#refusing);
  }

  #failure(thrown: unknown): RegistryError {
    const failure = diskFailure(`the log in ${this.#directory} cannot be written`, thrown);
    this.#full = isFull(thrown) ? failure.message : undefined;
    return failure;
  }

  #refuse(reason: string, thrown: unknown): void {
    this.#refusing ??=
      `the log in ${this.#directory} takes no writes, because ${reason} (${failureCode(thrown)}): ` +
      "check its disk and restart";
  }
}
