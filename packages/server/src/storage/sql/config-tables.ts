import type { ConfigWrite } from "@nacre/core/config";
import type { ConfigHead, ConfigStore } from "../config-store.ts";
import type { StagedRow } from "../port.ts";
import { SLICE_MS, turn } from "../turn.ts";
import { applyWrites } from "./apply-writes.ts";
import { type HeadRow, headOf, type StagedTableRow, stagedOf } from "./rows.ts";
import { SqlConfigs } from "./sql-configs.ts";
import type { Sqlite } from "./sqlite.ts";
import { reads } from "./statements.ts";

/** Rows that are loaded at a time: a millisecond or two. */
const LOAD_ROWS = 100;

export interface ConfigTables {
  readonly configs: ConfigStore;
  /** Performs writes inside the caller's transaction, and pauses wherever the event loop may have its turn. */
  apply(writes: Iterable<ConfigWrite>): Generator<undefined, void>;
  /** Formal versions first, by ascending id. */
  heads(): AsyncGenerator<ConfigHead>;
  /** In the order staged, import by import. */
  staged(): AsyncGenerator<StagedRow>;
}

/**
 * Everything that only configurations need: imported on demand.
 *
 * @param reading  what lists, searches and contents are read with: a connection that sees whole entries only.
 */
export function openConfigTables(sqlite: Sqlite, reading: Sqlite): ConfigTables {
  return {
    configs: new SqlConfigs(reading),
    apply: (writes) => applyWrites(sqlite, writes),
    async *heads() {
      const slices = new LoadSlices();
      for (const query of [reads.formalHeads, reads.grayHeads]) {
        for (let from = 0, more = true; more; await slices.rest()) {
          const rows = sqlite.all<HeadRow>(query({ from, max: LOAD_ROWS }));
          for (const row of rows) yield headOf(row);
          from = rows.at(-1)?.id ?? 0;
          more = rows.length === LOAD_ROWS;
        }
      }
    },
    async *staged() {
      const slices = new LoadSlices();
      for (let importId = "", position = -1, more = true; more; await slices.rest()) {
        const rows = sqlite.all<StagedTableRow>(reads.stagedHeads({ importId, position, max: LOAD_ROWS }));
        for (const row of rows) yield stagedOf(row);
        const last = rows.at(-1);
        importId = last?.import_id ?? "";
        position = last?.position ?? 0;
        more = rows.length === LOAD_ROWS;
      }
    },
  };
}

/** Rows are loaded, and taken by who asked for them, for a slice at a time. */
class LoadSlices {
  #endsAt = performance.now() + SLICE_MS;

  /** Lets others have their turn once the slice is used up. */
  async rest(): Promise<void> {
    if (performance.now() < this.#endsAt) return;
    await turn();
    this.#endsAt = performance.now() + SLICE_MS;
  }
}
