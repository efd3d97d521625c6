import type { ConfigName, ConfigType } from "@nacre/protocol";
import type { GrayRule } from "./gray-rule.ts";
import type { CapacityScope, Revision } from "./model.ts";
import type { ConfigOptions } from "./state.ts";

/** Who changes something, for history and lists. Blank where unknown. */
export interface Operator {
  readonly user: string;
  readonly ip: string;
}

/** What is known of a configuration besides its content. An absent field keeps what is stored; a blank one clears it. */
export interface ConfigFields {
  readonly type?: ConfigType;
  readonly appName?: string;
  /** Labels for search, without duplicates, in the order given. */
  readonly tags?: readonly string[];
  readonly description?: string;
  readonly use?: string;
  readonly effect?: string;
  readonly schema?: string;
}

/** A content with what is computed from it once, by whoever proposes it. */
export interface Content {
  readonly text: string;
  /** Lower-case hex MD5 of its UTF-8 bytes. */
  readonly md5: string;
  /** Its UTF-8 bytes. */
  readonly bytes: number;
  /** Blank when it is not encrypted. */
  readonly encryptedDataKey: string;
}

export interface GrayTarget {
  readonly name: string;
  readonly rule: GrayRule;
}

/** What may be asked of a publish besides writing: all of it is decided when the entry is applied, in log order (G3). */
export interface PublishTerms {
  /** Only if the version it replaces (of the gray, when one is published) has this md5; blank md5: only if there is none. */
  readonly expectedMd5?: string;
  /** Only if there is no such version yet. */
  readonly insertOnly?: boolean;
}

export const POLICIES = ["ABORT", "SKIP", "OVERWRITE"] as const;
/** What an import does with a configuration that exists already. */
export type ImportPolicy = (typeof POLICIES)[number];

export interface StagedItem {
  readonly name: ConfigName;
  readonly content: Content;
  readonly fields: ConfigFields;
}

/** How many items one `stageConfigs` may carry, and one `removeConfigs`: bounds how long applying an entry takes. */
export const BATCH_ITEMS_MAX = 256;
/** Entries of one import over all its batches. */
export const IMPORT_ITEMS_MAX = 10_000;
/** History rows that one entry prunes. */
export const PRUNE_ROWS_MAX = 1_000;

/** Limits of capacities for which an operator set none. */
export type CapacityDefaults = Pick<
  ConfigOptions,
  "namespaceQuota" | "groupQuota" | "clusterQuota" | "capacityBytesMax"
>;

/** Changes of durable state: each is one entry of the log. */
export type ConfigCommand =
  | {
      readonly type: "publishConfig";
      readonly name: ConfigName;
      readonly gray?: GrayTarget;
      readonly content: Content;
      readonly fields: ConfigFields;
      readonly terms: PublishTerms;
      readonly by: Operator;
      /** Of the member that proposes; absent when it enforces no capacities. */
      readonly capacity?: CapacityDefaults;
    }
  /** Absent ones are left out silently. `gray`: only that gray version of each; else the formal version. */
  | {
      readonly type: "removeConfigs";
      readonly names: readonly ConfigName[];
      readonly gray?: string;
      /** As in `PublishTerms`; only with a single name. */
      readonly expectedMd5?: string;
      readonly by: Operator;
    }
  /** Items of an import that wait for their commit: nobody sees them before it. */
  | { readonly type: "stageConfigs"; readonly importId: string; readonly items: readonly StagedItem[] }
  /** All that was staged becomes visible at once, as the policy says; or nothing does (G7). */
  | {
      readonly type: "commitConfigs";
      readonly importId: string;
      /** That were staged; absent in older logs. Refused when others are: some were dropped on the way (G7). */
      readonly items?: number;
      readonly policy: ImportPolicy;
      readonly by: Operator;
      /** As of `publishConfig`. */
      readonly capacity?: CapacityDefaults;
    }
  | { readonly type: "dropStaged"; readonly importId: string }
  /** Drops the oldest history rows from before `before` (epoch ms), at most `PRUNE_ROWS_MAX`. */
  | { readonly type: "pruneHistory"; readonly before: number }
  | { readonly type: "createNamespace"; readonly id: string; readonly name: string; readonly description: string }
  | { readonly type: "updateNamespace"; readonly id: string; readonly name: string; readonly description: string }
  /** Refused while it holds a configuration. */
  | { readonly type: "deleteNamespace"; readonly id: string }
  | {
      readonly type: "setCapacity";
      readonly scope: CapacityScope;
      readonly quota?: number;
      readonly maxBytes?: number;
      readonly maxAggrCount?: number;
      readonly maxAggrSize?: number;
    };

/** What an applied command answers. */
export type ConfigResult =
  | { readonly type: "published"; readonly id: number; readonly revision: Revision; readonly created: boolean }
  | { readonly type: "removed"; readonly removed: readonly ConfigName[] }
  | {
      readonly type: "imported";
      readonly succeeded: number;
      /** With ABORT: the first that exists, in the order staged; nothing was written then. */
      readonly failed: readonly ConfigName[];
      readonly skipped: readonly ConfigName[];
    }
  | { readonly type: "done" };

/**
 * One change of the store, in order, all of an entry in one transaction. The store copies what it holds already (the
 * content before a change) by itself: the core does not keep contents.
 */
export type ConfigWrite =
  /** A history row. `U` and `D` copy the row as it is before the writes behind this one; `I` as it is after the next. */
  | {
      readonly kind: "history";
      readonly nid: number;
      readonly name: ConfigName;
      readonly gray: string | undefined;
      readonly op: "I" | "U" | "D";
      readonly at: number;
      readonly by: Operator;
    }
  | {
      readonly kind: "putConfig";
      readonly name: ConfigName;
      /** Of the row, when it is new; an existing row keeps its own. */
      readonly id: number;
      readonly content: Content;
      readonly fields: ConfigFields;
      readonly revision: Revision;
      readonly at: number;
      readonly by: Operator;
    }
  | { readonly kind: "removeConfig"; readonly name: ConfigName }
  | {
      readonly kind: "putGray";
      readonly name: ConfigName;
      readonly id: number;
      readonly gray: GrayTarget;
      readonly content: Content;
      readonly fields: ConfigFields;
      readonly revision: Revision;
      readonly at: number;
      readonly by: Operator;
    }
  | { readonly kind: "removeGray"; readonly name: ConfigName; readonly gray: string }
  | { readonly kind: "stage"; readonly importId: string; readonly position: number; readonly item: StagedItem }
  /**
   * Staged items become formal versions in the order staged, as a `history` and a `putConfig` for each would write them.
   * One write for all: ten thousand pairs of them would be made in one step.
   */
  | {
      readonly kind: "promote";
      readonly importId: string;
      /** Of the history row of position 0; those of the others follow. */
      readonly nid: number;
      /** By position: the id of the item's row. An item that is new has that of its history row; 0 leaves one out. */
      readonly ids: readonly number[];
      readonly revision: Revision;
      readonly at: number;
      readonly by: Operator;
    }
  | {
      readonly kind: "dropStaged";
      readonly importId: string;
      /** How many items that are, and UTF-8 bytes of their contents: what it takes to store all of this. */
      readonly items: number;
      readonly bytes: number;
    }
  | { readonly kind: "pruneHistory"; readonly before: number; readonly max: number };
