import type { ConfigFields, GrayRule, Operator, Revision } from "@nacre/core/config";
import type { ConfigName, ConfigType } from "@nacre/protocol";

/**
 * What features ask of the stored configurations: contents, lists, search, history. Writes come through the log alone
 * (`ConfigWrite`). Every method reads what the log has applied; none holds the event loop for more than a few
 * milliseconds. SQLite stands behind it today, MySQL and PostgreSQL will: nobody but the store knows SQL.
 */
export interface ConfigStore {
  /** Of the formal version, or of a gray one; undefined when there is none. */
  content(name: ConfigName, gray?: string): Promise<string | undefined>;
  config(name: ConfigName): Promise<StoredConfig | undefined>;
  gray(name: ConfigName, gray: string): Promise<StoredGray | undefined>;
  /** In the order of the ids; unknown ones are left out. */
  byIds(ids: readonly number[]): Promise<StoredConfig[]>;
  /** One page by ascending id, with the number of all that match. @throws RegistryError `overThreshold`, when 32 searches are under way. */
  search(
    query: ConfigQuery,
    page: PageOf,
  ): Promise<{ readonly total: number; readonly items: readonly StoredConfig[] }>;
  /** All that match, by ascending id, a few at a time: for exports and copies. */
  scan(query: ConfigQuery): AsyncIterable<StoredConfig>;
  /** Newest first. */
  history(
    query: HistoryQuery,
    page: PageOf,
  ): Promise<{ readonly total: number; readonly items: readonly HistoryRow[] }>;
  historyRow(nid: number): Promise<HistoryRow | undefined>;
  /** The newest row of the same configuration that is older than this one. */
  historyBefore(nid: number): Promise<HistoryRow | undefined>;
  /** The oldest row of the same configuration (and gray version) that is newer than this one. */
  historyAfter(nid: number): Promise<HistoryRow | undefined>;
  /** The newest row of a configuration, whatever became of it. */
  newestHistory(name: ConfigName): Promise<HistoryRow | undefined>;
  /** When the oldest change that is kept was made, in epoch ms: cleaning goes on until it is young enough. */
  oldestHistoryAt(): Promise<number | undefined>;
}

/** `page` counts from 1. */
export interface PageOf {
  readonly page: number;
  readonly size: number;
}

/** Absent fields match everything. */
export interface ConfigQuery {
  readonly namespace: string;
  /** Exact, or with `*` for any characters where `wildcards` says so; blank matches everything. */
  readonly dataId?: string;
  readonly group?: string;
  readonly wildcards: boolean;
  readonly appName?: string;
  readonly types?: readonly ConfigType[];
  /** With all of these labels. */
  readonly tags?: readonly string[];
  /** A part of the content; `*` as above. */
  readonly content?: string;
  /** Without content and schema: items carry blank ones. */
  readonly headsOnly?: boolean;
}

export interface StoredConfig {
  readonly id: number;
  readonly name: ConfigName;
  readonly content: string;
  readonly md5: string;
  readonly bytes: number;
  readonly encryptedDataKey: string;
  readonly revision: Revision;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly modifiedAt: number;
  readonly createdBy: Operator;
  readonly modifiedBy: Operator;
  /** Complete: no field is absent. */
  readonly fields: Required<ConfigFields>;
}

export interface StoredGray extends StoredConfig {
  readonly gray: string;
  readonly rule: GrayRule;
}

export interface HistoryQuery {
  readonly name: ConfigName;
  readonly appName?: string;
  /** Without content and schema: rows carry blank ones. */
  readonly headsOnly?: boolean;
}

/** The state before a change (`U`, `D`), or the one that an insert made (`I`). */
export interface HistoryRow {
  readonly nid: number;
  /** The configuration's id at the time. */
  readonly id: number;
  readonly name: ConfigName;
  readonly gray: string | undefined;
  readonly rule: GrayRule | undefined;
  readonly op: "I" | "U" | "D";
  readonly content: string;
  readonly md5: string;
  readonly encryptedDataKey: string;
  readonly fields: Required<ConfigFields>;
  /** Of the change. */
  readonly by: Operator;
  /** Epoch milliseconds: of the change, and when the content before it had been written. */
  readonly at: number;
  readonly contentAt: number;
}

/** What the core keeps of a stored configuration: read once, at start. */
export interface ConfigHead {
  readonly name: ConfigName;
  readonly id: number;
  readonly md5: string;
  readonly bytes: number;
  readonly type: ConfigType;
  readonly encryptedDataKey: string;
  readonly revision: Revision;
  readonly modifiedAt: number;
  /** Of a gray version; absent for the formal one. */
  readonly gray?: { readonly name: string; readonly rule: GrayRule };
}
