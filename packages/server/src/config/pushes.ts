import type { Effect } from "@nacre/core/config";
import { configPushes } from "@nacre/protocol";
import { pushBody } from "../connections/answers.ts";
import type { Push } from "../connections/connections.ts";

/** The effects that are messages to clients. */
export type PushEffect = Extract<Effect, { requestId: number }>;

/** The message that an effect orders, encoded once for all who get it. */
export function pushOf(effect: PushEffect, timeoutMs: number): Push {
  const { type, fields } = messageOf(effect);
  const requestId = String(effect.requestId);
  const body = pushBody(requestId, "config", fields);
  return { to: receiversOf(effect), requestId, type, body, expects: configPushes[type], timeoutMs };
}

export function receiversOf(effect: PushEffect): readonly string[] {
  return effect.type === "fuzzySync" ? [effect.to] : effect.to;
}

function messageOf(effect: PushEffect): { type: keyof typeof configPushes; fields: Record<string, unknown> } {
  switch (effect.type) {
    case "notify": {
      const { namespace: tenant, group, dataId } = effect.name;
      // G6: who wrote none, or a blank one, is told none.
      const fields = effect.form === "given" ? { dataId, group, tenant } : { dataId, group };
      return { type: "ConfigChangeNotifyRequest", fields };
    }
    case "fuzzySync": {
      const { type: syncType, ...batch } = effect.sync;
      const fields = { totalBatch: 0, currentBatch: 0, ...batch, syncType, groupKeyPattern: effect.pattern };
      return { type: "ConfigFuzzyWatchSyncRequest", fields };
    }
    case "fuzzyChange": {
      const changeType = effect.change === "ADD_CONFIG" ? "CONFIG_CHANGED" : effect.change;
      return { type: "ConfigFuzzyWatchChangeNotifyRequest", fields: { groupKey: effect.key, changeType } };
    }
  }
}
