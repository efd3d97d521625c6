import type { ServiceName, TextMap } from "@nacre/protocol";
import type { Cause } from "./causes.ts";
import type { Caller, InstanceInput } from "./events.ts";
import type { ClusterMetadata, InstanceKey, Override } from "./model.ts";
import type { Selector } from "./selector.ts";

/** Everything that changes durable state, as it stands in the log. */
export type Command =
  | {
      readonly type: "registerPersistent";
      readonly service: ServiceName;
      readonly instance: InstanceInput;
      readonly caller: Caller;
    }
  | {
      readonly type: "deregisterPersistent";
      readonly service: ServiceName;
      readonly ip: string;
      readonly port: number;
      readonly caller: Caller;
    }
  | { readonly type: "setHealth"; readonly changes: readonly HealthChange[] }
  | {
      readonly type: "createService";
      readonly service: ServiceName;
      readonly ephemeral: boolean;
      readonly edit: ServiceEdit;
    }
  | { readonly type: "updateService"; readonly service: ServiceName; readonly edit: ServiceEdit }
  | { readonly type: "deleteService"; readonly service: ServiceName }
  | {
      readonly type: "updateCluster";
      readonly service: ServiceName;
      readonly cluster: string;
      readonly metadata: ClusterMetadata;
    }
  /** Changes what an operator set for instances, all of them in the same way. */
  | {
      readonly type: "setOverrides";
      readonly service: ServiceName;
      readonly instances: readonly InstanceKey[];
      readonly edit: OverrideEdit;
      readonly caller: Caller;
    }
  | { readonly type: "setSwitch"; readonly entry: string; readonly value: string };

export type OverrideEdit =
  | { readonly how: "replace"; readonly override: Override }
  /** Only what is given changes; given metadata replaces all of the operator's metadata. */
  | { readonly how: "patch"; readonly weight?: number; readonly enabled?: boolean; readonly metadata?: TextMap }
  | { readonly how: "mergeMetadata"; readonly metadata: TextMap }
  | { readonly how: "removeMetadata"; readonly keys: readonly string[] }
  | { readonly how: "drop" };

export interface HealthChange {
  readonly service: ServiceName;
  readonly instance: InstanceKey;
  readonly healthy: boolean;
  readonly cause: Cause;
  readonly detail: string;
}

export interface ServiceEdit {
  readonly protectThreshold: number;
  readonly selector: Selector;
  readonly metadata: TextMap;
}
