import { rmSync } from "node:fs";
import Database from "better-sqlite3";
import type { ConfigHead, ConfigStore } from "./config-store.ts";
import { diskFailure, failureCode, isDamage } from "./disk-failure.ts";
import type { StagedRow, Writes } from "./port.ts";
import { createBeside, indexesBeside, nameBeside, removals, sqliteBeside, switchTables } from "./sql/beside.ts";
import type { ConfigTables } from "./sql/config-tables.ts";
import { entryWrites } from "./sql/entry-writes.ts";
import { lazyConfigs } from "./sql/lazy-configs.ts";
import { ROWS_TABLE, sqliteSchema } from "./sql/schema.ts";
import { holdsAny, restoreRow, type SnapshotRow, tableRows } from "./sql/snapshot-rows.ts";
import { Sqlite } from "./sql/sqlite.ts";
import { SLICE_MS, turn } from "./turn.ts";

export interface Row {
  readonly kind: string;
  readonly key: string;
  readonly value: string;
}

/** The last entry whose rows the store holds, with that record's checksum: it ties the store to one log. */
export interface Mark {
  readonly index: number;
  readonly term: number;
  readonly checksum: number;
  /** The members of the group as of this entry, as a `configuration` record had them; empty before the first one. */
  readonly configuration: string;
}

/** The state before the first entry. */
export const EMPTY: Mark = { index: 0, term: 0, checksum: 0, configuration: "" };

/** A reading of the whole store as of one applied index, while writes go on. */
export interface View {
  readonly mark: Mark;
  readonly rows: IterableIterator<SnapshotRow>;
  close(): void;
}

/**
 * Another state on its way into a store in use: readers of `configs` and views see the old one until `commit`, which
 * takes no longer than any other. Nothing else is written meanwhile.
 */
export interface Replacement {
  /** After `removals` were performed. */
  begin(): void;
  put(rows: readonly SnapshotRow[]): void;
  /** Ends a transaction of some megabytes, so that `commit` need not. */
  save(): void;
  /** What the new state holds so far, as a start would read it. */
  rows(): IterableIterator<Row>;
  heads(): AsyncIterable<ConfigHead>;
  staged(): AsyncIterable<StagedRow>;
  /** What of `commit` can be done before it: nothing is read of the new state in between, and readers see the old one. */
  prepare(): Generator<undefined, void>;
  /** After `prepare`. */
  commit(mark: Mark): void;
  /** Statements to be performed between the last row and the commit, each of which may take long: elsewhere. */
  indexes(): readonly string[];
  /** Undoes what was not saved. Statements that remove what is not to be read: the old state after a commit, and else this. */
  removals(): readonly string[];
}

/**
 * The applied state in SQLite: a cache of snapshot and log, never synced while the server runs, and rebuilt whenever it
 * cannot be trusted (L6). WAL, because its transactions stay whole when the process is killed.
 */
export interface Store {
  readonly mark: Mark;
  readonly configs: ConfigStore;
  /**
   * Performs the writes and sets the mark in one transaction, in slices of 5 ms. Readers of `configs` and views see what
   * was committed; in memory, where there is one connection, readers see what is done so far. One write at a time.
   */
  write(writes: Writes, mark: Mark): Promise<void>;
  /** @returns whether another connection has written everything up to this mark, which is the store's from then on. */
  adopt(mark: Mark): boolean;
  /** Puts rows of a snapshot back into a store that holds none of them, in one transaction with the mark. */
  restore(rows: readonly SnapshotRow[], mark: Mark): void;
  replace(): Replacement;
  rows(): IterableIterator<Row>;
  /** Formal versions first, by ascending id. */
  heads(): AsyncIterable<ConfigHead>;
  /** In the order staged, import by import. */
  staged(): AsyncIterable<StagedRow>;
  view(): View;
  /** A statement without values, in this thread. */
  perform(statement: string): void;
  /** From now on checkpoints are made by `StoreThread`, and by SQLite itself only when many pages wait. */
  leaveCheckpoints(): void;
  /** Pages that wait for a checkpoint. */
  pagesWaiting(): number;
  close(): void;
}

const FORMAT = 3;
const SCHEMA = `
  CREATE TABLE rows ${ROWS_TABLE};
  CREATE TABLE mark (id INTEGER PRIMARY KEY CHECK (id = 1), position INTEGER NOT NULL, term INTEGER NOT NULL,
    checksum INTEGER NOT NULL, configuration TEXT NOT NULL);
  INSERT INTO mark VALUES (1, 0, 0, 0, '');
  ${sqliteSchema()}
  PRAGMA user_version = ${FORMAT};
`;
/**
 * What a start reads, and therefore checks. History is as long as its retention and is not: a query that meets damage there
 * says so, and the next start rebuilds the store.
 */
const LOADED_TABLES = ["rows", "mark", "config_info", "config_info_gray", "staged_config"];
/** Pages of write-ahead log that SQLite copies by itself, should nobody else have done it. */
const OWN_CHECKPOINT_PAGES = 65_536;

/** What a store that exists says about itself, before anything is trusted; undefined when it is missing or unreadable. */
export function inspectStore(path: string): { readonly mark: Mark; readonly intact: boolean } | undefined {
  let database: Database.Database | undefined;
  try {
    const opened = new Database(path, { fileMustExist: true });
    database = opened;
    if (database.pragma("user_version", { simple: true }) !== FORMAT) return undefined;
    const mark = readMark(database);
    return { mark, intact: LOADED_TABLES.every((table) => isIntact(opened, table)) };
  } catch {
    return undefined;
  } finally {
    database?.close();
  }
}

function isIntact(database: Database.Database, table: string): boolean {
  return database.pragma(`quick_check('${table}')`, { simple: true }) === "ok";
}

export function removeStore(path: string): void {
  for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(path + suffix, { force: true });
}

/** @param onDamage  called when a query meets a damaged page: the store is not to be trusted by another start. */
export function openStore(path: string, onDamage: () => void): Store {
  // No busy timeout: better-sqlite3 would wait inside the event loop (L7).
  const database = new Database(path, { timeout: 0 });
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = OFF");
  // What a transaction has changed beyond this goes to the write-ahead log as it comes, instead of all in its COMMIT.
  database.pragma("cache_size = -4096");
  database.pragma("journal_size_limit = 16777216");
  return storeIn(database, {
    view: () => openView(path),
    reader: () => new Database(path, { readonly: true, timeout: 0 }),
    failed(thrown) {
      if (isDamage(thrown)) onDamage();
      return failureCode(thrown).startsWith("SQLITE_")
        ? diskFailure(`the store ${path} cannot be used`, thrown)
        : thrown;
    },
  });
}

/** A store that nothing outlives. */
export function openMemoryStore(): Store {
  return storeIn(new Database(":memory:"), {
    view() {
      throw new Error("a store in memory has no other view");
    },
    reader: () => undefined,
    failed: (thrown) => thrown,
  });
}

/** What differs between stores: how they are read as of one moment, and what becomes of SQLite's failures. */
interface Surroundings {
  view(): View;
  /** A connection that sees what is committed; undefined where there can be no other. */
  reader(): Database.Database | undefined;
  failed(thrown: unknown): unknown;
}

function storeIn(database: Database.Database, { view, reader, failed }: Surroundings): Store {
  if (database.pragma("user_version", { simple: true }) !== FORMAT) database.transaction(() => database.exec(SCHEMA))();
  prepareQueries(database);
  const entries = entryWrites(database);
  const begin = database.prepare("BEGIN IMMEDIATE");
  const commit = database.prepare("COMMIT");
  const sqlite = new Sqlite(database);
  let mark = readMark(database);

  let reading: Database.Database | undefined;
  let loading: Promise<ConfigTables> | undefined;
  function tables(): Promise<ConfigTables> {
    loading ??= import("./sql/config-tables.ts").then(({ openConfigTables }) => {
      reading = reader();
      if (reading !== undefined) prepareQueries(reading);
      return openConfigTables(sqlite, reading === undefined ? sqlite : new Sqlite(reading));
    });
    return loading;
  }
  const restoreRows = database.transaction((rows: readonly SnapshotRow[], next: Mark) => {
    for (const { kind, key, value } of rows) {
      if (typeof value === "string") entries.put(kind, key, value);
      else restoreRow(sqlite, kind, value);
    }
    entries.setMark(next);
  });
  function rollBack(): void {
    // A full disk has ended the transaction already.
    if (database.inTransaction) database.exec("ROLLBACK");
  }
  async function* heads(): AsyncIterable<ConfigHead> {
    if (holdsAny(database, "config_info") || holdsAny(database, "config_info_gray")) yield* (await tables()).heads();
  }
  async function* staged(): AsyncIterable<StagedRow> {
    if (holdsAny(database, "staged_config")) yield* (await tables()).staged();
  }

  return {
    get mark() {
      return mark;
    },
    configs: lazyConfigs(
      async () => (await tables()).configs,
      () => holdsAny(database, "his_config_info"),
      failed,
    ),
    async write(writes, next) {
      const { configs = [] } = writes;
      const steps = entries.perform(writes.rows, configs.length === 0 ? undefined : (await tables()).apply(configs));
      begin.run();
      try {
        let sliceEndsAt = performance.now() + SLICE_MS;
        for (const _ of steps) {
          if (performance.now() < sliceEndsAt) continue;
          await turn();
          sliceEndsAt = performance.now() + SLICE_MS;
        }
        // The last step may have been a long content.
        if (performance.now() >= sliceEndsAt) await turn();
        entries.setMark(next);
        commit.run();
      } catch (thrown) {
        rollBack();
        throw failed(thrown);
      }
      mark = next;
    },
    adopt(next) {
      const isThere = readMark(database).index === next.index;
      if (isThere) mark = next;
      return isThere;
    },
    replace() {
      const next = sqliteBeside(database);
      const tablesBeside = async () => (await import("./sql/config-tables.ts")).openConfigTables(next, next);
      const insert = `INSERT INTO ${nameBeside("rows")} VALUES (?, ?, ?)`;
      return {
        begin: () => createBeside(database),
        indexes: () => indexesBeside(database),
        put(rows) {
          if (!database.inTransaction) begin.run();
          for (const { kind, key, value } of rows) {
            if (typeof value === "string") next.run({ sql: insert, parameters: [kind, key, value] });
            else restoreRow(next, kind, value);
          }
        },
        save() {
          if (database.inTransaction) commit.run();
        },
        rows: () => keyedRows(database, nameBeside("rows")),
        async *heads() {
          const [formal, gray] = [nameBeside("config_info"), nameBeside("config_info_gray")];
          if (holdsAny(database, formal) || holdsAny(database, gray)) yield* (await tablesBeside()).heads();
        },
        async *staged() {
          if (holdsAny(database, nameBeside("staged_config"))) yield* (await tablesBeside()).staged();
        },
        *prepare() {
          if (!database.inTransaction) begin.run();
          yield* switchTables(database);
        },
        commit(after) {
          entries.setMark(after);
          commit.run();
          mark = after;
        },
        removals() {
          rollBack();
          return removals();
        },
      };
    },
    restore(rows, next) {
      restoreRows(rows, next);
      mark = next;
    },
    rows: () => keyedRows(database),
    heads,
    staged,
    view,
    perform: (statement) => void database.exec(statement),
    leaveCheckpoints: () => void database.pragma(`wal_autocheckpoint = ${OWN_CHECKPOINT_PAGES}`),
    pagesWaiting() {
      const [state] = database.pragma("wal_checkpoint(NOOP)") as { log: number; checkpointed: number }[];
      return state === undefined ? 0 : state.log - state.checkpointed;
    },
    close() {
      // First, because the last to close copies the write-ahead log into the store, which only a writer can.
      reading?.close();
      database.close();
    },
  };
}

function prepareQueries(database: Database.Database): void {
  // As the other databases do it, and as exact lookups do.
  database.pragma("case_sensitive_like = ON");
}

function openView(path: string): View {
  const database = new Database(path, { readonly: true });
  try {
    // The mark is the first read of the transaction and fixes what the rest of it sees.
    database.exec("BEGIN");
    return { mark: readMark(database), rows: allRows(database), close: () => void database.close() };
  } catch (thrown) {
    database.close();
    throw thrown;
  }
}

function readMark(database: Database.Database): Mark {
  const mark = database.prepare<[], Mark>('SELECT position AS "index", term, checksum, configuration FROM mark').get();
  if (mark === undefined) throw new Error("the store has no mark");
  return mark;
}

function keyedRows(database: Database.Database, table = "rows"): IterableIterator<Row> {
  return database.prepare<[], Row>(`SELECT kind, key, value FROM ${table} ORDER BY kind, key`).iterate();
}

function* allRows(database: Database.Database): IterableIterator<SnapshotRow> {
  yield* keyedRows(database);
  yield* tableRows(database);
}
