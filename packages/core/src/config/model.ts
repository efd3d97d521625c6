import type { ConfigKey, ConfigName, ConfigType, TextMap } from "@nacre/protocol";
import type { SmallMap } from "../lib/small-map.ts";
import type { Millis } from "../lib/units.ts";
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
  /** The rule, ready for matching. */
  matcher: GrayMatcher;
}

/** A parsed rule. `never`: a stored rule that this version can not read. */
export type GrayMatcher =
  | { readonly type: "beta"; readonly ips: ReadonlySet<string> }
  | { readonly type: "tag"; readonly tag: string }
  /** Clients whose place, a hash of their address continued from `seed`, is among the first `slots` of 10,000. */
  | { readonly type: "percentage"; readonly slots: number; readonly seed: number }
  | {
      readonly type: "label";
      readonly terms: readonly { readonly label: string; readonly values: readonly string[] }[];
    }
  | { readonly type: "never" };

/** One configuration in memory. It is kept as long as it has a formal version, a gray one, or somebody who listens. */
export interface Item {
  readonly key: ConfigKey;
  readonly name: ConfigName;
  /** Of the formal version in the store: unique, ascending with the log; 0 without one. */
  id: number;
  formal: Version | undefined;
  /** In the order in which they are tried: priority descending, then name ascending (G4). */
  grays: readonly GrayVersion[];
  /** Over gRPC; undefined while there is none. */
  listeners: SmallMap<ConfigClient, Listener> | undefined;
  /** Held polls with the line that names this; undefined while there is none. */
  polls: SmallMap<Poll, PollLine> | undefined;
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

/** A connection that listens. */
export interface ConfigClient {
  readonly id: ClientId;
  /** As of its last `listen`. */
  labels: Labels;
  readonly listeners: Map<Item, Listener>;
}

/** One connection's interest in one configuration. */
export interface Listener {
  readonly client: ConfigClient;
  readonly item: Item;
  form: TenantForm;
  /** What the client holds, by what it last said or was given; blank for nothing. */
  md5: string;
  /**
   * What it is owed (G5). Undefined: it said itself that it holds what `md5` says, and was told of no change since.
   * `told`: nothing is owed, but it may be about to fetch, so that every further change is told whatever `md5` says.
   */
  notice: Notice | "told" | undefined;
}

export interface Notice {
  /**
   * `queued`: to be sent as soon as it is its turn. `sent`: on its way. `waiting`: for the time of the next attempt.
   * `acked`: it arrived, and the client has not been seen to fetch what it was told of.
   */
  phase: "queued" | "sent" | "waiting" | "acked";
  /** Of the push, while it is on its way. */
  requestId: number;
  /** Sends that were not acknowledged, of this change. */
  attempts: number;
  /** Set when the configuration changed while the push was on its way: one more follows. */
  again: boolean;
  /** Of `waiting` and `acked`. */
  retryAt: Millis;
  /** How often the client was told again although it had acknowledged this change. */
  reminders: number;
}

/** A push on its way to some listeners of one configuration. */
export interface NoticePush {
  readonly item: Item;
  readonly sentAt: Millis;
  /** Listeners that have not answered. */
  left: number;
}

/** A long poll that is held. */
export interface Poll {
  readonly id: number;
  readonly ip: string;
  readonly labels: Labels;
  /** Each configuration once; emptied when the poll ends. */
  lines: readonly PollLine[];
  /** Monotonic milliseconds at which it is answered empty. */
  readonly endsAt: Millis;
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
