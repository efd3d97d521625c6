import { join } from "node:path";
import { RegistryError } from "@nacre/protocol";
import type { Files } from "./files.ts";
import { type Damage, scanSegment } from "./records.ts";

export interface Segment {
  readonly name: string;
  readonly firstIndex: number;
  /** `firstIndex - 1` while it holds no record. */
  readonly lastIndex: number;
  readonly bytes: number;
}

export interface LogScan {
  readonly segments: readonly Segment[];
  /** A torn tail of the last segment: what was being written when the process or the machine stopped. Not yet cut. */
  readonly torn: Damage | undefined;
  /** Bytes of the records after `countAfter`. */
  readonly bytesAfter: number;
}

const NAME = /^(\d{16})\.log$/;

export const segmentName = (firstIndex: number): string => `${String(firstIndex).padStart(16, "0")}.log`;

/**
 * Reads and checks the whole log and changes nothing, so that a start which fails leaves all evidence in place.
 *
 * @param powerLoss   whether the machine may have stopped with writes in its cache. Then the pages of the last, unsynced
 *                    batch may have reached the disk in any order; else they are there from the first byte on (L4).
 * @param countAfter  index of the newest snapshot.
 * @throws RegistryError `dataAccess` for damage in front of records that had been acknowledged, and for missing segments.
 */
export async function scanLog(
  files: Files,
  directory: string,
  { powerLoss, countAfter }: { powerLoss: boolean; countAfter: number },
): Promise<LogScan> {
  const names = (await files.list(directory)).filter((name) => NAME.test(name));
  const segments: Segment[] = [];
  let bytesAfter = 0;
  for (const [position, name] of names.entries()) {
    const firstIndex = Number(NAME.exec(name)?.[1]);
    const before = segments.at(-1);
    if (before !== undefined && before.lastIndex + 1 !== firstIndex) {
      throw gap(directory, before, firstIndex);
    }
    const content = await files.read(join(directory, name));
    let previousEnd = 0;
    const { lastIndex, goodBytes, damage } = scanSegment(content, firstIndex, (record) => {
      if (record.index > countAfter) bytesAfter += record.end - previousEnd;
      previousEnd = record.end;
    });
    segments.push({ name, firstIndex, lastIndex, bytes: goodBytes });
    if (damage === undefined) continue;
    if (position < names.length - 1 || !isTorn(damage, powerLoss)) throw damaged(join(directory, name), damage);
    return { segments, torn: damage, bytesAfter };
  }
  return { segments, torn: undefined, bytesAfter };
}

/** L4: a batch is written only after the one before it was synced, so a later batch proves that this one was. */
function isTorn(damage: Damage, powerLoss: boolean): boolean {
  if (damage.laterBatch === undefined) return true;
  return powerLoss && damage.laterBatch <= damage.index;
}

function damaged(path: string, { offset, reason, index }: Damage): RegistryError {
  return new RegistryError(
    "dataAccess",
    `the log is damaged in ${path} at byte ${offset}, where record ${index} belongs (${reason}): ` +
      "restore the data folder from a backup, because records behind this place had been acknowledged",
  );
}

function gap(directory: string, before: Segment, firstIndex: number): RegistryError {
  return new RegistryError(
    "dataAccess",
    `the log in ${directory} misses records ${before.lastIndex + 1} to ${firstIndex - 1} after byte ${before.bytes} of ` +
      `${before.name}: restore the missing files from a backup`,
  );
}
