import { sql } from "kysely";
import { columnsOf } from "../schema.ts";
import { db } from "./database.ts";
import { param, prepared } from "./prepared.ts";
import { textColumn, textParam } from "./text-columns.ts";

/** What changes rows, and what reads rows by name or key. A server runs what `statements.ts` holds of it. */

const NAME = { tenant_id: param("namespace"), data_id: param("dataId"), group_id: param("group") };
const GRAY_NAME = { ...NAME, gray_name: param("gray") };
const STAGED = { import_id: param("importId"), position: param("position") };

/** A placeholder for each column, named like it. */
function given<C extends string>(columns: readonly C[]): Record<C, never> {
  return Object.fromEntries(columns.map((column) => [column, param(column)])) as Record<C, never>;
}

const stagedContent = () =>
  db
    .selectFrom("staged_config")
    .select("content")
    .where((eb) => eb.and(STAGED));

const REPLACED = given([
  "md5",
  "bytes",
  "encrypted_data_key",
  "revision",
  "modified_at",
  "modified_user",
  "modified_ip",
]);
/** A field given as NULL keeps what is stored (G8). */
const kept = (column: string) => sql<string>`coalesce(${param(column)}, ${sql.ref(column)})`;
const KEPT = {
  type: kept("type"),
  app_name: kept("app_name"),
  tags: kept("tags"),
  c_desc: kept("c_desc"),
  c_use: kept("c_use"),
  effect: kept("effect"),
  c_schema: kept("c_schema"),
};

/** Columns that a row of history copies from what it is about. */
const COPIED = [
  "id",
  "tenant_id",
  "group_id",
  "data_id",
  "md5",
  "encrypted_data_key",
  "type",
  "app_name",
  "tags",
  "c_desc",
  "c_use",
  "effect",
  "c_schema",
  "content",
  "modified_at",
] as const;
const COPY_TARGETS = [...COPIED.slice(0, -1), "content_at"] as Exclude<
  (typeof COPIED)[number] | "content_at",
  "modified_at"
>[];
const CHANGE = ["nid", "op_type", "changed_at", "changed_user", "changed_ip"] as const;
const change = CHANGE.map((column) => sql<never>`${param(column)}`.as(column));

export const writes = {
  updateFormal: prepared(
    db
      .updateTable("config_info")
      .set({ ...REPLACED, ...KEPT, content: textParam("content") })
      .where((eb) => eb.and(NAME)),
  ),
  insertFormal: prepared(
    db.insertInto("config_info").values({ ...given(columnsOf("config_info")), content: textParam("content") }),
  ),
  updatePromoted: prepared(
    db
      .updateTable("config_info")
      .set({ ...REPLACED, ...KEPT, content: stagedContent() })
      .where((eb) => eb.and(NAME)),
  ),
  insertPromoted: prepared(
    db.insertInto("config_info").values({ ...given(columnsOf("config_info")), content: stagedContent() }),
  ),
  removeFormal: prepared(db.deleteFrom("config_info").where((eb) => eb.and(NAME))),
  updateGray: prepared(
    db
      .updateTable("config_info_gray")
      .set({ ...REPLACED, ...KEPT, gray_rule: param("gray_rule"), content: textParam("content") })
      .where((eb) => eb.and(GRAY_NAME)),
  ),
  insertGray: prepared(
    db
      .insertInto("config_info_gray")
      .values({ ...given(columnsOf("config_info_gray")), content: textParam("content") }),
  ),
  removeGray: prepared(db.deleteFrom("config_info_gray").where((eb) => eb.and(GRAY_NAME))),
  idOf: prepared(
    db
      .selectFrom("config_info")
      .select("id")
      .where((eb) => eb.and(NAME)),
  ),
  addTag: prepared(db.insertInto("config_tags").values(given(columnsOf("config_tags")))),
  clearTags: prepared(db.deleteFrom("config_tags").where("config_id", "=", param("id"))),
  historyOfFormal: prepared(
    db
      .insertInto("his_config_info")
      .columns([...COPY_TARGETS, ...CHANGE, "gray_name", "gray_rule"])
      .expression(
        db
          .selectFrom("config_info")
          .select([...COPIED, ...change, sql.lit("").as("gray_name"), sql.lit("").as("gray_rule")])
          .where((eb) => eb.and(NAME)),
      ),
  ),
  historyOfGray: prepared(
    db
      .insertInto("his_config_info")
      .columns([...COPY_TARGETS, ...CHANGE, "gray_name", "gray_rule"])
      .expression(
        db
          .selectFrom("config_info_gray")
          .select([...COPIED, ...change, "gray_name", "gray_rule"])
          .where((eb) => eb.and(GRAY_NAME)),
      ),
  ),
  stage: prepared(
    db.insertInto("staged_config").values({ ...given(columnsOf("staged_config")), content: textParam("content") }),
  ),
  staged: prepared(
    db
      .selectFrom("staged_config")
      .select(columnsOf("staged_config").filter((column) => column !== "content"))
      .where((eb) => eb.and(STAGED)),
  ),
  /** Of an import, some at a time: each may hold 10 MiB. */
  dropStaged: prepared(
    db.deleteFrom("staged_config").where("import_id", "=", param("importId")).where("position", "<=", param("upTo")),
  ),
  stagedPositions: prepared(
    db
      .selectFrom("staged_config")
      .select("position")
      .where("import_id", "=", param("importId"))
      .orderBy("position")
      .limit(param("max")),
  ),
  oldHistory: prepared(
    db
      .selectFrom("his_config_info")
      .select("nid")
      .where("changed_at", "<", param("before"))
      .orderBy("changed_at")
      .orderBy("nid")
      .limit(param("max")),
  ),
  removeHistory: prepared(db.deleteFrom("his_config_info").where("nid", "=", param("nid"))),
};

const formal = () => db.selectFrom("config_info");
const gray = () => db.selectFrom("config_info_gray");
const history = () => db.selectFrom("his_config_info");
const HISTORY_HEAD = columnsOf("his_config_info").filter((column) => column !== "content" && column !== "c_schema");
const ITEM_HEAD = columnsOf("config_info").filter((column) => column !== "content" && column !== "c_schema");
/** All columns, where the content comes back for `text`. */
const withContent = <C extends string>(columns: readonly C[]) =>
  columns.map((column) => (column === "content" ? textColumn(column) : column)) as C[];
const HISTORY = withContent(columnsOf("his_config_info"));
const ITEM = withContent(columnsOf("config_info"));
const LOADED = [
  "id",
  "tenant_id",
  "group_id",
  "data_id",
  "md5",
  "bytes",
  "type",
  "encrypted_data_key",
  "revision",
  "modified_at",
] as const;

const ofSameVersion = () =>
  history()
    .select(HISTORY)
    .where((eb) => eb.and({ ...NAME, gray_name: param("gray") }));
const historyOf = () => history().where((eb) => eb.and(NAME));

export const reads = {
  content: prepared(
    formal()
      .select(textColumn("content"))
      .where((eb) => eb.and(NAME)),
  ),
  grayContent: prepared(
    gray()
      .select(textColumn("content"))
      .where((eb) => eb.and(GRAY_NAME)),
  ),
  config: prepared(
    formal()
      .select(ITEM)
      .where((eb) => eb.and(NAME)),
  ),
  gray: prepared(
    gray()
      .select(withContent(columnsOf("config_info_gray")))
      .where((eb) => eb.and(GRAY_NAME)),
  ),
  byId: prepared(formal().select(ITEM).where("id", "=", param("id"))),
  headById: prepared(formal().select(ITEM_HEAD).where("id", "=", param("id"))),
  historyRow: prepared(history().select(HISTORY).where("nid", "=", param("nid"))),
  historyHead: prepared(history().select(HISTORY_HEAD).where("nid", "=", param("nid"))),
  historyBefore: prepared(ofSameVersion().where("nid", "<", param("nid")).orderBy("nid", "desc").limit(1)),
  historyAfter: prepared(ofSameVersion().where("nid", ">", param("nid")).orderBy("nid", "asc").limit(1)),
  newestHistory: prepared(historyOf().select(HISTORY).orderBy("nid", "desc").limit(1)),
  oldestHistory: prepared(history().select("changed_at as at").orderBy("changed_at").limit(1)),
  /** Where a slice of a configuration's history ends, walking from the newest. */
  historySliceEnd: prepared(
    historyOf()
      .select("nid as id")
      .where("nid", "<", param("from"))
      .orderBy("nid", "desc")
      .limit(1)
      .offset(param("skip")),
  ),
  historySlice: prepared(
    historyOf()
      .select("nid as id")
      .where("nid", "<", param("from"))
      .where("nid", ">=", param("to"))
      .orderBy("nid", "desc"),
  ),
  historySliceOfApp: prepared(
    historyOf()
      .select("nid as id")
      .where("nid", "<", param("from"))
      .where("nid", ">=", param("to"))
      .where("app_name", "=", param("appName"))
      .orderBy("nid", "desc"),
  ),
  formalHeads: prepared(formal().select(LOADED).where("id", ">", param("from")).orderBy("id").limit(param("max"))),
  grayHeads: prepared(
    gray()
      .select([...LOADED, "gray_name", "gray_rule"])
      .where("id", ">", param("from"))
      .orderBy("id")
      .limit(param("max")),
  ),
  stagedHeads: prepared(
    db
      .selectFrom("staged_config")
      .select(columnsOf("staged_config").filter((column) => column !== "content" && column !== "c_schema"))
      .where((eb) => eb(eb.refTuple("import_id", "position"), ">", eb.tuple(param("importId"), param("position"))))
      .orderBy("import_id")
      .orderBy("position")
      .limit(param("max")),
  ),
};
