import { type Expression, expressionBuilder, type SqlBool, sql } from "kysely";
import type { Tables } from "../schema.ts";
import { db } from "./database.ts";
import { param, prepared } from "./prepared.ts";

/**
 * What a search runs. A filter that is not given is NULL, which lets every row through: at 100,000 rows it costs less than
 * half a millisecond each, because a walk compares inside its index whatever it is asked.
 */

const eb = expressionBuilder<Tables, "config_info">();

const unless = (name: string, condition: Expression<SqlBool>): Expression<SqlBool> =>
  sql<SqlBool>`(${param(name)} is null or ${condition})`;
const like = (column: "data_id" | "group_id" | "content", name: string): Expression<SqlBool> =>
  sql<SqlBool>`${sql.ref(`config_info.${column}`)} like ${param(name)} escape '!'`;
const inList = (column: "type" | "tag", name: string): Expression<SqlBool> =>
  sql<SqlBool>`${sql.ref(column)} in (select value from json_each(${param(name)}))`;

/** Everything but the namespace, labels, the content and the range of ids. */
const matches = eb.and([
  unless("dataId", eb("config_info.data_id", "=", param("dataId"))),
  unless("dataIdLike", like("data_id", "dataIdLike")),
  unless("group", eb("config_info.group_id", "=", param("group"))),
  unless("groupLike", like("group_id", "groupLike")),
  unless("appName", eb("config_info.app_name", "=", param("appName"))),
  unless("types", inList("type", "types")),
]);

/** The index of the namespace, which holds all that is compared. */
const ofNamespace = () =>
  db.selectFrom("config_info").where("tenant_id", "=", param("namespace")).where("id", ">", param("from"));
/** What carries the first label. */
const ofLabel = () =>
  db
    .selectFrom("config_tags as first")
    .where("first.tag", "=", param("label"))
    .where("first.tenant_id", "=", param("namespace"))
    .where("first.config_id", ">", param("from"));

const labelsHeld = db
  .selectFrom("config_tags")
  .select(eb.fn.countAll<number>().as("held"))
  .where("config_tags.config_id", "=", eb.ref("config_info.id"))
  .where(inList("tag", "labels"));

const one = () => db.selectFrom("config_info").where("id", "=", param("id"));

export const searches = {
  idsOfDataId: prepared(
    db
      .selectFrom("config_info")
      .select("id")
      .where("tenant_id", "=", param("namespace"))
      .where("data_id", "=", param("dataId"))
      .limit(param("max")),
  ),
  namespaceSliceEnd: prepared(ofNamespace().select("id").orderBy("id").limit(1).offset(param("skip"))),
  namespaceSlice: prepared(ofNamespace().select("id").where("id", "<=", param("to")).where(matches).orderBy("id")),
  labelSliceEnd: prepared(
    ofLabel().select("first.config_id as id").orderBy("first.config_id").limit(1).offset(param("skip")),
  ),
  labelSlice: prepared(
    ofLabel()
      .innerJoin("config_info", "config_info.id", "first.config_id")
      .select("first.config_id as id")
      .where("first.config_id", "<=", param("to"))
      .where(matches)
      .where(unless("labels", eb(labelsHeld, "=", param("labelCount"))))
      .orderBy("first.config_id"),
  ),
  /** Also finds what stands behind a zero character, where LIKE ends. */
  contentHas: prepared(
    one().select(["bytes", sql<number>`instr(${sql.ref("content")}, ${param("content")}) > 0`.as("holds")]),
  ),
  contentLike: prepared(one().select(["bytes", sql<number>`${like("content", "content")}`.as("holds")])),
};
