import { join } from "node:path";
import { DamageError } from "./damage.ts";
import type { Files } from "./files.ts";
import { type LogRecord, type RecordDamage, SEGMENT_HEADER_BYTES, scanSegment } from "./records.ts";

export interface Segment {
  readonly name: string;
  readonly firstIndex: number;
  /** `firstIndex - 1` while it holds no record. */
  readonly lastIndex: number;
  readonly bytes: number;
  readonly places: readonly Place[];
}

/** Where a record begins. Few are kept, so that one in between is found from the one before it. */
export interface Place {
  readonly index: number;
  readonly offset: number;
}

/** Records of one term that follow each other: from `first` up to the next run. */
export interface TermRun {
  readonly first: number;
  readonly term: number;
}

/** A list of the group's members, as the record at this index holds it. */
export interface ConfigurationRecord {
  readonly index: number;
  readonly text: string;
}

export interface LogScan {
  readonly segments: readonly Segment[];
  /** A torn tail of the last segment: what was being written when the process or the machine stopped. Not yet cut. */
  readonly torn: RecordDamage | undefined;
  /** Bytes of the records after `countAfter`. */
  readonly bytesAfter: number;
  readonly terms: readonly TermRun[];
  readonly configurations: readonly ConfigurationRecord[];
}

const NAME = /^(\d{16})\.log$/;

export const segmentName = (firstIndex: number): string => `${String(firstIndex).padStart(16, "0")}.log`;

/** Bytes between two places that are kept. */
const PLACE_BYTES = 64 * 1024;

/** Notes where a record begins, if the last place that is kept is far enough before it. */
export function notePlace(places: Place[], index: number, offset: number): void {
  const last = places.at(-1);
  if (last === undefined || offset - last.offset >= PLACE_BYTES) places.push({ index, offset });
}

/**
 * Reads and checks the whole log and changes nothing, so that a start which fails leaves all evidence in place.
 *
 * @param powerLoss   whether the machine may have stopped with writes in its cache. Then the pages of the last, unsynced
 *                    batch may have reached the disk in any order; else they are there from the first byte on (L4).
 * @param countAfter  index of the newest snapshot.
 * @throws DamageError for damage in front of records that had been acknowledged, and for missing segments.
 */
export async function scanLog(
  files: Files,
  directory: string,
  { powerLoss, countAfter }: { powerLoss: boolean; countAfter: number },
): Promise<LogScan> {
  const names = (await files.list(directory)).filter((name) => NAME.test(name));
  const segments: Segment[] = [];
  const terms: TermRun[] = [];
  const configurations: ConfigurationRecord[] = [];
  let bytesAfter = 0;
  for (const [position, name] of names.entries()) {
    const firstIndex = Number(NAME.exec(name)?.[1]);
    const before = segments.at(-1);
    if (before !== undefined && before.lastIndex + 1 !== firstIndex) {
      throw gap(directory, before, firstIndex);
    }
    const content = await files.read(join(directory, name));
    const places: Place[] = [];
    let start = SEGMENT_HEADER_BYTES;
    const visit = ({ index, term, kind, payload, end }: LogRecord) => {
      notePlace(places, index, start);
      if (index > countAfter) bytesAfter += end - start;
      if (term !== terms.at(-1)?.term) terms.push({ first: index, term });
      if (kind === "configuration") configurations.push({ index, text: payload.toString() });
      start = end;
    };
    const { lastIndex, goodBytes, damage } = scanSegment(content, firstIndex, visit, terms.at(-1)?.term);
    segments.push({ name, firstIndex, lastIndex, bytes: goodBytes, places });
    if (damage === undefined) continue;
    if (position < names.length - 1 || !isTorn(damage, powerLoss)) throw damaged(join(directory, name), damage);
    return { segments, torn: damage, bytesAfter, terms, configurations };
  }
  return { segments, torn: undefined, bytesAfter, terms, configurations };
}

/**
 * L4: a batch is written only after the one before it was synced, so a later batch proves that this one was. A process
 * that was killed leaves a write from its first byte on, so that nothing but the end of the file can be damaged by it.
 */
function isTorn({ laterBatch, index, isCutOff }: RecordDamage, powerLoss: boolean): boolean {
  if (!powerLoss) return isCutOff && laterBatch === undefined;
  return laterBatch === undefined || laterBatch <= index;
}

function damaged(path: string, { offset, reason, index }: RecordDamage): DamageError {
  return new DamageError(
    { part: "log", path, fromIndex: index },
    `the log is damaged in ${path} at byte ${offset}, where record ${index} belongs (${reason}): ` +
      "restore the data folder from a backup, because what stood here had been acknowledged",
  );
}

function gap(directory: string, before: Segment, firstIndex: number): DamageError {
  return new DamageError(
    { part: "log", path: directory, fromIndex: before.lastIndex + 1 },
    `the log in ${directory} misses records ${before.lastIndex + 1} to ${firstIndex - 1} after byte ${before.bytes} of ` +
      `${before.name}: restore the missing files from a backup`,
  );
}
