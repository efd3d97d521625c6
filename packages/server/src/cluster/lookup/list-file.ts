import { type FSWatcher, watch } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { LookupFacts } from "@nacre/core/diagnosis";
import type { Clock, Timer } from "../../clock.ts";
import { OPTIONS } from "../../options.ts";
import type { Source, SourceHandlers } from "./types.ts";

/** Read at intervals however quiet the system is: not every file system notices what changes on it. */
const READ_EVERY_MS = 2000;
/** More than any list has; membership counts the characters beyond its own bound. */
const FILE_BYTES_MAX = 4 * 1024 * 1024;

export interface ListFileSetup {
  readonly clock: Clock;
  readonly path: string;
  /** Used while there is no file. */
  readonly memberList: readonly string[];
}

/**
 * Follows the file of members. The whole text is read each time and compared by whoever gets it, so that it does not
 * matter how it was replaced: in place, by a rename, or by a link to another folder. Nothing is ever written.
 */
export class ListFile implements Source {
  readonly #setup: ListFileSetup;
  readonly #handlers: SourceHandlers;
  #watcher: FSWatcher | undefined;
  #timer: Timer | undefined;
  #reading: Promise<void> | undefined;
  #again = false;
  #closed = false;
  #hasFile = true;
  #wasRead = false;
  #facts: Pick<LookupFacts, "error" | "failures" | "failingSince" | "readAt"> = {
    error: undefined,
    failures: 0,
    failingSince: undefined,
    readAt: undefined,
  };

  constructor(setup: ListFileSetup, handlers: SourceHandlers) {
    this.#setup = setup;
    this.#handlers = handlers;
    this.#round();
  }

  facts(): LookupFacts {
    const { path, memberList } = this.#setup;
    return this.#hasFile || memberList.length === 0
      ? { kind: "file", where: path, ...this.#facts }
      : { kind: "option", where: OPTIONS.memberList.name, ...this.#facts };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#unwatch();
    await this.#reading;
  }

  #round(): void {
    this.#timer = this.#setup.clock.schedule(READ_EVERY_MS, () => this.#round());
    this.#watch();
    this.#read();
  }

  /** The folder is watched rather than the file, which may be replaced by another one, or not be there yet. */
  #watch(): void {
    if (this.#watcher !== undefined) return;
    try {
      this.#watcher = watch(dirname(this.#setup.path), { persistent: false }, () => this.#read());
      this.#watcher.on("error", () => this.#unwatch());
    } catch {
      // No folder, or no watches left: the rounds are enough.
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** One reading at a time; a change during it leads to one more. */
  #read(): void {
    if (this.#closed) return;
    if (this.#reading !== undefined) {
      this.#again = true;
      return;
    }
    this.#reading = readList(this.#setup.path)
      .then(
        (text) => this.#took(text),
        (thrown: NodeJS.ErrnoException) => this.#failed(thrown),
      )
      .finally(() => {
        this.#reading = undefined;
        if (!this.#again) return;
        this.#again = false;
        this.#read();
      });
  }

  #took(text: string | undefined): void {
    if (this.#closed) return;
    this.#facts = { error: undefined, failures: 0, failingSince: undefined, readAt: this.#setup.clock.now() };
    this.#hasFile = text !== undefined;
    this.#wasRead = true;
    // Its folder may be another one by the time it is back.
    if (text === undefined) this.#unwatch();
    const { path, memberList } = this.#setup;
    if (text !== undefined) this.#handlers.read(text, path);
    else if (memberList.length > 0) this.#tellOption();
    else this.#handlers.read(undefined, `${path} (no such file)`);
  }

  #failed(thrown: NodeJS.ErrnoException): void {
    if (this.#closed) return;
    const { failures, failingSince = this.#setup.clock.now(), readAt } = this.#facts;
    this.#facts = { error: sentenceOf(thrown), failures: failures + 1, failingSince, readAt };
    // A list that was read stays. Without one nobody is to wait for a file that may never be readable.
    if (this.#wasRead) return;
    this.#wasRead = true;
    const { path, memberList } = this.#setup;
    if (memberList.length > 0) this.#tellOption();
    else this.#handlers.gaveUp(path);
  }

  #tellOption(): void {
    this.#handlers.read(this.#setup.memberList.join("\n"), OPTIONS.memberList.name);
  }
}

/** Undefined when there is no file. */
async function readList(path: string): Promise<string | undefined> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new Error("it is not a file");
    if (found.size > FILE_BYTES_MAX) throw new Error(`it has ${found.size} bytes, the most is ${FILE_BYTES_MAX}`);
    return await readFile(path, "utf8");
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw thrown;
  }
}

/** Without the path, which is told beside it. */
function sentenceOf({ message }: Error): string {
  return message.replace(/, (open|stat|read) '.*'$/, "");
}
