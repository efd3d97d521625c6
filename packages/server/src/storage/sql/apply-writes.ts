import type { ConfigFields, ConfigWrite, Content, Operator } from "@nacre/core/config";
import { type ConfigName, DEFAULT_CONFIG_TYPE } from "@nacre/protocol";
import { crossing } from "./large-values.ts";
import type { Tables } from "./schema.ts";
import type { Sqlite } from "./sqlite.ts";
import { writes as queries } from "./statements.ts";

/** Rows that are looked up, and staged ones that are removed, between two pauses: those of an import of 1 MiB at most. */
const REMOVED_AT_ONCE = 32;

type HistoryWrite = Extract<ConfigWrite, { kind: "history" }>;
type Promote = Extract<ConfigWrite, { kind: "promote" }>;
type FieldColumns = Pick<
  Tables["staged_config"],
  "type" | "app_name" | "tags" | "c_desc" | "c_use" | "effect" | "c_schema"
>;
type ContentColumns = Pick<Tables["staged_config"], "md5" | "bytes" | "encrypted_data_key">;
type StagedColumns = Pick<Tables["staged_config"], "tenant_id" | "group_id" | "data_id"> &
  FieldColumns &
  ContentColumns;

/** What a new row holds where a publish says nothing. */
const BLANK: { [C in keyof FieldColumns]: string } = {
  type: DEFAULT_CONFIG_TYPE,
  app_name: "",
  tags: "[]",
  c_desc: "",
  c_use: "",
  effect: "",
  c_schema: "",
};

/**
 * Performs the writes one by one, and pauses wherever the caller may let the event loop have its turn: behind every
 * statement that writes a content, which takes up to 20 ms where it has 10 MiB.
 */
export function* applyWrites(sqlite: Sqlite, writes: Iterable<ConfigWrite>): Generator<undefined, void> {
  /** An insert is copied when the write behind it has been done. */
  let inserted: HistoryWrite | undefined;
  for (const write of writes) {
    if (write.kind === "history") {
      if (write.op === "I") inserted = write;
      else copyToHistory(sqlite, write);
    } else {
      yield* applyWrite(sqlite, write);
      if (inserted !== undefined) {
        yield;
        copyToHistory(sqlite, inserted);
      }
      inserted = undefined;
    }
    yield;
  }
}

function* applyWrite(sqlite: Sqlite, write: Exclude<ConfigWrite, { kind: "history" }>): Generator<undefined, void> {
  switch (write.kind) {
    case "putConfig": {
      const content = { ...contentColumns(write.content), content: crossing(write.content.text) };
      return yield* putFormal(sqlite, write, content, fieldColumns(write.fields));
    }
    case "promote": {
      for (const [position, id] of write.ids.entries()) {
        if (id === 0) continue;
        yield* promoteOne(sqlite, write, position, id);
        yield;
      }
      return;
    }
    case "removeConfig": {
      const row = sqlite.get<{ id: number }>(queries.idOf(write.name));
      if (row === undefined) return;
      sqlite.run(queries.clearTags(row));
      sqlite.run(queries.removeFormal(write.name));
      return;
    }
    case "putGray": {
      const { name, gray } = write;
      const values = {
        ...changeColumns(write),
        ...contentColumns(write.content),
        content: crossing(write.content.text),
        gray_rule: JSON.stringify(gray.rule),
      };
      const fields = fieldColumns(write.fields);
      if (sqlite.run(queries.updateGray({ ...values, ...fields, ...name, gray: gray.name })) > 0) return;
      yield;
      sqlite.run(queries.insertGray({ ...values, ...newRow(write, fields), gray_name: gray.name }));
      return;
    }
    case "removeGray":
      sqlite.run(queries.removeGray({ ...write.name, gray: write.gray }));
      return;
    case "stage": {
      const { importId, position, item } = write;
      const content = { ...contentColumns(item.content), content: crossing(item.content.text) };
      const fields = fieldColumns(item.fields);
      sqlite.run(queries.stage({ import_id: importId, position, ...nameColumns(item.name), ...content, ...fields }));
      return;
    }
    case "dropStaged": {
      const { importId } = write;
      for (;;) {
        const some = sqlite.all<{ position: number }>(queries.stagedPositions({ importId, max: REMOVED_AT_ONCE }));
        const last = some.at(-1);
        if (last === undefined) return;
        sqlite.run(queries.dropStaged({ importId, upTo: last.position }));
        yield;
      }
    }
    case "pruneHistory": {
      const { before } = write;
      for (let left = write.max; left > 0; left -= REMOVED_AT_ONCE) {
        const max = Math.min(left, REMOVED_AT_ONCE);
        const rows = sqlite.all<{ nid: number }>(queries.oldHistory({ before, max }));
        for (const row of rows) {
          sqlite.run(queries.removeHistory(row));
          yield;
        }
        if (rows.length < max) return;
      }
    }
  }
}

/** An item that is new has the id of its history row. */
function* promoteOne(
  sqlite: Sqlite,
  { importId, nid, revision, at, by }: Promote,
  position: number,
  id: number,
): Generator<undefined, void> {
  const staged = sqlite.get<StagedColumns>(queries.staged({ importId, position }));
  if (staged === undefined) throw new Error(`item ${position} of import ${importId} is not staged`);
  const { type, app_name, tags, c_desc, c_use, effect, c_schema } = staged;
  const fields = { type, app_name, tags, c_desc, c_use, effect, c_schema };
  const name: ConfigName = { namespace: staged.tenant_id, group: staged.group_id, dataId: staged.data_id };
  const isNew = id === nid + position;
  const history: HistoryWrite = {
    kind: "history",
    nid: nid + position,
    name,
    gray: undefined,
    op: isNew ? "I" : "U",
    at,
    by,
  };
  if (!isNew) {
    copyToHistory(sqlite, history);
    yield;
  }
  yield* putFormal(sqlite, { name, id, revision, at, by }, { ...staged, importId, position }, fields);
  if (isNew) {
    yield;
    copyToHistory(sqlite, history);
  }
}

interface Text {
  readonly content: string | Buffer;
}

interface StagedText {
  readonly importId: string;
  readonly position: number;
}

interface FormalPut {
  readonly name: ConfigName;
  readonly id: number;
  readonly revision: number;
  readonly at: number;
  readonly by: Operator;
}

/** @param content its columns, and the text itself or where it is staged. */
function* putFormal(
  sqlite: Sqlite,
  put: FormalPut,
  content: ContentColumns & (Text | StagedText),
  fields: FieldColumns,
): Generator<undefined, void> {
  const { name } = put;
  const staged = "importId" in content;
  const values = { ...content, ...changeColumns(put) };
  const update = staged ? queries.updatePromoted : queries.updateFormal;
  const insert = staged ? queries.insertPromoted : queries.insertFormal;
  const isNew = sqlite.run(update({ ...values, ...fields, ...name })) === 0;
  if (isNew) {
    yield;
    sqlite.run(insert({ ...values, ...newRow(put, fields) }));
  }
  if (fields.tags !== null) setTags(sqlite, name, JSON.parse(fields.tags) as string[], isNew);
}

function setTags(sqlite: Sqlite, name: ConfigName, tags: readonly string[], isNew: boolean): void {
  if (isNew && tags.length === 0) return;
  const row = sqlite.get<{ id: number }>(queries.idOf(name));
  if (row === undefined) return;
  if (!isNew) sqlite.run(queries.clearTags(row));
  for (const tag of new Set(tags)) sqlite.run(queries.addTag({ tag, tenant_id: name.namespace, config_id: row.id }));
}

function copyToHistory(sqlite: Sqlite, { name, gray, nid, op, at, by }: HistoryWrite): void {
  const change = { nid, op_type: op, changed_at: at, changed_user: by.user, changed_ip: by.ip };
  if (gray === undefined) sqlite.run(queries.historyOfFormal({ ...change, ...name }));
  else sqlite.run(queries.historyOfGray({ ...change, ...name, gray }));
}

const nameColumns = ({ namespace, group, dataId }: ConfigName) => ({
  tenant_id: namespace,
  group_id: group,
  data_id: dataId,
});

const contentColumns = ({ md5, bytes, encryptedDataKey }: Content): ContentColumns => ({
  md5,
  bytes,
  encrypted_data_key: encryptedDataKey,
});

/** Absent fields are NULL. */
function fieldColumns(fields: ConfigFields): FieldColumns {
  return {
    type: fields.type ?? null,
    app_name: fields.appName ?? null,
    tags: fields.tags === undefined ? null : JSON.stringify(fields.tags),
    c_desc: fields.description ?? null,
    c_use: fields.use ?? null,
    effect: fields.effect ?? null,
    c_schema: fields.schema ?? null,
  };
}

const changeColumns = ({ revision, at, by }: FormalPut) => ({
  revision,
  modified_at: at,
  modified_user: by.user,
  modified_ip: by.ip,
});

/** What a row is given only once, and its fields without gaps. */
function newRow({ id, name, at, by }: FormalPut, fields: FieldColumns) {
  const given = Object.entries(fields).filter(([, value]) => value !== null);
  return {
    id,
    ...nameColumns(name),
    created_at: at,
    created_user: by.user,
    created_ip: by.ip,
    ...BLANK,
    ...Object.fromEntries(given),
  };
}
