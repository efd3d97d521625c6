import type { ConfigKey, ConfigName, ConfigType, TextMap } from "@nacre/protocol";
import type { GrayRule } from "./gray-rule.ts";

/** Index of a log entry: the only order of changes there is. Times are shown, and never compared (G1). */
export type Revision = number;

/** What clients may receive of a configuration: everything about one content except the content itself (G2). */
export interface Version {
  /** Lower-case hex MD5 of the UTF-8 bytes of the stored content. */
  md5: string;
  /** Bytes of the stored content in UTF-8. */
  bytes: number;
  type: ConfigType;
  /** Blank when the content is not encrypted. */
  encryptedDataKey: string;
  /** The log entry that wrote this content. */
  revision: Revision;
  /** Epoch milliseconds, of that entry. */
  modifiedAt: number;
}

export interface GrayVersion extends Version {
  /** `beta`, `tag_<tag>`, or free. */
  readonly name: string;
  rule: GrayRule;
}

/** One configuration in memory. It is kept as long as it has a formal version, a gray one, or somebody who listens. */
export interface Item {
  readonly key: ConfigKey;
  readonly name: ConfigName;
  /** Of the formal version in the store: unique, ascending with the log; 0 without one. */
  id: number;
  formal: Version | undefined;
  /** In the order in which they are tried: priority descending, then name ascending (G4). */
  grays: readonly GrayVersion[];
  /** gRPC listeners by client; undefined while there is none. */
  listeners: Map<ClientId, Listener> | undefined;
  /** Parked polls; undefined while there is none. */
  polls: Set<Poll> | undefined;
}

/** Id of a gRPC connection. */
export type ClientId = string;

/** What gray rules look at: `ClientIp`, `Vipserver-Tag`, and the application labels of a connection. */
export type Labels = TextMap;

/**
 * How a client wrote the default namespace: it must read the same in every notice and answer. A namespace that is not
 * the default one is always `given`.
 */
export type TenantForm = "absent" | "blank" | "given";

/** One connection's interest in one configuration. */
export interface Listener {
  readonly clientId: ClientId;
  readonly item: Item;
  form: TenantForm;
  /** What the client said it holds when it last asked; blank for nothing. */
  md5: string;
  /** A notice that the client has not taken yet. */
  notice: Notice | undefined;
}

export interface Notice {
  /** Of the push on its way; undefined while the next attempt waits for its time. */
  requestId: number | undefined;
  attempts: number;
  /** Set when the configuration changed while the push was on its way: one more follows. */
  again: boolean;
}

/** A long poll that is held. */
export interface Poll {
  readonly id: number;
  readonly ip: string;
  readonly labels: Labels;
  readonly lines: readonly PollLine[];
  /** Monotonic milliseconds at which it is answered empty. */
  readonly endsAt: number;
}

export interface PollLine {
  readonly item: Item;
  readonly form: TenantForm;
  readonly md5: string;
}

/** One namespace that somebody made; `public` exists without a row. */
export interface Namespace {
  readonly id: string;
  readonly name: string;
  readonly description: string;
}

/** Limits that an operator set for a namespace or a group; 0 stands for the default of the options. */
export interface Capacity {
  readonly quota: number;
  readonly maxBytes: number;
  readonly maxAggrCount: number;
  readonly maxAggrSize: number;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly modifiedAt: number;
}

/** Whose capacity: a namespace, or a group in whatever namespace. */
export type CapacityScope = { readonly namespace: string } | { readonly group: string };
