import type { FailureName, ServiceKey, ServiceName, TextMap } from "@nacre/protocol";
import type { HealthParams } from "../health/params.ts";
import type { Target, TargetKey } from "../health/state.ts";
import type { Millis } from "../lib/units.ts";
import type { Command } from "./commands.ts";
import type { ClientId } from "./model.ts";

/** An instance as a client asks for it, before defaults and checks. */
export interface InstanceInput {
  readonly ip: string;
  readonly port: number;
  readonly weight: number;
  readonly healthy: boolean;
  readonly enabled: boolean;
  readonly clusterName: string;
  readonly metadata: TextMap;
  /** Blank: generated. */
  readonly instanceId: string;
}

/** Who makes a call, as the journal of causes and the subscriber lists name them. */
export interface Caller {
  readonly ip: string;
  readonly app: string;
  readonly agent: string;
}

/** What happens to naming. The shell feeds one event at a time. */
export type Event =
  /** A connection may publish and subscribe from now on; made lazily for any connection that asks for naming. */
  | { type: "connected"; clientId: ClientId; ip: string; port: number; caller: Caller }
  | { type: "disconnected"; clientId: ClientId; cause: string }
  /** Replaces what the client publishes for the service: one instance, or a batch. */
  | { type: "publish"; clientId: ClientId; service: ServiceName; instances: readonly InstanceInput[]; caller: Caller }
  /** Takes back what the client publishes for the service; nothing published is a success. */
  | { type: "withdraw"; clientId: ClientId; service: ServiceName; caller: Caller }
  /** An ephemeral instance of an address client, over HTTP. */
  | { type: "publishAddress"; service: ServiceName; instance: InstanceInput; caller: Caller }
  | { type: "withdrawAddress"; service: ServiceName; ip: string; port: number; caller: Caller }
  /** A heartbeat. Unknown instances are published from `instance`, or answered with `unknownInstance`. */
  | {
      type: "beat";
      service: ServiceName;
      ip: string;
      port: number;
      instance: InstanceInput | undefined;
      caller: Caller;
    }
  | { type: "subscribe"; clientId: ClientId; service: ServiceName; clusters: string; caller: Caller }
  | { type: "unsubscribe"; clientId: ClientId; service: ServiceName }
  /** A 1.x client that wants UDP packets; renewed by each list call. */
  | { type: "subscribeUdp"; service: ServiceName; clusters: string; ip: string; port: number; caller: Caller }
  | { type: "watch"; clientId: ClientId; pattern: string; received: readonly ServiceKey[]; initializing: boolean }
  | { type: "unwatch"; clientId: ClientId; pattern: string }
  /** A push came to its end at one client. */
  | { type: "pushSettled"; clientId: ClientId; requestId: number; outcome: PushOutcome }
  /** An entry of the durable log, in log order. `at` is its epoch milliseconds. */
  | { type: "apply"; index: number; at: number; command: Command }
  /** CMDB labels of addresses, for label selectors. */
  | { type: "labels"; byIp: ReadonlyMap<string, TextMap> }
  /** Time went on: looks at what is due. `wallAt` is epoch milliseconds. */
  | { type: "tick"; wallAt: number };

/** `busy`: the connection takes nothing at the moment; it is tried again and does not count as unanswered. */
export type PushOutcome = "acked" | "refused" | "timeout" | "busy" | "gone";

/** What the shell is to do, in this order. */
export type Effect =
  /** The event was refused; nothing changed. */
  | { type: "refuse"; failure: FailureName; message: string }
  /** A heartbeat's answer. */
  | { type: "beatAnswer"; known: boolean; intervalMs: Millis }
  /**
   * Send one service's content to subscribers: encode `view(state, service, clusters, consumer)` once, under this
   * request id, and send the same bytes to all of `to`.
   */
  | {
      type: "push";
      requestId: number;
      service: ServiceKey;
      clusters: string;
      /** An address whose labels decide what the selector lets through; undefined when no selector looks at it. */
      consumerIp: string | undefined;
      to: readonly ClientId[];
      /** When the first change that this push carries happened. */
      changedAt: Millis;
    }
  | {
      type: "pushUdp";
      requestId: number;
      service: ServiceKey;
      clusters: string;
      to: { readonly clientId: ClientId; readonly ip: string; readonly port: number };
    }
  | { type: "fuzzySync"; requestId: number; to: ClientId; pattern: string; sync: FuzzySync }
  | { type: "fuzzyChange"; requestId: number; to: readonly ClientId[]; service: ServiceKey; change: ServiceChange }
  /** Ask for a command to be put into the durable log, on naming's own account. */
  | { type: "propose"; command: Command }
  /** Rows of the durable state that an applied entry changed. */
  | { type: "store"; kind: string; key: string; value: string | undefined }
  /** A persistent instance is to be health checked from now on, or in another way than before. */
  | { type: "track"; target: Target; healthy: boolean }
  | { type: "untrack"; key: TargetKey }
  | { type: "healthChanged"; key: TargetKey; healthy: boolean }
  /** Operators changed the switches of health checking. */
  | { type: "healthParams"; params: HealthParams };

export type ServiceChange = "ADD_SERVICE" | "DELETE_SERVICE";

export type FuzzySync =
  | {
      readonly type: "FUZZY_WATCH_INIT_NOTIFY" | "FUZZY_WATCH_DIFF_SYNC_NOTIFY";
      readonly contexts: readonly { readonly serviceKey: ServiceKey; readonly changedType: ServiceChange }[];
      readonly totalBatch: number;
      readonly currentBatch: number;
    }
  | { readonly type: "FINISH_FUZZY_WATCH_INIT_NOTIFY" };
