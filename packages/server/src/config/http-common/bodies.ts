import type { ConfigFields } from "@nacre/core/config";
import type { HistoryRow, StoredConfig, StoredGray } from "../../storage/config-store.ts";

/** Configurations and their history as the dialects show them. Ids are texts: scripts would round them as numbers. */

type Body = Record<string, unknown>;

/** v1 and v2 lists. */
export function configInfo({ id, name, content, md5, encryptedDataKey, fields }: StoredConfig): Body {
  return {
    id: String(id),
    dataId: name.dataId,
    group: name.group,
    content,
    md5,
    encryptedDataKey,
    tenant: name.namespace,
    appName: fields.appName,
    type: fields.type,
  };
}

/** v1, with everything. */
export function configAllInfo(config: StoredConfig): Body {
  return { ...configInfo(config), ...advancedInfo(config) };
}

/** v1: what there is besides the content. */
export function advancedInfo({ createdAt, modifiedAt, createdBy, fields }: StoredConfig): Body {
  return {
    createTime: createdAt,
    modifyTime: modifiedAt,
    createUser: createdBy.user,
    createIp: createdBy.ip,
    desc: fields.description,
    use: fields.use,
    effect: fields.effect,
    type: fields.type,
    schema: fields.schema,
    configTags: fields.tags.join(","),
  };
}

/** v3 lists. */
export function basicInfo({ id, name, md5, createdAt, modifiedAt, fields }: StoredConfig): Body {
  return {
    id: String(id),
    namespaceId: name.namespace,
    groupName: name.group,
    dataId: name.dataId,
    md5,
    type: fields.type,
    appName: fields.appName,
    createTime: createdAt,
    modifyTime: modifiedAt,
  };
}

/** v3, one configuration; `modifyUser`, `use`, `effect` and `schema` are ours. */
export function detailInfo(config: StoredConfig): Body {
  const { content, encryptedDataKey, createdBy, modifiedBy, fields } = config;
  return {
    ...basicInfo(config),
    content,
    desc: fields.description,
    encryptedDataKey,
    createUser: createdBy.user,
    createIp: createdBy.ip,
    modifyUser: modifiedBy.user,
    configTags: fields.tags.join(","),
    use: fields.use,
    effect: fields.effect,
    schema: fields.schema,
  };
}

export function grayInfo(config: StoredGray): Body {
  return { ...detailInfo(config), grayName: config.gray, grayRule: JSON.stringify(config.rule) };
}

/** v1 and v2: times are texts there. */
export function historyInfo(row: HistoryRow, content: string | null): Body {
  const { nid, name, fields, md5, by, op, gray, at, contentAt, encryptedDataKey } = row;
  return {
    id: String(nid),
    lastId: -1,
    dataId: name.dataId,
    group: name.group,
    tenant: name.namespace,
    appName: fields.appName,
    md5,
    content,
    srcIp: by.ip,
    srcUser: by.user,
    opType: op,
    publishType: publishType(row),
    grayName: gray ?? null,
    extInfo: extInfo(row),
    createdTime: iso(contentAt),
    lastModifiedTime: iso(at),
    encryptedDataKey,
  };
}

export function historyBasicInfo(row: HistoryRow): Body {
  const { nid, name, fields, md5, by, op, at, contentAt } = row;
  return {
    id: String(nid),
    namespaceId: name.namespace,
    groupName: name.group,
    dataId: name.dataId,
    md5,
    type: fields.type,
    appName: fields.appName,
    createTime: contentAt,
    modifyTime: at,
    srcIp: by.ip,
    srcUser: by.user,
    opType: op,
    publishType: publishType(row),
  };
}

export function historyDetailInfo(row: HistoryRow, content: string): Body {
  const { encryptedDataKey, gray } = row;
  return { ...historyBasicInfo(row), content, encryptedDataKey, grayName: gray ?? null, extInfo: extInfo(row) };
}

export function publishType({ gray }: HistoryRow): "formal" | "gray" {
  return gray === undefined ? "formal" : "gray";
}

/** JSON in JSON, with the names of the reference's columns. */
export function extInfo({ fields, by, gray, rule }: Pick<HistoryRow, "fields" | "by" | "gray" | "rule">): string {
  const { type, tags, description, use, effect, schema }: Required<ConfigFields> = fields;
  return JSON.stringify({
    type,
    config_tags: tags.join(","),
    src_user: by.user,
    c_desc: description,
    c_use: use,
    c_effect: effect,
    c_schema: schema,
    ...(gray !== undefined && { gray_name: gray, gray_rule: JSON.stringify(rule) }),
  });
}

/** Epoch milliseconds as v1 and v2 write them. */
export function iso(at: number): string {
  return new Date(at).toISOString().replace("Z", "+00:00");
}
