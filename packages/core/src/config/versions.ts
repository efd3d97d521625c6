import { type ConfigKey, type ConfigType, configTypeOf, DEFAULT_CONFIG_TYPE } from "@nacre/protocol";
import type { GrayRule } from "./gray-rule.ts";
import { storedMatcher } from "./gray-rule.ts";
import type { GrayVersion, Item, Revision, Version } from "./model.ts";
import type { ConfigState } from "./state.ts";

/** What a version is made from: the head of a written, a staged or a stored content. */
export interface VersionHead {
  readonly md5: string;
  readonly bytes: number;
  readonly encryptedDataKey: string;
  readonly type: ConfigType;
  readonly revision: Revision;
  readonly modifiedAt: number;
}

/**
 * A version is never changed after it was made: whoever was given one may keep it.
 *
 * @param type  of `ownType`.
 */
export function versionOf(
  { md5, bytes, encryptedDataKey }: Pick<VersionHead, "md5" | "bytes" | "encryptedDataKey">,
  type: ConfigType,
  revision: Revision,
  modifiedAt: number,
): Version {
  return { md5, bytes, type, encryptedDataKey, revision, modifiedAt };
}

/** The constant of the table, so that items do not keep a copy of the word each. */
export function ownType(type: ConfigType): ConfigType {
  return configTypeOf(type) ?? DEFAULT_CONFIG_TYPE;
}

export function grayVersionOf(head: VersionHead, name: string, rule: GrayRule, key: ConfigKey): GrayVersion {
  const { type, revision, modifiedAt } = head;
  return { ...versionOf(head, ownType(type), revision, modifiedAt), name, rule, matcher: storedMatcher(rule, key) };
}

/** The only place where an item gains or loses a version, so that the counts equal what a recount gives. */
export function setVersions(
  state: ConfigState,
  item: Item,
  id: number,
  formal: Version | undefined,
  grays: readonly GrayVersion[],
): void {
  const { counts } = state;
  const { namespace, group } = item.name;
  const formals = Number(formal !== undefined) - Number(item.formal !== undefined);
  if (formals !== 0) {
    counts.total += formals;
    add(counts.byNamespace, namespace, formals);
    add(counts.byGroup, group, formals);
  }
  const before = grayOnly(item.formal, item.grays);
  const after = grayOnly(formal, grays);
  if (before !== after) add(counts.grayOnly, namespace, after - before);
  counts.items += formals + after - before;
  item.id = id;
  item.formal = formal;
  item.grays = grays;
}

function grayOnly(formal: Version | undefined, grays: readonly GrayVersion[]): number {
  return formal === undefined && grays.length > 0 ? 1 : 0;
}

function add(counts: Map<string, number>, of: string, by: number): void {
  const count = (counts.get(of) ?? 0) + by;
  if (count === 0) counts.delete(of);
  else counts.set(of, count);
}
