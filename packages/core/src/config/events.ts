import type { ConfigKey, ConfigName, FailureName } from "@nacre/protocol";
import type { ConfigCommand, ConfigResult, ConfigWrite } from "./commands.ts";
import type { ClientId, Labels, TenantForm } from "./model.ts";

/** A configuration that a client asks about: what it holds, and how it spells the default namespace. */
export interface Context {
  readonly name: ConfigName;
  readonly form: TenantForm;
  /** Blank: the client holds nothing. Undefined: it did not say, which differs from everything. */
  readonly md5: string | undefined;
}

/** A configuration that differs from what the client holds. */
export interface Changed {
  readonly name: ConfigName;
  readonly form: TenantForm;
}

/** What happens to configuration. The shell feeds one event at a time. */
export type Event =
  /** An entry of the durable log, in log order. `at` is its epoch milliseconds. */
  | { type: "apply"; index: number; at: number; command: ConfigCommand }
  /** Adds to what the connection listens to, and answers with `differing`. */
  | { type: "listen"; clientId: ClientId; labels: Labels; contexts: readonly Context[] }
  | { type: "unlisten"; clientId: ClientId; names: readonly ConfigName[] }
  /**
   * The client has just been given this version by a query. `afterNotice`: it said that it asks because of a notice, so
   * that one is known to have arrived; else an application may have asked beside its listener.
   */
  | { type: "served"; clientId: ClientId; name: ConfigName; md5: string; afterNotice: boolean }
  | { type: "disconnected"; clientId: ClientId }
  /**
   * A long poll. Answered with `pollAnswer` at once when something differs or `holdMs` is 0, else when one of the lines
   * changes or the time is over.
   */
  | { type: "poll"; id: number; ip: string; labels: Labels; contexts: readonly Context[]; holdMs: number }
  /** The caller of a held poll has gone. */
  | { type: "pollGone"; id: number }
  | { type: "watch"; clientId: ClientId; pattern: string; received: readonly ConfigKey[]; initializing: boolean }
  | { type: "unwatch"; clientId: ClientId; pattern: string }
  | { type: "pushSettled"; clientId: ClientId; requestId: number; outcome: PushOutcome }
  | { type: "tick" };

/** As in naming: `busy` is tried again and does not count as unanswered. */
export type PushOutcome = "acked" | "refused" | "timeout" | "busy" | "gone";

/** What the shell is to do, in this order. */
export type Effect =
  /** The event was refused; nothing changed. */
  | { type: "refuse"; failure: FailureName; message: string }
  /** The answer of `listen`. */
  | { type: "differing"; changed: readonly Changed[] }
  /** The answer of `apply`, unless it is refused. */
  | { type: "result"; result: ConfigResult }
  /** For the store, in order, in one transaction with the entry's other writes and rows. */
  | { type: "write"; write: ConfigWrite }
  /** A keyed row of the store: namespaces and capacities. `value` is JSON text; undefined deletes. */
  | { type: "store"; kind: string; key: string; value: string | undefined }
  /** Contents that were written or removed: what is cached of them is no longer true. */
  | { type: "changed"; keys: readonly ConfigKey[] }
  | { type: "notify"; requestId: number; to: readonly ClientId[]; name: ConfigName; form: TenantForm }
  | { type: "pollAnswer"; id: number; changed: readonly Changed[] }
  | { type: "fuzzySync"; requestId: number; to: ClientId; pattern: string; sync: FuzzySync }
  | { type: "fuzzyChange"; requestId: number; to: readonly ClientId[]; key: ConfigKey; change: ConfigChange };

export type ConfigChange = "ADD_CONFIG" | "DELETE_CONFIG";

/** A batch of a fuzzy watch's beginning or reconciliation, or the end of its beginning. */
export type FuzzySync =
  | {
      readonly type: "FUZZY_WATCH_INIT_NOTIFY" | "FUZZY_WATCH_DIFF_SYNC_NOTIFY";
      readonly contexts: readonly { readonly groupKey: ConfigKey; readonly changedType: ConfigChange }[];
      readonly totalBatch: number;
      /** From 1. */
      readonly currentBatch: number;
    }
  | { readonly type: "FINISH_FUZZY_WATCH_INIT_NOTIFY" };
