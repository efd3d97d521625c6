import { join } from "node:path";
import { RegistryError } from "@nacre/protocol";
import { diskFailure, failureCode } from "./disk-failure.ts";
import type { Files } from "./files.ts";
import { RECORDS_VERSION, SEGMENT_HEADER_BYTES, segmentVersion } from "./records.ts";
import type { Folders } from "./recovery.ts";
import { HEAD_BYTES_MAX, INSTALL, SNAPSHOT_VERSION, snapshotVersion } from "./snapshot.ts";

/** Where a file says of which version its format is, and up to which this program reads it. */
interface Format {
  readonly version: number;
  readonly highest: number;
}

/**
 * What an older program cannot read is not damaged: nothing of it may be set aside, cut or taken for a torn write. So this
 * comes before anything in a data folder is judged. Only a file whose own checksum fits counts as one of a later version.
 *
 * @throws RegistryError `dataAccess` with the file, its version, the highest that is read here, and what to do.
 */
export async function refuseLaterVersions(
  files: Files,
  { log, snapshots }: Pick<Folders, "log" | "snapshots">,
): Promise<void> {
  for (const path of await pathsIn(files, log, (name) => name.endsWith(".log"))) {
    const version = segmentVersion(await startOf(files, path, SEGMENT_HEADER_BYTES));
    if (version !== undefined) refuse(path, { version, highest: RECORDS_VERSION });
  }
  for (const path of await pathsIn(files, snapshots, (name) => name.endsWith(".snapshot") || name.endsWith(INSTALL))) {
    const start = await startOf(files, path, HEAD_BYTES_MAX);
    const version = snapshotVersion(start.toString("utf8", 0, Math.max(0, start.indexOf(10))));
    if (version !== undefined) refuse(path, { version, highest: SNAPSHOT_VERSION });
  }
}

function refuse(path: string, format: Format): void {
  if (format.version > format.highest) throw new RegistryError("dataAccess", ofLaterVersion(path, format));
}

/** As a sentence. */
export function ofLaterVersion(path: string, { version, highest }: Format): string {
  return (
    `${path} was written by a later version of Nacre: its format is version ${version}, and this program reads up to ` +
    `version ${highest}. Nothing was changed: start the program that wrote it, or a newer one`
  );
}

async function pathsIn(files: Files, directory: string, isOne: (name: string) => boolean): Promise<string[]> {
  try {
    return (await files.list(directory)).filter(isOne).map((name) => join(directory, name));
  } catch (thrown) {
    if (failureCode(thrown) === "ENOENT") return [];
    throw diskFailure(`${directory} cannot be read`, thrown);
  }
}

async function startOf(files: Files, path: string, bytes: number): Promise<Buffer> {
  try {
    return await files.readRange(path, 0, bytes);
  } catch (thrown) {
    throw diskFailure(`${path} cannot be read`, thrown);
  }
}
