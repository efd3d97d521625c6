import { join } from "node:path";
import type { Files, OpenFile } from "./files.ts";
import { type Place, type Segment, segmentName } from "./log-scan.ts";
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES } from "./records.ts";

/** The segment that is written to. */
export interface ActiveSegment {
  readonly name: string;
  readonly firstIndex: number;
  readonly file: OpenFile;
  /** End of the last synced record: what lies behind is not part of the log. */
  goodBytes: number;
  readonly places: Place[];
}

/** Makes an empty segment whose name and header are on the disk when this resolves. */
export async function createSegment(files: Files, directory: string, firstIndex: number): Promise<ActiveSegment> {
  const segment = await writeSegment(files, join(directory, segmentName(firstIndex)), firstIndex, NOTHING);
  try {
    await files.syncDirectory(directory);
  } catch (thrown) {
    await segment.file.close().catch(() => {});
    throw thrown;
  }
  return segment;
}

/** A segment under a name that no start looks at, until `takePlace` is called. */
export interface NewSegment {
  readonly segment: ActiveSegment;
  /** Gives the segment its name, in the place of one that has it. */
  takePlace(): Promise<void>;
  giveUp(): Promise<void>;
}

/** Writes a segment that takes the place of others: it is on the disk when this resolves, but is none yet. */
export async function prepareSegment(
  files: Files,
  directory: string,
  firstIndex: number,
  records: Buffer,
): Promise<NewSegment> {
  const path = join(directory, segmentName(firstIndex));
  const segment = await writeSegment(files, path + TEMPORARY, firstIndex, records);
  return {
    segment,
    async takePlace() {
      await files.rename(path + TEMPORARY, path);
      await files.syncDirectory(directory);
    },
    async giveUp() {
      await segment.file.close().catch(() => {});
      await files.remove(path + TEMPORARY).catch(() => {});
    },
  };
}

/** Removes what a process left that ended before a segment took its place. */
export async function removePrepared(files: Files, directory: string): Promise<void> {
  for (const name of await files.list(directory)) {
    if (name.endsWith(TEMPORARY)) await files.remove(join(directory, name));
  }
}

/**
 * Removes segments, newest first, and each removal is on the disk before the next: whenever the machine stops, what is
 * left has no gap.
 */
export async function removeSegments(files: Files, directory: string, segments: readonly Segment[]): Promise<void> {
  for (const { name } of segments.toReversed()) {
    await files.remove(join(directory, name));
    await files.syncDirectory(directory);
  }
}

/** Removes the whole log of a process that has ended. */
export async function removeLog(files: Files, directory: string): Promise<void> {
  const names = await files.list(directory);
  for (const name of names.toReversed()) {
    await files.remove(join(directory, name));
    await files.syncDirectory(directory);
  }
}

const TEMPORARY = ".tmp";
const NOTHING = Buffer.alloc(0);

async function writeSegment(files: Files, path: string, firstIndex: number, records: Buffer): Promise<ActiveSegment> {
  const file = await files.create(path);
  try {
    await file.write(encodeSegmentHeader(firstIndex), 0);
    if (records.length > 0) await file.write(records, SEGMENT_HEADER_BYTES);
    await file.sync();
  } catch (thrown) {
    await file.close().catch(() => {});
    // A header that stays is harmless: the next try empties the file, and a restart takes it for a torn one.
    await files.remove(path).catch(() => {});
    throw thrown;
  }
  const goodBytes = SEGMENT_HEADER_BYTES + records.length;
  return { name: segmentName(firstIndex), firstIndex, file, goodBytes, places: [] };
}
