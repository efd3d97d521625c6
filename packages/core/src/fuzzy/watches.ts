import { RegistryError } from "@nacre/protocol";
import { type Refusal, refusal } from "../lib/refusal.ts";
import type { Millis } from "../lib/units.ts";
import { type FuzzyPattern, matches, parsePattern, type Resource } from "./pattern.ts";
import type {
  FuzzyBatch,
  FuzzyMessage,
  FuzzyWatches,
  ResourceKey,
  WatchedPattern,
  Watcher,
  WatcherId,
} from "./state.ts";

/** What differs between watching services and watching configurations, and never changes. */
export interface FuzzyKind {
  /** As messages to people name it: `services`. */
  readonly many: string;
  /** The last part of a pattern. */
  readonly part: string;
  /** Keys in one batch, as the SDKs expect it. */
  readonly batchSize: number;
  /** Options that set the limits. */
  readonly patternsOption: string;
  readonly matchesOption: string;
}

/** The core whose things are watched, for the time of one step. */
export interface FuzzyHost {
  readonly kind: FuzzyKind;
  readonly watches: FuzzyWatches;
  readonly now: Millis;
  readonly patternsMax: number;
  readonly matchesMax: number;
  /** After so many sends without an acknowledgement a message counts as delivered; the next reconciliation repairs the rest. */
  readonly attemptsMax: number;
  /** Until a message is sent again that was missed so often, from 1. */
  retryMs(misses: number): Millis;
  takeRequestId(): number;
  exists(key: ResourceKey): boolean;
  /** Keys of all that exists and matches; not read further than to one more than `matchesMax`. */
  existing(pattern: FuzzyPattern): Iterable<ResourceKey>;
  sendBatch(requestId: number, to: WatcherId, pattern: string, batch: FuzzyBatch): void;
  sendChange(requestId: number, to: readonly WatcherId[], key: ResourceKey, exists: boolean): void;
  /** Sees to it that `retryWatch` gets the message at that time. */
  later(at: Millis, message: FuzzyMessage): void;
}

/** A batch with its contexts as one kind of resource writes them. */
export function withContexts<C>(batch: FuzzyBatch, contextOf: (key: ResourceKey, exists: boolean) => C) {
  if (!("contexts" in batch)) return batch;
  return { ...batch, contexts: batch.contexts.map(({ key, exists }) => contextOf(key, exists)) };
}

/** Something appeared or disappeared: tells whoever watches. @returns how many were told. */
export function tellWatchers(host: FuzzyHost, resource: Resource, key: ResourceKey): number {
  // A client may watch by several patterns, and is told once.
  const told = new Set<WatcherId>();
  for (const watched of host.watches.patterns.values())
    if (matches(watched.pattern, resource) && noteMatch(host, watched, key))
      for (const watcher of watched.watchers.keys()) told.add(watcher);
  if (told.size > 0) sendChange(host, [...told], resource, key, 0);
  return told.size;
}

/** @returns whether the watchers of the pattern can follow the change: beyond the limit of matches they cannot. */
function noteMatch(host: FuzzyHost, watched: WatchedPattern, key: ResourceKey): boolean {
  if (!host.exists(key)) return watched.matched.delete(key);
  if (watched.matched.size < host.matchesMax) {
    watched.matched.add(key);
    return true;
  }
  watched.overLimit = true;
  return false;
}

function sendChange(
  host: FuzzyHost,
  to: readonly WatcherId[],
  resource: Resource,
  key: ResourceKey,
  misses: number,
): void {
  const requestId = host.takeRequestId();
  const pending = new Map<WatcherId, FuzzyMessage>();
  for (const watcher of to) pending.set(watcher, { kind: "change", to: watcher, resource, key, misses });
  host.watches.sent.set(requestId, pending);
  // As things stand: also when an older message is sent again.
  host.sendChange(requestId, to, key, host.exists(key));
}

/** The counter that decides whether a sync message is still meant. */
function roundOf({ type }: FuzzyBatch): keyof Watcher["rounds"] {
  return type === "FUZZY_WATCH_DIFF_SYNC_NOTIFY" ? "diff" : "initial";
}

function sendBatch(
  host: FuzzyHost,
  to: WatcherId,
  { rounds }: Watcher,
  pattern: string,
  batch: FuzzyBatch,
  misses: number,
): void {
  const requestId = host.takeRequestId();
  const round = rounds[roundOf(batch)];
  host.watches.sent.set(requestId, new Map([[to, { kind: "sync", to, pattern, batch, round, misses }]]));
  host.sendBatch(requestId, to, pattern, batch);
}

/**
 * Starts a watch, or reconciles one: sends the difference between what matches and what the client says it has.
 * Over the limit of matches the watch exists all the same, and the client is told so.
 */
export function startWatch(
  host: FuzzyHost,
  to: WatcherId,
  text: string,
  received: readonly ResourceKey[],
  initializing: boolean,
): Refusal | undefined {
  const { kind } = host;
  const { patterns } = host.watches;
  let watched = patterns.get(text);
  if (watched === undefined) {
    const pattern = readPattern(text, kind.part);
    if ("failure" in pattern) return pattern;
    dropUnused(host.watches);
    if (patterns.size >= host.patternsMax)
      return refusal(
        "fuzzyPatternsOverLimit",
        `fuzzy watch pattern over limit: at most ${host.patternsMax} patterns may be watched (${kind.patternsOption})`,
      );
    watched = { text, pattern, matched: new Set(), overLimit: true, watchers: new Map() };
    patterns.set(text, watched);
  }
  if (watched.overLimit) findMatches(host, watched);
  const watcher = watched.watchers.get(to) ?? { initialBatches: 0, rounds: { initial: 0, diff: 0 } };
  watched.watchers.set(to, watcher);
  // What an earlier round has not delivered is part of this one: a client that asks again and again is owed it once.
  watcher.rounds[initializing ? "initial" : "diff"]++;
  if (watched.overLimit)
    return refusal(
      "fuzzyMatchesOverLimit",
      `fuzzy watch match count over limit: more than ${host.matchesMax} ${kind.many} match ${text} (${kind.matchesOption})`,
    );
  const contexts = difference(watched, new Set(received), host.matchesMax);
  const totalBatch = Math.ceil(contexts.length / kind.batchSize);
  if (initializing) watcher.initialBatches = totalBatch;
  const type = initializing ? "FUZZY_WATCH_INIT_NOTIFY" : "FUZZY_WATCH_DIFF_SYNC_NOTIFY";
  for (let at = 0; at < totalBatch; at++) {
    const some = contexts.slice(at * kind.batchSize, (at + 1) * kind.batchSize);
    sendBatch(host, to, watcher, text, { type, contexts: some, totalBatch, currentBatch: at + 1 }, 0);
  }
  if (initializing && totalBatch === 0)
    sendBatch(host, to, watcher, text, { type: "FINISH_FUZZY_WATCH_INIT_NOTIFY" }, 0);
  return undefined;
}

function difference({ matched }: WatchedPattern, has: ReadonlySet<ResourceKey>, surplusMax: number) {
  const contexts: { key: ResourceKey; exists: boolean }[] = [];
  for (const key of matched) if (!has.has(key)) contexts.push({ key, exists: true });
  // A client holds little more than it was told of. One that claims more is told of the rest when it reconciles next.
  let surplus = 0;
  for (const key of has) {
    if (matched.has(key)) continue;
    if (++surplus > surplusMax) break;
    contexts.push({ key, exists: false });
  }
  return contexts;
}

/** The pattern, or what is wrong with it. */
function readPattern(text: string, part: string): FuzzyPattern | Refusal {
  try {
    return parsePattern(text, part);
  } catch (err) {
    if (err instanceof RegistryError) return refusal(err.failure, err.message);
    throw err;
  }
}

function findMatches(host: FuzzyHost, watched: WatchedPattern): void {
  watched.matched.clear();
  watched.overLimit = false;
  for (const key of host.existing(watched.pattern)) {
    if (watched.matched.size >= host.matchesMax) {
      watched.overLimit = true;
      return;
    }
    watched.matched.add(key);
  }
}

/** A pattern that nobody watches any more gives its place to a new one. */
function dropUnused({ patterns }: FuzzyWatches): void {
  for (const [text, watched] of patterns) if (watched.watchers.size === 0) patterns.delete(text);
}

export function endWatch({ patterns }: FuzzyWatches, watcher: WatcherId, text: string): void {
  patterns.get(text)?.watchers.delete(watcher);
}

export function endWatches({ patterns }: FuzzyWatches, watcher: WatcherId): void {
  for (const watched of patterns.values()) watched.watchers.delete(watcher);
}

/** @returns whether the request id belonged to a fuzzy watch message. */
export function settleWatch(
  host: FuzzyHost,
  watcherId: WatcherId,
  requestId: number,
  outcome: "acked" | "refused" | "timeout" | "busy" | "gone",
): boolean {
  const { sent, patterns } = host.watches;
  const pending = sent.get(requestId);
  if (pending === undefined) return false;
  const message = pending.get(watcherId);
  pending.delete(watcherId);
  if (pending.size === 0) sent.delete(requestId);
  if (message === undefined || outcome === "gone") return true;
  if (outdated(host.watches, message)) return true;
  if (outcome !== "acked") {
    const misses = message.misses + (outcome === "busy" ? 0 : 1);
    if (misses < host.attemptsMax) {
      host.later(host.now + host.retryMs(Math.max(1, misses)), { ...message, misses });
      return true;
    }
  }
  if (message.kind === "change" || message.batch.type !== "FUZZY_WATCH_INIT_NOTIFY") return true;
  const watcher = patterns.get(message.pattern)?.watchers.get(watcherId);
  if (watcher === undefined || watcher.initialBatches === 0) return true;
  watcher.initialBatches--;
  if (watcher.initialBatches === 0)
    sendBatch(host, watcherId, watcher, message.pattern, { type: "FINISH_FUZZY_WATCH_INIT_NOTIFY" }, 0);
  return true;
}

/** Whether a later round of its watcher has taken the place of a sync message. */
function outdated({ patterns }: FuzzyWatches, message: FuzzyMessage): boolean {
  if (message.kind === "change") return false;
  const watcher = patterns.get(message.pattern)?.watchers.get(message.to);
  return watcher?.rounds[roundOf(message.batch)] !== message.round;
}

/** Sends a message again, with what is true by now: a change that it missed may have gone out since. */
export function retryWatch(host: FuzzyHost, message: FuzzyMessage): void {
  const { to, misses } = message;
  const patterns = [...host.watches.patterns.values()].filter((watched) => watched.watchers.has(to));
  if (message.kind === "change") {
    const { resource, key } = message;
    if (patterns.some((watched) => matches(watched.pattern, resource))) sendChange(host, [to], resource, key, misses);
    return;
  }
  const watched = patterns.find(({ text }) => text === message.pattern);
  const watcher = watched?.watchers.get(to);
  if (watched === undefined || watcher === undefined || outdated(host.watches, message)) return;
  const { batch, pattern } = message;
  if (batch.type === "FINISH_FUZZY_WATCH_INIT_NOTIFY") return sendBatch(host, to, watcher, pattern, batch, misses);
  const contexts = batch.contexts.map(({ key }) => ({ key, exists: watched.matched.has(key) }));
  sendBatch(host, to, watcher, pattern, { ...batch, contexts }, misses);
}
