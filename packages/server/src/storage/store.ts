import { rmSync } from "node:fs";
import Database from "better-sqlite3";
import type { RowWrite } from "./port.ts";

export interface Row {
  readonly kind: string;
  readonly key: string;
  readonly value: string;
}

/** The last entry whose rows the store holds, with that record's checksum: it ties the store to one log. */
export interface Mark {
  readonly index: number;
  readonly checksum: number;
}

/** A reading of the whole store as of one applied index, while writes go on. */
export interface View {
  readonly mark: Mark;
  readonly rows: IterableIterator<Row>;
  close(): void;
}

/**
 * The applied state in SQLite: a cache of snapshot and log, never synced while the server runs, and rebuilt whenever it
 * cannot be trusted (L6). WAL, because its transactions stay whole when the process is killed.
 */
export interface Store {
  readonly mark: Mark;
  /** Writes rows and mark in one transaction. */
  write(rows: readonly RowWrite[], mark: Mark): void;
  rows(): IterableIterator<Row>;
  view(): View;
  close(): void;
}

const FORMAT = 1;
const SCHEMA = `
  CREATE TABLE rows (kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
  CREATE TABLE mark (id INTEGER PRIMARY KEY CHECK (id = 1), position INTEGER NOT NULL, checksum INTEGER NOT NULL);
  INSERT INTO mark VALUES (1, 0, 0);
  PRAGMA user_version = ${FORMAT};
`;

/** What a store that exists says about itself, before anything is trusted; undefined when it is missing or unreadable. */
export function inspectStore(path: string): { readonly mark: Mark; readonly intact: boolean } | undefined {
  let database: Database.Database | undefined;
  try {
    database = new Database(path, { fileMustExist: true });
    if (database.pragma("user_version", { simple: true }) !== FORMAT) return undefined;
    const mark = readMark(database);
    return { mark, intact: database.pragma("quick_check(1)", { simple: true }) === "ok" };
  } catch {
    return undefined;
  } finally {
    database?.close();
  }
}

export function removeStore(path: string): void {
  for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(path + suffix, { force: true });
}

export function openStore(path: string): Store {
  // No busy timeout: better-sqlite3 would wait inside the event loop (L7).
  const database = new Database(path, { timeout: 0 });
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = OFF");
  database.pragma("cache_size = -16384");
  database.pragma("journal_size_limit = 16777216");
  if (database.pragma("user_version", { simple: true }) !== FORMAT) database.transaction(() => database.exec(SCHEMA))();

  const put = database.prepare<[string, string, string]>(
    "INSERT INTO rows VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
  );
  const remove = database.prepare<[string, string]>("DELETE FROM rows WHERE kind = ? AND key = ?");
  const setMark = database.prepare<[number, number]>("UPDATE mark SET position = ?, checksum = ?");
  let mark = readMark(database);

  const write = database.transaction((rows: readonly RowWrite[], next: Mark) => {
    for (const { kind, key, value } of rows) {
      if (value === undefined) remove.run(kind, key);
      else put.run(kind, key, value);
    }
    setMark.run(next.index, next.checksum);
  });

  return {
    get mark() {
      return mark;
    },
    write(rows, next) {
      write(rows, next);
      mark = next;
    },
    rows: () => allRows(database),
    view: () => openView(path),
    close: () => void database.close(),
  };
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
  const mark = database.prepare<[], Mark>('SELECT position AS "index", checksum FROM mark').get();
  if (mark === undefined) throw new Error("the store has no mark");
  return mark;
}

function allRows(database: Database.Database): IterableIterator<Row> {
  return database.prepare<[], Row>("SELECT kind, key, value FROM rows ORDER BY kind, key").iterate();
}
