import { RegistryError } from "@nacre/protocol";
import { type Files, nodeFiles } from "../storage/files.ts";
import { lockFolder, takeFolder } from "../storage/lock.ts";

/**
 * Does work in the data folder of a member that does not run, and keeps it from being started meanwhile.
 *
 * @param mayMake  whether a folder that is not there is made.
 * @throws RegistryError `dataAccess` when a process uses the folder; `notFound` when there is none.
 */
export async function withStoppedMember<T>(
  directory: string,
  mayMake: boolean,
  work: (files: Files) => Promise<T>,
): Promise<T> {
  if (!mayMake) await existing(directory);
  const lock = mayMake ? await takeFolder(directory) : lockFolder(directory);
  try {
    return await work(nodeFiles);
  } finally {
    lock.release();
  }
}

async function existing(directory: string): Promise<void> {
  try {
    await nodeFiles.list(directory);
  } catch (cause) {
    throw new RegistryError("notFound", `there is no data folder ${directory}: name one with --data`, { cause });
  }
}
