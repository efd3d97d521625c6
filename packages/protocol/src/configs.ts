import { namespaceOf } from "./names.ts";

/** Identity and fixed words of configuration. Source: domain rules 0.1, 2.1, 2.7 of the Nacos wire. */

/** Who a configuration is. The namespace is never blank: blank, absent and `public` are one. */
export interface ConfigName {
  readonly namespace: string;
  readonly group: string;
  readonly dataId: string;
}

/** `dataId+group+namespace`, each part with `%` as `%25` and `+` as `%2B`: the group key of the wire. */
export type ConfigKey = string;

export function configKey({ dataId, group, namespace }: ConfigName): ConfigKey {
  return `${escapePart(dataId)}+${escapePart(group)}+${escapePart(namespace)}`;
}

/** The name of a group key; a missing or blank namespace is `public`. */
export function configNameOfKey(key: ConfigKey): ConfigName {
  const [dataId = "", group = "", namespace = ""] = key.split("+").map(unescapePart);
  return { namespace: namespaceOf(namespace), group, dataId };
}

function escapePart(part: string): string {
  return /[%+]/.test(part) ? part.replaceAll("%", "%25").replaceAll("+", "%2B") : part;
}

function unescapePart(part: string): string {
  return part.includes("%") ? part.replaceAll(/%2B/gi, "+").replaceAll("%25", "%") : part;
}

/** What the content is written in. */
export const CONFIG_TYPES = ["properties", "xml", "json", "text", "html", "yaml", "toml", "unset"] as const;
export type ConfigType = (typeof CONFIG_TYPES)[number];
export const DEFAULT_CONFIG_TYPE: ConfigType = "text";

/** The type a request means; undefined for a missing or unknown one. */
export function configTypeOf(text: string | undefined): ConfigType | undefined {
  const lower = text?.trim().toLowerCase();
  return CONFIG_TYPES.find((type) => type === lower);
}

/** The names of the two built-in kinds of gray versions. */
export const BETA_GRAY = "beta";
export const TAG_GRAY_PREFIX = "tag_";

/** The label that a tag rule compares, as a header, as an application label and in match input. */
export const TAG_LABEL = "Vipserver-Tag";
export const IP_LABEL = "ClientIp";
