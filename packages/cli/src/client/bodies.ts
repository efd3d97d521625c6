import { CliError } from "../failure.ts";
import { fieldOf } from "./http.ts";
import type {
  BetaDetail,
  ConfigDetail,
  ConfigName,
  ConfigRow,
  GrayDetail,
  Grays,
  HistoryDetail,
  ImportResult,
  InstanceRow,
  Page,
} from "./model.ts";

/** Readers of what servers answer: the dialects spell names differently and leave out or null what they do not know. */

export const DEFAULT_NAMESPACE = "public";

export function textIn(body: unknown, ...names: string[]): string {
  for (const name of names) {
    const value = fieldOf(body, name);
    if (typeof value === "string") return value;
    if (typeof value === "number") return String(value);
  }
  return "";
}

/** Who wrote it last: blank for nobody, undefined where the server does not say. */
function userIn(body: unknown): string | undefined {
  return typeof fieldOf(body, "modifyUser") === "string" ? textIn(body, "modifyUser") : givenIn(body, "createUser");
}

/** Undefined for what is absent, null or blank. */
export function givenIn(body: unknown, name: string): string | undefined {
  return textIn(body, name) || undefined;
}

export function numberIn(body: unknown, ...names: string[]): number {
  return Number(textIn(body, ...names)) || 0;
}

/** Epoch milliseconds as a number, or ISO text with an offset; 0 is what lists say that do not know. */
export function timeIn(body: unknown, ...names: string[]): number | undefined {
  const text = textIn(body, ...names);
  const time = /^\d+$/.test(text) ? Number(text) : Date.parse(text.replace(/([+-]\d\d)(\d\d)$/, "$1:$2"));
  return time > 0 ? time : undefined;
}

export function listIn(body: unknown, name: string): readonly unknown[] {
  const value = fieldOf(body, name);
  return Array.isArray(value) ? value : [];
}

export function pageOf<T>(body: unknown, item: (body: unknown) => T): Page<T> {
  return {
    total: numberIn(body, "totalCount"),
    page: numberIn(body, "pageNumber"),
    pages: numberIn(body, "pagesAvailable"),
    items: listIn(body, "pageItems").map(item),
  };
}

export function configRowOf(body: unknown, namespace: string): ConfigRow {
  return {
    namespace,
    group: textIn(body, "groupName", "group"),
    dataId: textIn(body, "dataId"),
    md5: textIn(body, "md5"),
    type: textIn(body, "type"),
    app: textIn(body, "appName"),
    modifiedAt: timeIn(body, "modifyTime"),
    grayCount: fieldOf(body, "grayCount") === undefined ? undefined : numberIn(body, "grayCount"),
  };
}

export function configDetailOf(body: unknown, namespace: string): ConfigDetail {
  return {
    ...configRowOf(body, namespace),
    content: textIn(body, "content"),
    encryptedDataKey: textIn(body, "encryptedDataKey"),
    description: textIn(body, "desc"),
    tags: textIn(body, "configTags"),
    use: givenIn(body, "use"),
    effect: givenIn(body, "effect"),
    schema: givenIn(body, "schema"),
    user: userIn(body),
    complete: true,
  };
}

export function betaOf(body: unknown): BetaDetail {
  const rule = ruleIn(body);
  return { ...grayPartsOf(body), ips: rule === undefined ? textIn(body, "betaIps") : textIn(rule, "expr") };
}

export function grayOf(body: unknown): GrayDetail {
  const rule = ruleIn(body);
  return {
    ...grayPartsOf(body),
    name: textIn(body, "grayName"),
    rule: { type: textIn(rule, "type"), expr: textIn(rule, "expr"), priority: numberIn(rule, "priority") },
  };
}

/** What a server without a list of gray versions tells of them. */
export function graysOfBeta(beta: BetaDetail | undefined): Grays {
  if (beta === undefined) return { all: false, versions: [] };
  const { ips: expr, ...parts } = beta;
  return { all: false, versions: [{ ...parts, name: "beta", rule: { type: "beta", expr, priority: BETA_PRIORITY } }] };
}

const BETA_PRIORITY = 2_147_483_647;

function grayPartsOf(body: unknown): Omit<BetaDetail, "ips"> {
  return {
    user: userIn(body),
    content: textIn(body, "content"),
    md5: textIn(body, "md5"),
    type: textIn(body, "type"),
    app: textIn(body, "appName"),
    encryptedDataKey: textIn(body, "encryptedDataKey"),
  };
}

/** JSON in JSON. @throws CliError for what is none. */
function ruleIn(body: unknown): unknown {
  const text = textIn(body, "grayRule");
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new CliError("failed", `the server describes a gray version by "${text.slice(0, 64)}", which is no JSON.`);
  }
}

export function historyOf(body: unknown, { namespace, group, dataId }: ConfigName): HistoryDetail {
  return {
    namespace,
    group: textIn(body, "groupName", "group") || group,
    dataId: textIn(body, "dataId") || dataId,
    nid: textIn(body, "id"),
    op: textIn(body, "opType").trim(),
    kind: textIn(body, "publishType").trim() || "formal",
    user: textIn(body, "srcUser"),
    ip: textIn(body, "srcIp"),
    at: timeIn(body, "modifyTime", "lastModifiedTime"),
    content: textIn(body, "content"),
    md5: textIn(body, "md5"),
    app: textIn(body, "appName"),
    encryptedDataKey: textIn(body, "encryptedDataKey"),
    gray: textIn(body, "grayName"),
  };
}

export function importResultOf(body: unknown): ImportResult {
  const names = (list: readonly unknown[]) =>
    list.map((item) => ({ group: textIn(item, "group", "groupName"), dataId: textIn(item, "dataId") }));
  return {
    succeeded: numberIn(body, "succCount"),
    skipped: names(listIn(body, "skipData")),
    failed: names(listIn(body, "failData")),
  };
}

export function instanceOf(body: unknown): InstanceRow {
  const metadata = fieldOf(body, "metadata");
  const shown = textIn(body, "shown");
  return {
    ip: textIn(body, "ip"),
    port: numberIn(body, "port"),
    cluster: textIn(body, "clusterName") || "DEFAULT",
    weight: numberIn(body, "weight"),
    healthy: fieldOf(body, "healthy") === true,
    enabled: fieldOf(body, "enabled") !== false,
    ephemeral: fieldOf(body, "ephemeral") !== false,
    ...(shown !== "" && { shown, owner: textIn(body, "owner") }),
    metadata: typeof metadata === "object" && metadata !== null ? (metadata as Record<string, string>) : {},
  };
}
