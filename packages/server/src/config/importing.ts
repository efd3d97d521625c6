import {
  BATCH_ITEMS_MAX,
  type ConfigState,
  type ImportPolicy,
  type Operator,
  type StagedItem,
} from "@nacre/core/config";
import { nodeCrypto } from "../node-crypto.ts";
import type { ProposeConfig } from "./propose.ts";
import type { Sealing } from "./sealing.ts";
import type { Imported, ImportItem } from "./service.ts";

/** Bytes of contents after which a batch is staged: beyond, its `COMMIT` alone holds the event loop for 8 ms. */
const BATCH_BYTES = 128 * 1024;

export interface ImportsSetup {
  readonly state: Pick<ConfigState, "staged">;
  readonly sealing: Pick<Sealing, "seal">;
  readonly propose: ProposeConfig;
  /** Begins the ids of imports, so that other members do not take them for left while they are under way. */
  readonly memberId: string;
}

/** Imports: staged in batches that nobody sees, then committed at once (G7). */
export class Imports {
  readonly #setup: ImportsSetup;
  readonly #underWay = new Set<string>();
  /** Items of other members' imports when they were last looked at. */
  #lookedAt: ReadonlyMap<string, number> = new Map();

  constructor(setup: ImportsSetup) {
    this.#setup = setup;
  }

  /** What was staged is dropped when anything fails on the way. */
  async all(
    items: AsyncIterable<ImportItem> | Iterable<ImportItem>,
    policy: ImportPolicy,
    by: Operator,
  ): Promise<Imported> {
    // What an earlier one could not drop would count against the number of imports for good.
    await this.dropLeft();
    const importId = `${this.#setup.memberId}/${nodeCrypto().randomUUID()}`;
    this.#underWay.add(importId);
    try {
      return await this.#all(importId, items, policy, by);
    } catch (thrown) {
      // A log that takes nothing more keeps them; the next import or start drops them then.
      await this.#drop(importId).catch(() => {});
      throw thrown;
    } finally {
      this.#underWay.delete(importId);
    }
  }

  /** Drops what this member staged and will not commit: its process ended, or the import could not drop it. */
  async dropLeft(): Promise<void> {
    for (const importId of [...this.#setup.state.staged.keys()])
      if (this.#isOwn(importId) && !this.#underWay.has(importId)) await this.#drop(importId);
  }

  /** Drops what other members staged and will not commit any more: what did not grow since this was last called. */
  async dropStalled(): Promise<void> {
    const lookedAt = new Map<string, number>();
    for (const [importId, { heads }] of [...this.#setup.state.staged]) {
      if (this.#isOwn(importId)) continue;
      if (this.#lookedAt.get(importId) === heads.length) await this.#drop(importId);
      else lookedAt.set(importId, heads.length);
    }
    this.#lookedAt = lookedAt;
  }

  #isOwn(importId: string): boolean {
    return importId.startsWith(`${this.#setup.memberId}/`);
  }

  async #drop(importId: string): Promise<void> {
    if (this.#setup.state.staged.has(importId)) await this.#setup.propose({ type: "dropStaged", importId }, "done");
  }

  async #all(
    importId: string,
    items: AsyncIterable<ImportItem> | Iterable<ImportItem>,
    policy: ImportPolicy,
    by: Operator,
  ): Promise<Imported> {
    const { propose, sealing } = this.#setup;
    let staged = 0;
    let batch: StagedItem[] = [];
    let bytes = 0;
    const stage = async (): Promise<void> => {
      staged += batch.length;
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
    if (staged === 0) return { succeeded: 0, failed: [], skipped: [] };
    const commit = { type: "commitConfigs", importId, items: staged, policy, by } as const;
    const { succeeded, failed, skipped } = await propose(commit, "imported");
    return { succeeded, failed, skipped };
  }
}
