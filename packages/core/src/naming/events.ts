import type { FailureName, ServiceKey, ServiceName, TextMap } from "@nacre/protocol";
import type { Base, Contents, Version } from "../distro/model.ts";
import type { HealthParams } from "../health/params.ts";
import type { Target, TargetKey } from "../health/state.ts";
import type { Millis } from "../lib/units.ts";
import type { Command } from "./commands.ts";
import type { ClientId, MemberId } from "./model.ts";
import type { ServiceRow } from "./rows.ts";
import type { StoredSwitches } from "./switches.ts";

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
  /**
   * `leaving`: this member stops and has sent the client elsewhere. What it publishes stays in the lists, because it is
   * about to be published there.
   */
  | { type: "disconnected"; clientId: ClientId; cause: string; leaving?: true }
  /** Replaces what the client publishes for the service: one instance, or a batch. */
  | { type: "publish"; clientId: ClientId; service: ServiceName; instances: readonly InstanceInput[]; caller: Caller }
  /**
   * Takes back what the client publishes for the service. When that is nothing, it is a success, and of `instance` goes
   * what nobody speaks for: the client may have published it over a connection to a member that is lost.
   */
  | {
      type: "withdraw";
      clientId: ClientId;
      service: ServiceName;
      instance?: Pick<InstanceInput, "ip" | "port" | "clusterName">;
      caller: Caller;
    }
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
  /**
   * What a snapshot has of one service in another way than this member, or not at all: as much of it as one step does.
   * Nothing of the service is pushed before its `last` one.
   */
  | { type: "replaceService"; service: ServiceName; rows: readonly ServiceRow[]; last: boolean }
  | { type: "replaceSwitches"; stored: StoredSwitches }
  /** CMDB labels of addresses, for label selectors. */
  | { type: "labels"; byIp: ReadonlyMap<string, TextMap> }
  /** From now on effects tell what clients that are owned here publish, beginning with all that there are. */
  | { type: "tellPeers" }
  /** Holds a copy of a client that is owned elsewhere, or was in an earlier life, in place of what was there. */
  | {
      type: "copy";
      clientId: ClientId;
      kind: "connection" | "address";
      version: Version;
      contents: Contents;
      /** `contents` is a part: in place of what was there for its services. The whole has this hash then. */
      part?: { readonly base: Base; readonly contentHash: number };
      /**
       * `contents` is a slice of a whole that comes in several events, so that none of them takes long. Nothing else is
       * said of the client by members in between. The last one names all services: what is held beyond them goes then.
       */
      slice?: "more" | { readonly services: ReadonlySet<ServiceKey> };
    }
  /**
   * Drops a copy. `removed`: its owner said that it ended; `deregistered`: that its client asked for it, so that older
   * copies of its instances go too; `lost`: nobody speaks for it; `superseded`: nor needs to, a newer one took its place.
   */
  | {
      type: "forgetCopy";
      clientId: ClientId;
      cause: "removed" | "deregistered" | "lost" | "superseded";
      owner: MemberId;
    }
  /** Gives a client a version above one that is about; what it publishes stays. */
  | { type: "renumber"; clientId: ClientId; version: Version }
  /** How copies are shown whose owner is not there; `trusted` as published again. */
  | { type: "mark"; clientIds: readonly ClientId[]; as: "unconfirmed" | "unhealthy" | "trusted" }
  /** Heartbeats of these address clients are expected here from now on. */
  | { type: "takeOver"; clientIds: readonly ClientId[] }
  /** Heartbeats of these are expected at another member. */
  | { type: "handOver"; clientIds: readonly ClientId[]; to: MemberId }
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
  | { type: "healthParams"; params: HealthParams }
  | ClientNews;

/** What peers have to know of the clients that publish here, once per step and client, after all else of the step. */
export type ClientNews =
  /** A client that is owned here publishes something else: for these services, or undefined: for any. */
  | {
      type: "clientChanged";
      clientId: ClientId;
      kind: "connection" | "address";
      counter: number;
      contentHash: number;
      services: readonly ServiceName[] | undefined;
    }
  /**
   * A client publishes nothing any more. `asked`: somebody deregistered it here, or a newer client of the same
   * instances; `expired`: its connection ended, or its heartbeats did; `leaving`: this member stops.
   */
  | { type: "clientRemoved"; clientId: ClientId; cause: "asked" | "expired" | "leaving" }
  /** Every instance of this copy is published by a newer client. */
  | { type: "clientSuperseded"; clientId: ClientId }
  /**
   * What is held of a copy is not what its owner publishes: a bound, or its service is persistent here. `part`: what did
   * not lead to what its owner publishes was a part, so that the whole may.
   */
  | { type: "copyDiffers"; clientId: ClientId; contentHash: number; part?: true };

export type ServiceChange = "ADD_SERVICE" | "DELETE_SERVICE";

export type FuzzySync =
  | {
      readonly type: "FUZZY_WATCH_INIT_NOTIFY" | "FUZZY_WATCH_DIFF_SYNC_NOTIFY";
      readonly contexts: readonly { readonly serviceKey: ServiceKey; readonly changedType: ServiceChange }[];
      readonly totalBatch: number;
      readonly currentBatch: number;
    }
  | { readonly type: "FINISH_FUZZY_WATCH_INIT_NOTIFY" };
