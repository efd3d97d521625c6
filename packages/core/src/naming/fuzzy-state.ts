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
  /** Watcher, and how many batches of its first transfer are not acknowledged yet. */
  readonly watchers: Map<ClientId, { initialBatches: number }>;
}

/** A message to a watcher that has not been acknowledged. */
export type FuzzyMessage =
  | {
      readonly kind: "sync";
      readonly to: ClientId;
      readonly pattern: string;
      readonly sync: FuzzySync;
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
