import { join } from "node:path";
import { RegistryError } from "@nacre/protocol";
import { diskFailure } from "./disk-failure.ts";
import type { Files, OpenFile } from "./files.ts";
import { checkSnapshot, INCOMING, INSTALL, snapshotPath } from "./snapshot.ts";
import type { Mark } from "./store.ts";

/** Which snapshot it is that comes in pieces. */
export interface IncomingHead {
  readonly index: number;
  readonly term: number;
  /** Bytes of the whole file. */
  readonly total: number;
}

const NAME = new RegExp(`^(\\d+)-(\\d+)-(\\d+)\\${INCOMING}$`);

/** What an earlier process has left of a snapshot on its way, and how many bytes of it. */
export async function incomingIn(
  files: Files,
  directory: string,
): Promise<(IncomingHead & { readonly offset: number }) | undefined> {
  for (const name of await files.list(directory)) {
    const [index, term, total] = (NAME.exec(name) ?? []).slice(1).map(Number);
    if (index === undefined || term === undefined || total === undefined) continue;
    return { index, term, total, offset: Math.min(await files.size(join(directory, name)), total) };
  }
  return undefined;
}

/**
 * A snapshot of another member on its way into a file, piece by piece and in order. What is there survives a break of the
 * connection and of the process. One at a time: to begin another removes what there is of this one.
 */
export class IncomingSnapshot {
  readonly head: IncomingHead;
  readonly #files: Files;
  readonly #directory: string;
  readonly #path: string;
  readonly #file: OpenFile;
  #offset: number;

  private constructor(
    files: Files,
    directory: string,
    path: string,
    head: IncomingHead,
    file: OpenFile,
    offset: number,
  ) {
    this.#files = files;
    this.#directory = directory;
    this.#path = path;
    this.head = head;
    this.#file = file;
    this.#offset = offset;
  }

  /** Goes on with what is there of this very snapshot, else begins it. @throws RegistryError `dataAccess` */
  static async open(files: Files, directory: string, head: IncomingHead): Promise<IncomingSnapshot> {
    const { index, term, total } = head;
    const own = `${index}-${term}-${total}${INCOMING}`;
    try {
      const names = (await files.list(directory)).filter((name) => name.endsWith(INCOMING));
      for (const name of names) if (name !== own) await files.remove(join(directory, name));
      const path = join(directory, own);
      const isBegun = names.includes(own);
      const offset = isBegun ? Math.min(await files.size(path), total) : 0;
      const file = isBegun ? await files.open(path) : await files.create(path);
      return new IncomingSnapshot(files, directory, path, head, file, offset);
    } catch (thrown) {
      throw diskFailure(`a snapshot cannot be received into ${directory}`, thrown);
    }
  }

  /** Bytes that are there; the next piece begins here. */
  get offset(): number {
    return this.#offset;
  }

  /**
   * Takes a piece that begins at `offset` or overlaps with what is there; another one is passed over.
   *
   * @returns bytes that are there.
   * @throws RegistryError `dataAccess`: the piece can be sent again.
   */
  async write(offset: number, bytes: Uint8Array): Promise<number> {
    const end = Math.min(offset + bytes.length, this.head.total);
    if (offset > this.#offset || end <= this.#offset) return this.#offset;
    const fresh = bytes.subarray(this.#offset - offset, end - offset);
    try {
      await this.#file.write(fresh, this.#offset);
    } catch (thrown) {
      throw diskFailure(`a snapshot cannot be received into ${this.#directory}`, thrown);
    }
    this.#offset = end;
    return end;
  }

  /**
   * Makes sure that all of it is there, whole and on the disk.
   *
   * @throws RegistryError `dataAccess` when it is not what was announced, or cannot be synced: then nothing of it is left,
   * and it has to come again from its first byte on.
   */
  async complete(): Promise<ReceivedSnapshot> {
    const { index, term, total } = this.head;
    try {
      if (this.#offset < total) throw refused(index, `${total - this.#offset} bytes are missing`);
      await this.#file.sync();
      await this.#file.close();
      const mark = await checkSnapshot(this.#files, this.#path);
      if (typeof mark === "string") throw refused(index, mark);
      if (mark.index !== index || mark.term !== term) throw refused(index, "its first line is that of another");
      return new ReceivedSnapshot(this.#files, this.#directory, this.#path, mark, total);
    } catch (thrown) {
      await this.giveUp();
      throw diskFailure(`a snapshot cannot be received into ${this.#directory}`, thrown);
    }
  }

  /** Lets go of the file, which stays. */
  async pause(): Promise<void> {
    await this.#file.close().catch(() => {});
  }

  async giveUp(): Promise<void> {
    await this.pause();
    await this.#files.remove(this.#path).catch(() => {});
  }
}

/** A snapshot that came whole. From `begin` on, a start would put it in the place of log and store. */
export class ReceivedSnapshot {
  readonly mark: Mark;
  readonly bytes: number;
  readonly #files: Files;
  readonly #directory: string;
  #path: string;

  constructor(files: Files, directory: string, path: string, mark: Mark, bytes: number) {
    this.#files = files;
    this.#directory = directory;
    this.#path = path;
    this.mark = mark;
    this.bytes = bytes;
  }

  get path(): string {
    return this.#path;
  }

  async begin(): Promise<void> {
    await this.#rename(join(this.#directory, `${this.mark.index}${INSTALL}`));
  }

  /** It is a snapshot like any other from now on. */
  finish(): Promise<void> {
    return this.#rename(snapshotPath(this.#directory, this.mark.index));
  }

  async giveUp(): Promise<void> {
    await this.#files.remove(this.#path);
    await this.#files.syncDirectory(this.#directory);
  }

  async #rename(path: string): Promise<void> {
    await this.#files.rename(this.#path, path);
    this.#path = path;
    await this.#files.syncDirectory(this.#directory);
  }
}

function refused(index: number, reason: string): RegistryError {
  return new RegistryError(
    "dataAccess",
    `snapshot ${index}, which was received, cannot be used (${reason}): it is fetched again`,
  );
}
