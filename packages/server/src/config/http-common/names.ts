import type { Labels, Operator } from "@nacre/core/config";
import { type ConfigName, IP_LABEL, namespaceOf, RegistryError, TAG_LABEL } from "@nacre/protocol";
import type { Call } from "../../transport/http/call.ts";
import type { Params } from "../../transport/http/params.ts";
import type { Asking } from "../service.ts";

/** How a dialect spells the parameters of configuration. */
export interface Spelling {
  readonly namespace: string;
  readonly group: string;
  readonly tags: string;
  readonly user: string;
  /**
   * Parameters of which blank counts as absent. SDKs for 1.x send what they were not given as `type=&appName=`;
   * everywhere else a blank field is meant to be cleared.
   */
  readonly blankIsAbsent: readonly string[];
}

export const V1: Spelling = {
  namespace: "tenant",
  group: "group",
  tags: "config_tags",
  user: "src_user",
  blankIsAbsent: ["type", "appName"],
};
export const V2: Spelling = {
  namespace: "namespaceId",
  group: "group",
  tags: "configTags",
  user: "srcUser",
  blankIsAbsent: ["type"],
};
export const V3: Spelling = { ...V2, group: "groupName" };

export function namespaceIn(params: Params, { namespace }: Spelling): string {
  return namespaceOf(params.optional(namespace));
}

/** @throws RegistryError `parameterMissing` for a blank data id or group. */
export function nameIn(params: Params, spelling: Spelling): ConfigName {
  return {
    dataId: params.required("dataId").trim(),
    group: params.required(spelling.group).trim(),
    namespace: namespaceIn(params, spelling),
  };
}

/** Who changes something, by the caller's account. */
export function operatorIn(params: Params, call: Call, user: string): Operator {
  return { user: params.text([user, "src_user", "srcUser"], "").trim(), ip: call.sourceIp };
}

/** What gray rules see of a caller over HTTP. */
export function labelsOf(call: Call): Labels {
  const tag = call.header(TAG_LABEL.toLowerCase())?.trim() ?? "";
  return { [IP_LABEL]: call.sourceIp, ...(tag !== "" && { [TAG_LABEL]: tag }) };
}

export function askingIn(params: Params, call: Call): Asking {
  const tag = params.optional("tag")?.trim();
  return { labels: labelsOf(call), ...(tag !== undefined && { tag }) };
}

/** An id of a row: digits, and not more of them than a number holds. @throws RegistryError. */
export function idIn(params: Params, name: string): number {
  const text = params.bound(name).trim();
  if (!/^\d{1,15}$/.test(text) && !(/^\d{16}$/.test(text) && Number.isSafeInteger(Number(text))))
    throw new RegistryError("invalidParameter", `Param '${name}' is illegal, it should be the id of a row.`);
  return Number(text);
}

/** Repeated, comma separated, or both. @throws RegistryError for what is no id. */
export function idsIn(params: Params, name: string, max: number): readonly number[] {
  const texts = params.list(name);
  if (texts.length > max)
    throw new RegistryError("invalidParameter", `Param '${name}' is illegal, it may hold ${max} ids at most.`);
  return texts.map((text) => {
    const id = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isSafeInteger(id)) return id;
    throw new RegistryError(
      "invalidParameter",
      `Param '${name}' is illegal, '${text.slice(0, 64)}' is no id of a row.`,
    );
  });
}
