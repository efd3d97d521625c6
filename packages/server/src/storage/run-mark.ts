import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Files, replaceFile } from "./files.ts";

/**
 * What the last run left about itself in `run.json`. It decides whether the store may be trusted, which is never synced
 * (L6): after a clean stop it was synced once, and within one boot of the machine the page cache holds all of it.
 */
export interface RunMark {
  /** The kernel's id of the boot that the run belonged to; null where the system has none. */
  readonly boot: string | null;
  /** Set by a clean stop: the applied index that the synced store holds. */
  readonly cleanAt: number | null;
}

const NAME = "run.json";

/** The last run's mark; undefined for a new folder and for a mark that cannot be read. */
export async function readRunMark(files: Files, directory: string): Promise<RunMark | undefined> {
  try {
    const mark: unknown = JSON.parse((await files.read(join(directory, NAME))).toString());
    if (typeof mark !== "object" || mark === null || !("boot" in mark) || !("cleanAt" in mark)) return undefined;
    const { boot, cleanAt } = mark;
    if (boot !== null && typeof boot !== "string") return undefined;
    if (cleanAt !== null && typeof cleanAt !== "number") return undefined;
    return { boot, cleanAt };
  } catch {
    return undefined;
  }
}

export function writeRunMark(files: Files, directory: string, mark: RunMark): Promise<void> {
  return replaceFile(files, directory, NAME, JSON.stringify(mark));
}

/** The id of this boot of the machine; null where the system does not give one. */
export async function bootId(): Promise<string | null> {
  try {
    return (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  } catch {
    return null;
  }
}
