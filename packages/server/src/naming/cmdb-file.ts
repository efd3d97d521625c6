import { type FSWatcher, watch } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { type Labels, type LabelsProblem, readLabels } from "./cmdb-labels.ts";

/** A file of labels above this size is refused. */
const FILE_BYTES_MAX = 64 * 1024 * 1024;

export interface CmdbFile {
  /** Labels of an address; undefined when the file does not name it. Fits the `labelsOf` of `select`. */
  labelsOf(ip: string): Labels | undefined;
  readonly size: number;
  close(): void;
}

export interface CmdbFileOptions {
  /** Called after each reading that took effect. */
  readonly onLoaded?: (labels: ReadonlyMap<string, Labels>) => void;
  /** Called for every bad line of a reading, and when the file cannot be read; the last usable labels stay. */
  readonly onProblem?: (problem: LabelsProblem) => void;
}

/**
 * Reads the labels of addresses from a file and follows its changes. The folder is watched rather than the file, so
 * that files replaced by a rename (editors, mounted config maps) are followed too. The folder must exist.
 */
export async function openCmdbFile(path: string, options: CmdbFileOptions = {}): Promise<CmdbFile> {
  const { onLoaded = () => {}, onProblem = () => {} } = options;
  let labels: ReadonlyMap<string, Labels> = new Map();
  let seen = "";
  let reading: Promise<void> | undefined;
  let again = false;
  let closed = false;

  async function read(): Promise<void> {
    const before = await identity();
    if (closed || before === seen) return;
    seen = before;
    const text = await readFile(path, "utf8");
    if (closed) return;
    const result = readLabels(text);
    for (const problem of result.problems) onProblem(problem);
    if (!result.usable) return;
    labels = result.labels;
    onLoaded(labels);
  }

  /** Size and times of the file behind the path: when they are equal there is nothing to read. */
  async function identity(): Promise<string> {
    const { ino, size, mtimeNs } = await stat(path, { bigint: true });
    if (size > FILE_BYTES_MAX) throw new Error(`has ${size} bytes; the most allowed is ${FILE_BYTES_MAX}`);
    return `${ino} ${size} ${mtimeNs}`;
  }

  /** One reading at a time; a change during it leads to one more. */
  function refresh(): Promise<void> {
    if (reading !== undefined) {
      again = true;
      return reading;
    }
    reading = read()
      .catch((thrown: Error) => {
        seen = "";
        if (!closed) onProblem({ line: 0, message: `${path}: ${thrown.message}` });
      })
      .finally(() => {
        reading = undefined;
        if (!again || closed) return;
        again = false;
        return refresh();
      });
    return reading;
  }

  // Watched before the first reading: a change in between is not missed.
  const watcher: FSWatcher = watch(dirname(path), { persistent: false }, () => void refresh());
  watcher.on("error", (error) => onProblem({ line: 0, message: `${path} is not followed: ${error.message}` }));
  await refresh();

  return {
    labelsOf: (ip) => labels.get(ip),
    get size() {
      return labels.size;
    },
    close() {
      closed = true;
      watcher.close();
    },
  };
}
