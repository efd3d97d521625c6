import type { ConfigName, ConfigType } from "@nacre/protocol";
import { withGray } from "./gray.ts";
import type { GrayRule } from "./gray-rule.ts";
import { addStaged } from "./import.ts";
import type { Capacity, Namespace } from "./model.ts";
import { ROW } from "./rows.ts";
import { type ConfigState, ensureItem, type StagedHead } from "./state.ts";
import { grayVersionOf, ownType, setVersions, versionOf } from "./versions.ts";

/** A keyed row at start: a namespace or a capacity. @returns whether the kind is one of configuration's. */
export function load(state: ConfigState, { kind, key, value }: { kind: string; key: string; value: string }): boolean {
  switch (kind) {
    case ROW.namespace: {
      const { name, description } = JSON.parse(value) as Omit<Namespace, "id">;
      state.namespaces.set(key, { id: key, name, description });
      return true;
    }
    case ROW.capacity:
      state.capacities.set(key, JSON.parse(value) as Capacity);
      return true;
    default:
      return false;
  }
}

/** A stored configuration at start: its formal version, or a gray one. In any order; nobody is told. */
export function loadConfig(
  state: ConfigState,
  head: {
    readonly name: ConfigName;
    readonly id: number;
    readonly md5: string;
    readonly bytes: number;
    readonly type: ConfigType;
    readonly encryptedDataKey: string;
    readonly revision: number;
    readonly modifiedAt: number;
    readonly gray?: { readonly name: string; readonly rule: GrayRule };
  },
): void {
  const item = ensureItem(state, head.name);
  if (head.gray === undefined)
    setVersions(state, item, head.id, versionOf(head, ownType(head.type), head.revision, head.modifiedAt), item.grays);
  else {
    const { name, rule } = head.gray;
    const grays = withGray(item.grays, grayVersionOf(head, name, rule, item.key));
    setVersions(state, item, item.id, item.formal, grays);
  }
}

/** A staged item at start, in the order staged. */
export function loadStaged(state: ConfigState, importId: string, head: StagedHead): void {
  addStaged(state, importId, head);
}
