import type { FuzzyPattern, Resource } from "./pattern.ts";

/** Id of a connection. */
export type WatcherId = string;

/** How what is watched is called on the wire. */
export type ResourceKey = string;

/** One pattern with everybody who watches it. */
export interface WatchedPattern {
  readonly text: string;
  readonly pattern: FuzzyPattern;
  /** What exists and matches, at most the limit; when there is more, `overLimit` is set. */
  readonly matched: Set<ResourceKey>;
  overLimit: boolean;
  readonly watchers: Map<WatcherId, Watcher>;
}

export interface Watcher {
  /** Batches of its first transfer that are not acknowledged yet. */
  initialBatches: number;
  /** How often it began and how often it reconciled: sync messages of an earlier time are not sent again. */
  readonly rounds: { initial: number; diff: number };
}

/** A batch of a watch's beginning or reconciliation, or the end of its beginning. */
export type FuzzyBatch =
  | {
      readonly type: "FUZZY_WATCH_INIT_NOTIFY" | "FUZZY_WATCH_DIFF_SYNC_NOTIFY";
      readonly contexts: readonly { readonly key: ResourceKey; readonly exists: boolean }[];
      readonly totalBatch: number;
      /** From 1. */
      readonly currentBatch: number;
    }
  | { readonly type: "FINISH_FUZZY_WATCH_INIT_NOTIFY" };

/** A message to a watcher that has not been acknowledged. */
export type FuzzyMessage =
  | {
      readonly kind: "sync";
      readonly to: WatcherId;
      readonly pattern: string;
      readonly batch: FuzzyBatch;
      /** Of its kind of batch; see `Watcher.rounds`. */
      readonly round: number;
      /** Sends before this one that were not acknowledged. */
      readonly misses: number;
    }
  | {
      readonly kind: "change";
      readonly to: WatcherId;
      /** Whether it appeared or disappeared is told as things stand when the message goes out. */
      readonly resource: Resource;
      readonly key: ResourceKey;
      readonly misses: number;
    };

export interface FuzzyWatches {
  readonly patterns: Map<string, WatchedPattern>;
  /** By request id, and by watcher: one change goes to many under one id. Bounded by what connections may have pending. */
  readonly sent: Map<number, Map<WatcherId, FuzzyMessage>>;
}

export function newFuzzyWatches(): FuzzyWatches {
  return { patterns: new Map(), sent: new Map() };
}
