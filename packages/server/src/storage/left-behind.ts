import { join } from "node:path";
import { failureCode } from "./disk-failure.ts";
import type { Files } from "./files.ts";
import { LEFT_BEHIND, numbersIn, type Quarantine, REASON_FILE } from "./quarantine.ts";

/** What of features a member held. */
export interface Holdings {
  readonly configs: number;
  /** Without the default one. */
  readonly namespaces: number;
  readonly persistentInstances: number;
}

/** A folder with the data of a group that goes on without this member. */
export interface LeftBehind {
  readonly folder: string;
  /** Epoch milliseconds; undefined where that was not noted. */
  readonly at: number | undefined;
  /** As a sentence without its end. */
  readonly reason: string;
  /** Undefined where that was not noted, as when the process ended on the way. */
  readonly holds: Holdings | undefined;
}

/** That are told of, the newest. */
const TOLD_MAX = 5;

/** What a member has left behind and nobody has removed, oldest first. A folder that cannot be read is passed over. */
export async function leftBehindIn(files: Files, directory: string): Promise<LeftBehind[]> {
  const parent = join(directory, LEFT_BEHIND);
  let numbers: number[];
  try {
    numbers = await numbersIn(files, parent);
  } catch (thrown) {
    if (["ENOENT", "ENOTDIR"].includes(failureCode(thrown))) return [];
    throw thrown;
  }
  const found: LeftBehind[] = [];
  for (const number of numbers.toSorted((a, b) => a - b).slice(-TOLD_MAX)) {
    const folder = join(parent, String(number));
    const about = await readReason(files, folder).catch(() => undefined);
    if (about !== undefined) found.push({ folder, at: about.at, reason: about.reason, holds: about.holds });
  }
  return found;
}

/** Why a folder was set aside; undefined for one that was not. */
export async function readReason(files: Files, folder: string): Promise<Quarantine | undefined> {
  try {
    return JSON.parse((await files.read(join(folder, REASON_FILE))).toString()) as Quarantine;
  } catch (thrown) {
    if (failureCode(thrown) === "ENOENT") return undefined;
    throw thrown;
  }
}
