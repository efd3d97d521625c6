import type Database from "better-sqlite3";
import { indexesOf, ROWS_TABLE, TABLES, type TableName, tableOf } from "./schema.ts";
import { Sqlite } from "./sqlite.ts";

/**
 * Tables of another state beside those that are read: filled in many small transactions, they take the place of the others
 * in one, which writes names alone. What takes long for SQLite is left to a thread, as statements that may be repeated.
 */

/** In front of the names of tables that are being filled, and of those that gave way. */
const NEXT = "next_";
const LAST = "last_";

const CONFIG_TABLES = Object.keys(TABLES) as TableName[];
const NAMES = new RegExp(`\\b(${CONFIG_TABLES.join("|")})\\b`, "g");
/** Some index: all of a state's have the same suffix, which the other state's have not. */
const SOME_INDEX = "config_info_walk";
const SUFFIX = "_2";

/** Without indexes: pages are written one after the other, and once. */
export function createBeside(database: Database.Database): void {
  const tables = CONFIG_TABLES.map((table) => tableOf(table, NEXT + table, false));
  database.exec(`CREATE TABLE ${NEXT}rows ${ROWS_TABLE}; ${tables.join(" ")}`);
}

export function indexesBeside(database: Database.Database): string[] {
  const isTaken = database.prepare("SELECT 1 FROM sqlite_master WHERE name = ?").get(SOME_INDEX) !== undefined;
  return CONFIG_TABLES.flatMap((table) => indexesOf(table, NEXT + table, isTaken ? SUFFIX : "", true));
}

/** What queries of configurations ask is asked of the tables beside. */
export function sqliteBeside(database: Database.Database): Sqlite {
  return new Sqlite(database, (sql) => sql.replaceAll(NAMES, `${NEXT}$1`));
}

export function nameBeside<Name extends TableName | "rows">(name: Name): `${typeof NEXT}${Name}` {
  return `${NEXT}${name}`;
}

/** Within a transaction of the caller. Yields after each table: to rename one takes a millisecond. */
export function* switchTables(database: Database.Database): Generator<undefined, void> {
  for (const name of ["rows", ...CONFIG_TABLES]) {
    database.exec(`ALTER TABLE ${name} RENAME TO ${LAST}${name}; ALTER TABLE ${NEXT}${name} RENAME TO ${name}`);
    yield;
  }
}

/** What removes the tables that are not read. */
export function removals(): string[] {
  return ["rows", ...CONFIG_TABLES].flatMap((name) =>
    [NEXT, LAST].map((prefix) => `DROP TABLE IF EXISTS ${prefix}${name}`),
  );
}
