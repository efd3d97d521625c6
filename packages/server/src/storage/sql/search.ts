import { RegistryError } from "@nacre/protocol";
import { type Expression, expressionBuilder, type SqlBool, sql } from "kysely";
import type { ConfigQuery } from "../config-store.ts";
import { db } from "./database.ts";
import { param, prepared } from "./prepared.ts";
import type { Tables } from "./schema.ts";
import type { Sqlite } from "./sqlite.ts";

/** Index entries that one step of a walk looks at: some tenths of a millisecond. */
const STEP_ROWS = 500;
/** Bytes of contents that one step looks at. */
const STEP_BYTES = 256 * 1024;
/** Of one text that is searched for. */
const SEARCH_TEXT_MAX = 4096;

interface Candidate {
  readonly id: number;
  readonly bytes: number;
}

const eb = expressionBuilder<Tables, "config_info">();

/**
 * The ids that match, ascending, in steps of which none holds the event loop for long. An exact data id is looked up; else
 * the rows of the namespace (or of the first label) are walked in their index, one range of ids after the other.
 *
 * @param from  only ids above it.
 */
export function* matchingIds(sqlite: Sqlite, query: ConfigQuery, from = 0): Generator<readonly number[], void> {
  const holds = contentTest(sqlite, query);
  for (const candidates of candidateSteps(sqlite, query, from)) {
    let matching: number[] = [];
    let bytes = 0;
    for (const candidate of candidates) {
      if (holds !== undefined && bytes > 0 && bytes + candidate.bytes > STEP_BYTES) {
        yield matching;
        matching = [];
        bytes = 0;
      }
      bytes += candidate.bytes;
      if (holds === undefined || holds(candidate.id)) matching.push(candidate.id);
    }
    yield matching;
  }
}

function* candidateSteps(sqlite: Sqlite, query: ConfigQuery, start: number): Generator<readonly Candidate[], void> {
  const found = lookUp(sqlite, query, start);
  if (found !== undefined) return yield found;
  const label = query.tags?.[0];
  const { end, matches } = label === undefined ? namespaceWalk(query) : labelWalk(query);
  for (let from = start; ; ) {
    const values = { namespace: query.namespace, label, from, skip: STEP_ROWS - 1 };
    const to = sqlite.get<{ id: number }>(end(values))?.id;
    yield sqlite.all<Candidate>(matches({ ...values, to: to ?? Number.MAX_SAFE_INTEGER }));
    if (to === undefined) return;
    from = to;
  }
}

/**
 * What an exact data id leads to, if its rows are few enough for one step. In two queries, because in a single one SQLite
 * prefers the index that holds all columns, and walks the whole namespace.
 */
function lookUp(sqlite: Sqlite, query: ConfigQuery, from: number): readonly Candidate[] | undefined {
  const { namespace, dataId = "", group = "", wildcards } = query;
  if (!isExact(dataId, wildcards)) return undefined;
  let named = db
    .selectFrom("config_info")
    .select("id")
    .where("tenant_id", "=", namespace)
    .where("data_id", "=", dataId)
    .limit(STEP_ROWS + 1);
  if (isExact(group, wildcards)) named = named.where("group_id", "=", group);
  const rows = sqlite.all<{ id: number }>(named.compile());
  if (rows.length > STEP_ROWS) return undefined;
  const one = db.selectFrom("config_info").select(["id", "bytes"]).where("id", "=", param("id"));
  const matching = prepared(one.where(eb.and(conditions(query))));
  return rows
    .filter(({ id }) => id > from)
    .sort((a, b) => a.id - b.id)
    .flatMap((row) => sqlite.get<Candidate>(matching(row)) ?? []);
}

/** A walk over the index of the namespace, which holds all that is compared. */
function namespaceWalk(query: ConfigQuery) {
  const rows = db.selectFrom("config_info").where("tenant_id", "=", param("namespace")).where("id", ">", param("from"));
  return {
    end: prepared(rows.select("id").orderBy("id").limit(1).offset(param("skip"))),
    matches: prepared(
      rows
        .select(["id", "bytes"])
        .where("id", "<=", param("to"))
        .where(eb.and(conditions(query)))
        .orderBy("id"),
    ),
  };
}

/** A walk over what carries the first label. */
function labelWalk(query: ConfigQuery) {
  const rows = db
    .selectFrom("config_tags as first")
    .where("first.tag", "=", param("label"))
    .where("first.tenant_id", "=", param("namespace"))
    .where("first.config_id", ">", param("from"));
  return {
    end: prepared(rows.select("first.config_id as id").orderBy("first.config_id").limit(1).offset(param("skip"))),
    matches: prepared(
      rows
        .innerJoin("config_info", "config_info.id", "first.config_id")
        .select(["config_info.id", "config_info.bytes"])
        .where("first.config_id", "<=", param("to"))
        .where(eb.and(conditions(query)))
        .orderBy("first.config_id"),
    ),
  };
}

/** Everything but namespace, content and the range of ids. */
function conditions(query: ConfigQuery): Expression<SqlBool>[] {
  const { wildcards, namespace } = query;
  const all: (Expression<SqlBool> | undefined)[] = [
    textCondition("config_info.data_id", query.dataId, wildcards),
    textCondition("config_info.group_id", query.group, wildcards),
  ];
  if (isGiven(query.appName)) all.push(eb("config_info.app_name", "=", query.appName));
  if (query.types !== undefined && query.types.length > 0) all.push(eb("config_info.type", "in", query.types));
  // A walk over the first label has that one twice, which costs nothing.
  for (const tag of query.tags ?? []) {
    const labelled = db
      .selectFrom("config_tags as label")
      .select("label.config_id")
      .where("label.tag", "=", tag)
      .where("label.tenant_id", "=", namespace)
      .where("label.config_id", "=", eb.ref("config_info.id"));
    all.push(eb.exists(labelled));
  }
  return all.filter((condition) => condition !== undefined);
}

type Column = "config_info.data_id" | "config_info.group_id";

function textCondition(column: Column, text: string | undefined, wildcards: boolean): Expression<SqlBool> | undefined {
  if (!isGiven(text)) return undefined;
  if (isExact(text, wildcards)) return eb(column, "=", text);
  if (/^\*+$/.test(text)) return undefined;
  return like(column, pattern(text));
}

/** Tells of one row whether its content holds what is searched for; undefined when nothing is. */
function contentTest(sqlite: Sqlite, query: ConfigQuery): ((id: number) => boolean) | undefined {
  const { content, wildcards } = query;
  if (!isGiven(content)) return undefined;
  const parts = wildcards ? content.split("*").filter((part) => part !== "") : [content];
  const [only] = parts;
  if (only === undefined) return undefined;
  checkLength(content);
  const condition =
    parts.length === 1
      ? // Also finds what stands behind a zero character, where LIKE ends.
        sql<SqlBool>`instr(${sql.ref("config_info.content")}, ${only}) > 0`
      : like("config_info.content", pattern(`*${content}*`));
  const test = prepared(db.selectFrom("config_info").select("id").where("id", "=", param("id")).where(condition));
  return (id) => sqlite.get(test({ id })) !== undefined;
}

const isGiven = (text: string | undefined): text is string => text !== undefined && text !== "";
const isExact = (text: string, wildcards: boolean): boolean => text !== "" && !(wildcards && text.includes("*"));

const like = (column: Column | "config_info.content", text: string): Expression<SqlBool> =>
  sql<SqlBool>`${sql.ref(column)} like ${text} escape '!'`;

/** `*` for any characters; what LIKE itself takes for a wildcard stands for itself. */
function pattern(text: string): string {
  checkLength(text);
  return text.replaceAll(/[!%_]/g, "!$&").replaceAll(/\*+/g, "%");
}

function checkLength(text: string): void {
  if (text.length > SEARCH_TEXT_MAX) {
    throw new RegistryError(
      "invalidParameter",
      `a text that is searched for may have ${SEARCH_TEXT_MAX} characters, this one has ${text.length}`,
    );
  }
}
