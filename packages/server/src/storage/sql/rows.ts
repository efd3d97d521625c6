import type { GrayRule, StagedHead } from "@nacre/core/config";
import type { ConfigType } from "@nacre/protocol";
import type { ConfigHead, HistoryRow, StoredConfig, StoredGray } from "../config-store.ts";
import type { StagedRow } from "../port.ts";
import { text } from "./large-values.ts";
import type { Tables } from "./schema.ts";

/** Rows of the tables as the ports speak of them. Columns that a query left out come back blank. */

type Part<T> = { [C in keyof T]?: T[C] | undefined };
type Blankable<T> = Omit<T, "content" | "c_schema"> &
  Part<Pick<T & { c_schema: string }, "c_schema">> & { readonly content?: string | Buffer };

export type ItemRow = Blankable<Tables["config_info"]>;
export type HistoryTableRow = Blankable<Tables["his_config_info"]>;
export type GrayRow = Omit<Tables["config_info_gray"], "content"> & { readonly content: string | Buffer };

const nameOf = (row: { tenant_id: string; group_id: string; data_id: string }) => ({
  namespace: row.tenant_id,
  group: row.group_id,
  dataId: row.data_id,
});

function fieldsOf(row: ItemRow | HistoryTableRow) {
  return {
    type: row.type as ConfigType,
    appName: row.app_name,
    tags: JSON.parse(row.tags) as string[],
    description: row.c_desc,
    use: row.c_use,
    effect: row.effect,
    schema: row.c_schema ?? "",
  };
}

export function configOf(row: ItemRow): StoredConfig {
  return {
    id: row.id,
    name: nameOf(row),
    content: text(row.content ?? ""),
    md5: row.md5,
    bytes: row.bytes,
    encryptedDataKey: row.encrypted_data_key,
    revision: row.revision,
    createdAt: row.created_at,
    modifiedAt: row.modified_at,
    createdBy: { user: row.created_user, ip: row.created_ip },
    modifiedBy: { user: row.modified_user, ip: row.modified_ip },
    fields: fieldsOf(row),
  };
}

export function grayOf(row: GrayRow): StoredGray {
  return { ...configOf(row), gray: row.gray_name, rule: JSON.parse(row.gray_rule) as GrayRule };
}

export function historyOf(row: HistoryTableRow): HistoryRow {
  return {
    nid: row.nid,
    id: row.id,
    name: nameOf(row),
    gray: row.gray_name === "" ? undefined : row.gray_name,
    rule: row.gray_rule === "" ? undefined : (JSON.parse(row.gray_rule) as GrayRule),
    op: row.op_type as HistoryRow["op"],
    content: text(row.content ?? ""),
    md5: row.md5,
    encryptedDataKey: row.encrypted_data_key,
    fields: fieldsOf(row),
    by: { user: row.changed_user, ip: row.changed_ip },
    at: row.changed_at,
    contentAt: row.content_at,
  };
}

export type HeadRow = Omit<ItemRow, "content" | "c_schema"> & Part<Pick<GrayRow, "gray_name" | "gray_rule">>;

export function headOf(row: HeadRow): ConfigHead {
  const head = {
    name: nameOf(row),
    id: row.id,
    md5: row.md5,
    bytes: row.bytes,
    type: row.type as ConfigType,
    encryptedDataKey: row.encrypted_data_key,
    revision: row.revision,
    modifiedAt: row.modified_at,
  };
  if (row.gray_name === undefined) return head;
  return { ...head, gray: { name: row.gray_name, rule: JSON.parse(row.gray_rule ?? "") as GrayRule } };
}

export type StagedTableRow = Omit<Tables["staged_config"], "content" | "c_schema">;

export function stagedOf(row: StagedTableRow): StagedRow {
  const head: StagedHead = {
    name: nameOf(row),
    md5: row.md5,
    bytes: row.bytes,
    encryptedDataKey: row.encrypted_data_key,
    type: (row.type as ConfigType | null) ?? undefined,
  };
  return { importId: row.import_id, head };
}
