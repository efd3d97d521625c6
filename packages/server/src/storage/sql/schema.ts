/**
 * The tables of configuration, said once: the types of queries, the statements that create them and the rows of
 * snapshots come from here. Contents stand last, so that reading a head touches no page of a long content.
 */
interface Table {
  readonly columns: Readonly<Record<string, ColumnKind>>;
  readonly key: readonly string[];
  readonly unique?: readonly (readonly string[])[];
  readonly indexes?: Readonly<Record<string, readonly string[]>>;
}

/** `optional` text may be NULL, which stands for absent; everything else is always there. */
type ColumnKind = "number" | "text" | "optional";

const NAME = { tenant_id: "text", group_id: "text", data_id: "text" } as const;
const VERSION = { md5: "text", bytes: "number", encrypted_data_key: "text", revision: "number" } as const;
/** `tags` is a JSON list in the order given; the relation `config_tags` is for searching. */
const FIELDS = {
  type: "text",
  app_name: "text",
  tags: "text",
  c_desc: "text",
  c_use: "text",
  effect: "text",
} as const;
const TIMES = {
  created_at: "number",
  modified_at: "number",
  created_user: "text",
  created_ip: "text",
  modified_user: "text",
  modified_ip: "text",
} as const;
const BODY = { c_schema: "text", content: "text" } as const;

export const TABLES = {
  config_info: {
    columns: { id: "number", ...NAME, ...VERSION, ...FIELDS, ...TIMES, ...BODY },
    key: ["id"],
    unique: [["tenant_id", "data_id", "group_id"]],
    // Holds all that a search without contents compares, in the order in which it walks.
    indexes: { config_info_walk: ["tenant_id", "id", "data_id", "group_id", "app_name", "type", "bytes"] },
  },
  config_info_gray: {
    columns: { id: "number", ...NAME, gray_name: "text", gray_rule: "text", ...VERSION, ...FIELDS, ...TIMES, ...BODY },
    key: ["id"],
    unique: [["tenant_id", "data_id", "group_id", "gray_name"]],
  },
  config_tags: {
    columns: { tag: "text", tenant_id: "text", config_id: "number" },
    key: ["tag", "tenant_id", "config_id"],
    indexes: { config_tags_config: ["config_id"] },
  },
  his_config_info: {
    columns: {
      nid: "number",
      id: "number",
      ...NAME,
      /** Blank for the formal version. */
      gray_name: "text",
      gray_rule: "text",
      op_type: "text",
      md5: "text",
      encrypted_data_key: "text",
      ...FIELDS,
      changed_at: "number",
      content_at: "number",
      changed_user: "text",
      changed_ip: "text",
      ...BODY,
    },
    key: ["nid"],
    indexes: {
      his_config_info_name: ["tenant_id", "data_id", "group_id", "nid"],
      his_config_info_age: ["changed_at", "nid"],
    },
  },
  staged_config: {
    columns: {
      import_id: "text",
      position: "number",
      ...NAME,
      md5: "text",
      bytes: "number",
      encrypted_data_key: "text",
      type: "optional",
      app_name: "optional",
      tags: "optional",
      c_desc: "optional",
      c_use: "optional",
      effect: "optional",
      c_schema: "optional",
      content: "text",
    },
    key: ["import_id", "position"],
  },
} as const satisfies Record<string, Table>;

export type TableName = keyof typeof TABLES;
type ColumnType<K> = K extends "number" ? number : K extends "optional" ? string | null : string;
type Rows<T extends Table> = { -readonly [C in keyof T["columns"]]: ColumnType<T["columns"][C]> };

/** What Kysely knows of the tables. */
export type Tables = { [T in TableName]: Rows<(typeof TABLES)[T]> };

/** Tables that a snapshot holds, in the order in which they are written; the tags follow from `config_info`. */
export const SNAPSHOT_TABLES = ["config_info", "config_info_gray", "his_config_info", "staged_config"] as const;
export type SnapshotTable = (typeof SNAPSHOT_TABLES)[number];

export function columnsOf<T extends TableName>(table: T): (keyof Tables[T] & string)[] {
  return Object.keys(TABLES[table].columns) as (keyof Tables[T] & string)[];
}

const SQLITE_TYPES = { number: "INTEGER NOT NULL", text: "TEXT NOT NULL", optional: "TEXT" } as const;

/** Rows of all other features. */
export const ROWS_TABLE =
  "(kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID";

/** What creates the tables in SQLite. */
export function sqliteSchema(): string {
  const tables = Object.keys(TABLES) as TableName[];
  return tables.flatMap((table) => [tableOf(table, table, true), ...indexesOf(table, table, "", false)]).join("\n");
}

/** @param hasUnique  what is unique is said in the table, and not by indexes. */
export function tableOf(table: TableName, name: string, hasUnique: boolean): string {
  const { columns, key, unique = [] }: Table = TABLES[table];
  // A single number as key is SQLite's own row id.
  const rowId = key.length === 1;
  const lines = Object.entries(columns).map(([column, kind]) =>
    rowId && column === key[0] ? `${column} INTEGER PRIMARY KEY` : `${column} ${SQLITE_TYPES[kind]}`,
  );
  if (!rowId) lines.push(`PRIMARY KEY (${key.join(", ")})`);
  if (hasUnique) for (const columnsOfKey of unique) lines.push(`UNIQUE (${columnsOfKey.join(", ")})`);
  // Rows that are nothing but their key need no second tree.
  const keyOnly = Object.keys(columns).length === key.length;
  return `CREATE TABLE ${name} (${lines.join(", ")})${keyOnly ? " WITHOUT ROWID" : ""};`;
}

/** @param suffix  of the names of indexes, which a table keeps when it is renamed. */
export function indexesOf(table: TableName, name: string, suffix: string, hasUnique: boolean): string[] {
  const { unique = [], indexes = {} }: Table = TABLES[table];
  const made = (kind: string, index: string, of: readonly string[]) =>
    `CREATE ${kind} IF NOT EXISTS ${index}${suffix} ON ${name} (${of.join(", ")});`;
  return [
    ...(hasUnique ? unique.map((of, at) => made("UNIQUE INDEX", `${table}_unique_${at}`, of)) : []),
    ...Object.entries(indexes).map(([index, of]) => made("INDEX", index, of)),
  ];
}
