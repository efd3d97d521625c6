import type { ConfigName, ConfigType } from "@nacre/protocol";
import type { GrayRule } from "./gray-rule.ts";
import type { ConfigState, StagedHead } from "./state.ts";

/** A keyed row at start: a namespace or a capacity. @returns whether the kind is one of configuration's. */
export function load(_state: ConfigState, _row: { kind: string; key: string; value: string }): boolean {
  throw new Error("not built");
}

/** A stored configuration at start; gray versions behind their formal one, if there is one. */
export function loadConfig(
  _state: ConfigState,
  _head: {
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
  throw new Error("not built");
}

export function loadStaged(_state: ConfigState, _importId: string, _head: StagedHead): void {
  throw new Error("not built");
}
