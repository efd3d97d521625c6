import { bool, type Infer, integer, list, number, object, optional, optionalText, text, textMap } from "../schema.ts";
import { request } from "./message.ts";

/** Instances that one batch may carry; a larger batch is refused by name. */
export const BATCH_INSTANCES_MAX = 100_000;
/** Keys that a fuzzy watcher may report as already received. */
export const RECEIVED_KEYS_MAX = 100_000;

/** An instance as SDKs send it. `ephemeral`, `serviceName` and the derived heartbeat fields of the wire are not read. */
export const wireInstance = object({
  instanceId: text(),
  ip: text(),
  port: integer(0),
  weight: number(1),
  healthy: bool(true),
  enabled: bool(true),
  ephemeral: bool(true),
  clusterName: text(),
  metadata: textMap(),
});
export type WireInstance = Infer<typeof wireInstance>;

const service = { namespace: text(), serviceName: text(), groupName: text() };

/** A service without instances: what the SDKs need inside a failed query or subscription. */
function emptyServiceInfo(body: unknown): Record<string, unknown> {
  const from = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const textOf = (value: unknown): string => (typeof value === "string" ? value : "");
  return {
    serviceInfo: {
      name: textOf(from.serviceName),
      groupName: textOf(from.groupName),
      clusters: "",
      cacheMillis: 10000,
      hosts: [],
      lastRefTime: 0,
      checksum: "",
      allIps: false,
      reachProtectionThreshold: false,
      valid: true,
    },
  };
}

function typeOf(body: unknown): Record<string, unknown> {
  const type = (body as { type?: unknown } | undefined)?.type;
  return typeof type === "string" ? { type } : {};
}

export const namingMessages = {
  InstanceRequest: request({
    module: "naming",
    source: "sdk",
    response: "InstanceResponse",
    onFailure: typeOf,
    fields: { ...service, type: text(), instance: wireInstance },
  }),
  PersistentInstanceRequest: request({
    module: "naming",
    source: "sdk",
    response: "InstanceResponse",
    onFailure: typeOf,
    fields: { ...service, type: text(), instance: wireInstance },
  }),
  BatchInstanceRequest: request({
    module: "naming",
    source: "sdk",
    response: "BatchInstanceResponse",
    onFailure: typeOf,
    fields: { ...service, type: text(), instances: list(wireInstance, BATCH_INSTANCES_MAX) },
  }),
  ServiceQueryRequest: request({
    module: "naming",
    source: "sdk",
    response: "QueryServiceResponse",
    onFailure: emptyServiceInfo,
    // The Python SDK writes `healthOnly`; `udpPort` means nothing over gRPC.
    fields: { ...service, cluster: text(), healthyOnly: bool(false), healthOnly: bool(false) },
  }),
  ServiceListRequest: request({
    module: "naming",
    source: "sdk",
    response: "ServiceListResponse",
    onFailure: () => ({ count: 0, serviceNames: [] }),
    fields: {
      namespace: text(),
      groupName: text(),
      pageNo: integer(1),
      pageSize: integer(10),
      selector: optionalText(),
    },
  }),
  SubscribeServiceRequest: request({
    module: "naming",
    source: "sdk",
    response: "SubscribeServiceResponse",
    onFailure: emptyServiceInfo,
    fields: {
      ...service,
      subscribe: bool(false),
      clusters: text(),
      // The C# SDK 1.3.10 labels its batch registration as this type; `instances` tells the two apart.
      type: optionalText(),
      instances: optional(list(wireInstance, BATCH_INSTANCES_MAX)),
    },
  }),
  NamingFuzzyWatchRequest: request({
    module: "naming",
    source: "sdk",
    response: "NamingFuzzyWatchResponse",
    fields: {
      namespace: text(),
      groupKeyPattern: text(),
      receivedGroupKeys: list(text(), RECEIVED_KEYS_MAX),
      watchType: text(),
      initializing: bool(false),
    },
  }),
};

/** Pushes of naming, and the response type that an SDK acknowledges each with. */
export const namingPushes = {
  NotifySubscriberRequest: "NotifySubscriberResponse",
  NamingFuzzyWatchSyncRequest: "NamingFuzzyWatchSyncResponse",
  NamingFuzzyWatchChangeNotifyRequest: "NamingFuzzyWatchChangeNotifyResponse",
} as const;
