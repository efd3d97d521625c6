import { randomUUID } from "node:crypto";
import { BATCH_ITEMS_MAX, type ImportPolicy, type Operator, type StagedItem } from "@nacre/core/config";
import type { ProposeConfig } from "./propose.ts";
import type { Sealing } from "./sealing.ts";
import type { Imported, ImportItem } from "./service.ts";

/** Bytes of contents after which a batch is staged: about what one turn of the event loop can put into the log. */
const BATCH_BYTES = 1024 * 1024;

/**
 * Stages the items in batches that nobody sees, then commits them at once (G7). What was staged is dropped when
 * anything fails on the way.
 */
export async function importAll(
  parts: { readonly propose: ProposeConfig; readonly sealing: Sealing },
  items: AsyncIterable<ImportItem> | Iterable<ImportItem>,
  policy: ImportPolicy,
  by: Operator,
): Promise<Imported> {
  const { propose, sealing } = parts;
  const importId = randomUUID();
  let staged = false;
  try {
    let batch: StagedItem[] = [];
    let bytes = 0;
    const stage = async (): Promise<void> => {
      staged = true;
      await propose({ type: "stageConfigs", importId, items: batch }, "done");
      batch = [];
      bytes = 0;
    };
    for await (const { name, content, encryptedDataKey, fields } of items) {
      const sealed = await sealing.seal(name, content, encryptedDataKey);
      if (batch.length === BATCH_ITEMS_MAX || (batch.length > 0 && bytes + sealed.bytes > BATCH_BYTES)) await stage();
      batch.push({ name, content: sealed, fields });
      bytes += sealed.bytes;
    }
    if (batch.length > 0) await stage();
    if (!staged) return { succeeded: 0, failed: [], skipped: [] };
    const { succeeded, failed, skipped } = await propose({ type: "commitConfigs", importId, policy, by }, "imported");
    return { succeeded, failed, skipped };
  } catch (thrown) {
    // A log that takes nothing more keeps them; the next start drops them then.
    if (staged) await propose({ type: "dropStaged", importId }, "done").catch(() => {});
    throw thrown;
  }
}
