import { createHash } from "node:crypto";
import { appendFile, readFile, rm, writeFile } from "node:fs/promises";
import type { ConfigName } from "../client/model.ts";
import { CliError } from "../failure.ts";

const MARK_BYTES = 16;
const MARK_LENGTH = 24;
const HEAD = "nacre import 1";
/** About 100 MB of marks; a migration past this compares with the target again what it has no mark for. */
const MARKS_MAX = 1_000_000;

/**
 * What an import has done, so that the next one leaves it out without asking anybody: one line per configuration, a
 * digest of its name and MD5. A line that was cut off by the end of a process is not understood and done again.
 */
export class StateFile {
  readonly #path: string | undefined;
  readonly #marks: Set<string>;
  #unsaved: string[] = [];

  private constructor(path: string | undefined, marks: Set<string>) {
    this.#path = path;
    this.#marks = marks;
  }

  /** @param path  undefined keeps nothing. @throws CliError when the file is of another import. */
  static async open(path: string | undefined, from: string, to: string): Promise<StateFile> {
    if (path === undefined) return new StateFile(undefined, new Set());
    const head = `${HEAD} ${from} ${to}`;
    const text = await readFile(path, "utf8").catch(() => "");
    const [first, ...lines] = text.split("\n");
    if (text === "") {
      await writeFile(path, `${head}\n`).catch((cause: NodeJS.ErrnoException) => {
        throw new CliError("failed", `${path} cannot be written (${cause.code}): name another file with --state.`, {
          cause,
        });
      });
    } else if (first !== head) {
      throw new CliError("usage", `${path} belongs to another import: name another file with --state, or remove it.`);
    }
    return new StateFile(path, new Set(lines.filter((line) => line.length === MARK_LENGTH).slice(0, MARKS_MAX)));
  }

  get size(): number {
    return this.#marks.size;
  }

  /** Marks that `save` has not written yet. */
  get unsaved(): number {
    return this.#unsaved.length;
  }

  has(name: ConfigName, md5: string): boolean {
    return this.#marks.has(markOf(name, md5));
  }

  add(name: ConfigName, md5: string): void {
    const mark = markOf(name, md5);
    if (this.#path === undefined || this.#marks.size >= MARKS_MAX || this.#marks.has(mark)) return;
    this.#marks.add(mark);
    this.#unsaved.push(mark);
  }

  async save(): Promise<void> {
    const lines = this.#unsaved.map((mark) => `${mark}\n`).join("");
    this.#unsaved = [];
    if (this.#path !== undefined && lines !== "") await appendFile(this.#path, lines);
  }

  async remove(): Promise<void> {
    if (this.#path !== undefined) await rm(this.#path, { force: true });
  }
}

function markOf({ namespace, group, dataId }: ConfigName, md5: string): string {
  const text = [namespace, group, dataId, md5].join("\n");
  return createHash("sha256").update(text).digest().subarray(0, MARK_BYTES).toString("base64");
}
