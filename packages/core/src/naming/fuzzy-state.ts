import type { ServiceKey, ServiceName } from "@nacre/protocol";
import type { FuzzySync } from "./events.ts";
import type { FuzzyPattern } from "./fuzzy-pattern.ts";
import type { ClientId } from "./model.ts";

/** One pattern with everybody who watches it. */
export interface WatchedPattern {
  readonly text: string;
  readonly pattern: FuzzyPattern;
  /** Listed services that match, at most the limit; when there are more, `overLimit` is set. */
  readonly matched: Set<ServiceKey>;
  overLimit: boolean;
  readonly watchers: Map<ClientId, Watcher>;
}

export interface Watcher {
  /** Batches of its first transfer that are not acknowledged yet. */
  initialBatches: number;
  /** How often it began and how often it reconciled: sync messages of an earlier time are not sent again. */
  readonly rounds: { initial: number; diff: number };
}

/** A message to a watcher that has not been acknowledged. */
export type FuzzyMessage =
  | {
      readonly kind: "sync";
      readonly to: ClientId;
      readonly pattern: string;
      readonly sync: FuzzySync;
      /** Of its kind of sync; see `Watcher.rounds`. */
      readonly round: number;
      attempts: number;
    }
  | {
      readonly kind: "change";
      readonly to: ClientId;
      /** Whether it appeared or disappeared is told as things stand when the message goes out. */
      readonly service: ServiceName;
      attempts: number;
    };

export interface FuzzyWatches {
  readonly patterns: Map<string, WatchedPattern>;
  /** By request id, and by watcher: one change goes to many under one id. Bounded by what connections may have pending. */
  readonly sent: Map<number, Map<ClientId, FuzzyMessage>>;
}

export function newFuzzyWatches(): FuzzyWatches {
  return { patterns: new Map(), sent: new Map() };
}
