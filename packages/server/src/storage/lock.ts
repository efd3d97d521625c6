import { join } from "node:path";
import { RegistryError } from "@nacre/protocol";
import Database from "better-sqlite3";
import { diskFailure, failureCode } from "./disk-failure.ts";
import { nodeFiles } from "./files.ts";

export interface FolderLock {
  /** More than once does no harm. */
  release(): void;
}

/** Makes the data folder where it is missing, and takes it. @throws RegistryError like `lockFolder`. */
export async function takeFolder(directory: string): Promise<FolderLock> {
  try {
    await nodeFiles.makeDirectory(directory);
  } catch (thrown) {
    throw diskFailure(`the data folder ${directory} cannot be made or written`, thrown);
  }
  return lockFolder(directory);
}

/**
 * Takes the data folder for this process (L9). The lock is SQLite's on a file of its own: the operating system lets go
 * of it when the process ends in whatever way, so there is no stale lock to remove by hand.
 *
 * @throws RegistryError `dataAccess` when another process holds it.
 */
export function lockFolder(directory: string): FolderLock {
  let held: Database.Database | undefined;
  try {
    held = new Database(join(directory, "lock"), { timeout: 0 });
    held.exec("BEGIN EXCLUSIVE");
  } catch (thrown) {
    held?.close();
    if (failureCode(thrown).startsWith("SQLITE_BUSY")) {
      throw new RegistryError(
        "dataAccess",
        `the data folder ${directory} is in use by another process: stop that one or name another folder`,
      );
    }
    throw diskFailure(`the lock of the data folder ${directory} cannot be taken`, thrown);
  }
  const database = held;
  return { release: () => void database.close() };
}
