import type { ConfigName } from "@nacre/protocol";
import type {
  ConfigQuery,
  ConfigStore,
  HistoryQuery,
  HistoryRow,
  PageOf,
  StoredConfig,
  StoredGray,
} from "../config-store.ts";
import { turn } from "../turn.ts";
import { text } from "./large-values.ts";
import { configOf, type GrayRow, grayOf, type HistoryTableRow, historyOf, type ItemRow } from "./rows.ts";
import { matchingIds } from "./search.ts";
import { Slices } from "./slices.ts";
import type { Query, Sqlite } from "./sqlite.ts";
import { reads } from "./statements.ts";

/** Bytes that are read from the tables in one step. */
const STEP_BYTES = 512 * 1024;
/** Rows that a scan holds at a time, unless they hold more than `STEP_BYTES`. */
const SCAN_ROWS = 100;
/** Rows of history that one step looks at. */
const HISTORY_STEP_ROWS = 500;

/** The stored configurations in SQLite. Lookups are answered at once, everything longer in slices. */
export class SqlConfigs implements ConfigStore {
  readonly #sqlite: Sqlite;
  readonly #slices = new Slices();

  constructor(sqlite: Sqlite) {
    this.#sqlite = sqlite;
  }

  async content(name: ConfigName, gray?: string): Promise<string | undefined> {
    const query = gray === undefined ? reads.content({ ...name }) : reads.grayContent({ ...name, gray });
    const row = this.#sqlite.get<{ content: string | Buffer }>(query);
    return row && text(row.content);
  }

  async config(name: ConfigName): Promise<StoredConfig | undefined> {
    const row = this.#sqlite.get<ItemRow>(reads.config({ ...name }));
    return row && configOf(row);
  }

  async gray(name: ConfigName, gray: string): Promise<StoredGray | undefined> {
    const row = this.#sqlite.get<GrayRow>(reads.gray({ ...name, gray }));
    return row && grayOf(row);
  }

  byIds(ids: readonly number[]): Promise<StoredConfig[]> {
    return this.#slices.run(this.#items(ids, false));
  }

  search(query: ConfigQuery, page: PageOf): Promise<{ total: number; items: StoredConfig[] }> {
    return this.#slices.run(this.#page(matchingIds(this.#sqlite, query), query, page));
  }

  async *scan(query: ConfigQuery): AsyncGenerator<StoredConfig> {
    let from = 0;
    for (;;) {
      const items = await this.#slices.run(this.#scanStep(matchingIds(this.#sqlite, query, from), query));
      yield* items.found;
      if (items.done) return;
      from = items.through;
      await turn();
    }
  }

  history(query: HistoryQuery, page: PageOf): Promise<{ total: number; items: HistoryRow[] }> {
    return this.#slices.run(this.#history(query, page));
  }

  async historyRow(nid: number): Promise<HistoryRow | undefined> {
    return this.#historyRow(reads.historyRow({ nid }));
  }

  async historyBefore(nid: number): Promise<HistoryRow | undefined> {
    return this.#neighbour(nid, reads.historyBefore);
  }

  async historyAfter(nid: number): Promise<HistoryRow | undefined> {
    return this.#neighbour(nid, reads.historyAfter);
  }

  async newestHistory(name: ConfigName): Promise<HistoryRow | undefined> {
    return this.#historyRow(reads.newestHistory({ ...name }));
  }

  async oldestHistoryAt(): Promise<number | undefined> {
    return this.#sqlite.get<{ at: number }>(reads.oldestHistory({}))?.at;
  }

  #historyRow(query: Query): HistoryRow | undefined {
    const row = this.#sqlite.get<HistoryTableRow>(query);
    return row && historyOf(row);
  }

  #neighbour(nid: number, neighbour: (values: object) => Query): HistoryRow | undefined {
    const row = this.#sqlite.get<HistoryTableRow>(reads.historyHead({ nid }));
    if (row === undefined) return undefined;
    const name = { namespace: row.tenant_id, dataId: row.data_id, group: row.group_id };
    return this.#historyRow(neighbour({ ...name, gray: row.gray_name, nid }));
  }

  *#items(ids: readonly number[], headsOnly: boolean): Generator<undefined, StoredConfig[]> {
    const byId = headsOnly ? reads.headById : reads.byId;
    const items: StoredConfig[] = [];
    let bytes = 0;
    for (const id of ids) {
      const row = this.#sqlite.get<ItemRow>(byId({ id }));
      if (row === undefined) continue;
      items.push(configOf(row));
      bytes += 1000 + (headsOnly ? 0 : row.bytes);
      if (bytes < STEP_BYTES) continue;
      bytes = 0;
      yield;
    }
    return items;
  }

  *#page(
    matching: Iterable<readonly number[]>,
    query: ConfigQuery,
    page: PageOf,
  ): Generator<undefined, { total: number; items: StoredConfig[] }> {
    const { total, ids } = yield* pageOf(matching, page);
    return { total, items: yield* this.#items(ids, query.headsOnly === true) };
  }

  /** The next rows: at least one, unless there is none. */
  *#scanStep(matching: Iterable<readonly number[]>, query: ConfigQuery) {
    const found: StoredConfig[] = [];
    let bytes = 0;
    for (const ids of matching) {
      for (const id of ids) {
        for (const item of yield* this.#items([id], query.headsOnly === true)) {
          found.push(item);
          bytes += item.bytes;
        }
        if (found.length >= SCAN_ROWS || bytes >= STEP_BYTES) return { found, through: id, done: false };
      }
      yield;
    }
    return { found, through: 0, done: true };
  }

  *#history(query: HistoryQuery, page: PageOf): Generator<undefined, { total: number; items: HistoryRow[] }> {
    const { total, ids } = yield* pageOf(this.#historyIds(query), page);
    const one = query.headsOnly === true ? reads.historyHead : reads.historyRow;
    const items: HistoryRow[] = [];
    for (const nid of ids) {
      const row = this.#historyRow(one({ nid }));
      if (row !== undefined) items.push(row);
      yield;
    }
    return { total, items };
  }

  *#historyIds({ name, appName }: HistoryQuery): Generator<readonly number[], void> {
    const matches = appName === undefined || appName === "" ? reads.historySlice : reads.historySliceOfApp;
    for (let from = Number.MAX_SAFE_INTEGER; ; ) {
      const values = { ...name, appName, from, skip: HISTORY_STEP_ROWS - 1 };
      const to = this.#sqlite.get<{ id: number }>(reads.historySliceEnd(values))?.id;
      yield this.#sqlite.all<{ id: number }>(matches({ ...values, to: to ?? 0 })).map(({ id }) => id);
      if (to === undefined) return;
      from = to;
    }
  }
}

/** Counts all ids, and keeps those of the page. */
function* pageOf(
  steps: Iterable<readonly number[]>,
  { page, size }: PageOf,
): Generator<undefined, { total: number; ids: number[] }> {
  const first = (page - 1) * size;
  const ids: number[] = [];
  let total = 0;
  for (const step of steps) {
    for (let at = Math.max(0, first - total); at < step.length && ids.length < size; at += 1) {
      const id = step[at];
      if (id !== undefined) ids.push(id);
    }
    total += step.length;
    yield;
  }
  return { total, ids };
}
