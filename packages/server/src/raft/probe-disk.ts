import { join } from "node:path";
import type { Files } from "../storage/files.ts";

/** More than what a full disk gives back by chance. */
const PROBE_BYTES = 256 * 1024;

/** Whether a file can be written into a folder just now. */
export async function probeDisk(files: Files, directory: string): Promise<boolean> {
  // In the folder of the log, since a quota or a fault may be of that alone.
  const path = join(directory, "log", "probe.tmp");
  try {
    const file = await files.create(path);
    try {
      await file.write(Buffer.alloc(PROBE_BYTES, 1), 0);
      await file.sync();
    } finally {
      await file.close();
    }
    return true;
  } catch {
    return false;
  } finally {
    await files.remove(path).catch(() => {});
  }
}
