import type { Storage } from "../storage/storage.ts";
import { isWrite } from "./carried.ts";

/** Of the log, at once. */
const READ_BYTES = 256 * 1024;

/** Whether there are writes of features in the log behind what was applied. The first one is near its beginning, if any. */
export async function holdsWrites({
  log,
  applier,
}: Pick<Storage<never, never>, "log"> & { readonly applier: { readonly appliedIndex: number } }): Promise<boolean> {
  for (let next = Math.max(applier.appliedIndex + 1, log.firstIndex); next <= log.lastIndex; ) {
    const records = (await log.read(next, READ_BYTES)) ?? [];
    if (records.length === 0) return false;
    if (records.some(({ kind, payload }) => kind === "command" && isWrite(payload))) return true;
    next += records.length;
  }
  return false;
}
