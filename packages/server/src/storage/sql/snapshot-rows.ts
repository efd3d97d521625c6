import type Database from "better-sqlite3";
import { columnsOf, SNAPSHOT_TABLES, type TableName } from "./schema.ts";
import type { Sqlite } from "./sqlite.ts";

/**
 * A row of a snapshot: a keyed one with its JSON text as value, or one of a table, whose kind is the table's name and
 * whose value is its columns in the order of the schema.
 */
export interface SnapshotRow {
  readonly kind: string;
  readonly key: string;
  readonly value: string | readonly ColumnValue[];
}

export type ColumnValue = string | number | null;

/** As `large-values.ts` has it for queries. */
const LONG_AS_BYTES = "iif(octet_length(content) >= 65536, cast(content as blob), content)";

/** Without Kysely, because rows are copied as they are: a snapshot may hold a million of them. */
export function* tableRows(database: Database.Database): Generator<SnapshotRow> {
  for (const table of SNAPSHOT_TABLES) {
    const columns = columnsOf(table);
    const contentAt = columns.indexOf("content");
    const selected = columns.map((column, at) => (at === contentAt ? LONG_AS_BYTES : column)).join(", ");
    const rows = database
      .prepare<[], (ColumnValue | Buffer)[]>(`SELECT ${selected} FROM ${table} ORDER BY rowid`)
      .raw();
    for (const row of rows.iterate()) {
      const content = row[contentAt];
      if (Buffer.isBuffer(content)) row[contentAt] = content.toString();
      yield { kind: table, key: String(row[0]), value: row as ColumnValue[] };
    }
  }
}

const TAGS_AT = columnsOf("config_info").indexOf("tags");
const TENANT_AT = columnsOf("config_info").indexOf("tenant_id");

export function restoreRow(sqlite: Sqlite, kind: string, value: readonly ColumnValue[]): void {
  const table = SNAPSHOT_TABLES.find((name) => name === kind);
  if (table === undefined) throw new Error(`a snapshot has a row of "${kind}", which is no table of this version`);
  sqlite.run({ sql: INSERTS[table], parameters: value });
  if (table !== "config_info") return;
  const tags = JSON.parse(String(value[TAGS_AT])) as string[];
  for (const tag of new Set(tags))
    sqlite.run({ sql: INSERTS.config_tags, parameters: [tag, value[TENANT_AT], value[0]] });
}

const INSERTS = Object.fromEntries(
  [...SNAPSHOT_TABLES, "config_tags" as const].map((table) => {
    const columns = columnsOf(table);
    return [table, `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`];
  }),
) as Record<TableName, string>;

/** Whether a table has a row. */
export function holdsAny(database: Database.Database, table: TableName | `next_${TableName}`): boolean {
  return database.prepare(`SELECT 1 FROM ${table} LIMIT 1`).get() !== undefined;
}
