import { join } from "node:path";
import type { Files, OpenFile } from "../storage/files.ts";
import { FILE_HEADER_BYTES, fileHeader } from "./client-journal-records.ts";
import { ASIDE, type Found, journalName } from "./client-journal-start.ts";

/** Each start begins a file; with so many at a start all are written anew. */
const FILES_MAX = 4;

/**
 * The files of the journal: the one that is appended to, those of before, and those that go once everything has been
 * written anew. Files are numbered, and each number is used once.
 */
export class JournalFiles {
  readonly #files: Files;
  readonly #directory: string;
  /** Numbers of the files that hold what is known, oldest first; the last one is written to once `#file` is open. */
  #numbers: number[];
  #obsolete: number[] = [];
  readonly #damaged: ReadonlySet<number>;
  #lastNumber: number;
  #file: OpenFile | undefined;
  #position = 0;
  #bytes: number;

  constructor(files: Files, directory: string, found: Found) {
    this.#files = files;
    this.#directory = directory;
    this.#numbers = [...found.numbers];
    this.#damaged = found.damaged;
    this.#lastNumber = found.numbers.at(-1) ?? 0;
    this.#bytes = found.bytes;
  }

  /** Of those that hold what is known. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Everything is being written anew, or was and older files are still to go. */
  get isRenewing(): boolean {
    return this.#obsolete.length > 0;
  }

  /** There are so many, or one is damaged, that all should be written anew whatever is in them. */
  get isScattered(): boolean {
    return this.#numbers.length > FILES_MAX || this.#numbers.some((number) => this.#damaged.has(number));
  }

  /** Begins the file to append to, when none is open. @throws what the disk says. */
  async open(): Promise<void> {
    if (this.#file !== undefined) return;
    const number = ++this.#lastNumber;
    await this.#files.makeDirectory(this.#directory);
    const file = await this.#files.create(this.#pathOf(number));
    try {
      await file.write(fileHeader(), 0);
    } catch (thrown) {
      await file.close().catch(() => {});
      throw thrown;
    }
    this.#file = file;
    this.#numbers.push(number);
    this.#position = FILE_HEADER_BYTES;
    this.#bytes += FILE_HEADER_BYTES;
  }

  /** To the file that is open. @throws what the disk says; nothing of it is left in the file then. */
  async append(bytes: Uint8Array): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    try {
      await file.write(bytes, this.#position);
    } catch (thrown) {
      // What part of it was written would stand between whole records.
      await file.truncate(this.#position).catch(() => {});
      throw thrown;
    }
    this.#position += bytes.length;
    this.#bytes += bytes.length;
  }

  /** What is appended from here on is everything. Until `removeObsolete`, old and new together tell it. */
  async renew(): Promise<void> {
    await this.close();
    this.#obsolete = this.#numbers;
    this.#numbers = [];
    this.#bytes = 0;
  }

  /** Everything has been appended: what was there before goes, or is set aside where it is damaged. */
  async removeObsolete(): Promise<void> {
    if (this.#obsolete.length === 0) return;
    await this.#file?.sync();
    // Oldest first: what is left after a crash in between still ends with the newest that was known.
    for (let [number] = this.#obsolete; number !== undefined; [number] = this.#obsolete) {
      if (this.#damaged.has(number)) await this.#files.rename(this.#pathOf(number), join(this.#directory, ASIDE));
      else await this.#files.remove(this.#pathOf(number));
      this.#obsolete.shift();
    }
  }

  /** As far as the disk lets them. */
  async removeAll(): Promise<void> {
    const all = [...this.#obsolete, ...this.#numbers];
    await Promise.all(all.map((number) => this.#files.remove(this.#pathOf(number)).catch(() => {})));
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch(() => {});
  }

  #pathOf(number: number): string {
    return join(this.#directory, journalName(number));
  }
}
