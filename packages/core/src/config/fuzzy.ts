import type { ConfigKey } from "@nacre/protocol";
import { type FuzzyPattern, matchesParts } from "../fuzzy/pattern.ts";
import type { FuzzyMessage } from "../fuzzy/state.ts";
import {
  endWatch,
  endWatches,
  type FuzzyHost,
  type FuzzyKind,
  retryWatch,
  settleWatch,
  startWatch,
  tellWatchers,
  withContexts,
} from "../fuzzy/watches.ts";
import type { ConfigChange, Event } from "./events.ts";
import type { ClientId, Item } from "./model.ts";
import type { ConfigState, Turn } from "./state.ts";

/** Who watches for configurations to come and go. One exists while it has a formal version. */

const KIND: FuzzyKind = {
  many: "configurations",
  part: "dataId",
  batchSize: 20,
  patternsOption: "nacos.config.fuzzy.watch.max.pattern.count",
  matchesOption: "nacos.config.fuzzy.watch.max.pattern.match.config.count",
};

export function watch(turn: Turn, event: Extract<Event, { type: "watch" }>): void {
  const { clientId, pattern, received, initializing } = event;
  const refused = startWatch(hostOf(turn), clientId, pattern, received, initializing);
  if (refused !== undefined) turn.effects.push(refused);
}

export function unwatch({ state }: Turn, clientId: ClientId, pattern: string): void {
  endWatch(state.fuzzy, clientId, pattern);
}

export function unwatchAll({ state }: Turn, clientId: ClientId): void {
  endWatches(state.fuzzy, clientId);
}

/** @returns whether the request id belonged to a fuzzy watch message. */
export function watchSettled(turn: Turn, event: Extract<Event, { type: "pushSettled" }>): boolean {
  const { clientId, requestId, outcome } = event;
  return turn.state.fuzzy.sent.has(requestId) && settleWatch(hostOf(turn), clientId, requestId, outcome);
}

export function retryFuzzy(turn: Turn, message: FuzzyMessage): void {
  retryWatch(hostOf(turn), message);
}

/** A formal version appeared or went away: tells whoever watches. @returns how many were told. */
export function noteExistence(turn: Turn, item: Item): number {
  return turn.state.fuzzy.patterns.size > 0 ? tellWatchers(hostOf(turn), resourceOf(item), item.key) : 0;
}

function hostOf({ state, now, effects }: Turn): FuzzyHost {
  const { fuzzyPatternsMax, fuzzyMatchesMax, notifyAttemptsMax, notifyRetryMs } = state.options;
  return {
    kind: KIND,
    watches: state.fuzzy,
    now,
    patternsMax: fuzzyPatternsMax,
    matchesMax: fuzzyMatchesMax,
    attemptsMax: notifyAttemptsMax,
    retryMs: (misses) => misses * notifyRetryMs,
    takeRequestId: () => state.nextRequestId++,
    exists: (key) => state.items.get(key)?.formal !== undefined,
    existing: (pattern) => formalFor(state, pattern),
    sendBatch: (requestId, to, pattern, batch) => {
      const sync = withContexts(batch, (groupKey, exists) => ({ groupKey, changedType: word(exists) }));
      effects.push({ type: "fuzzySync", requestId, to, pattern, sync });
    },
    sendChange: (requestId, to, key, exists) =>
      effects.push({ type: "fuzzyChange", requestId, to, key, change: word(exists) }),
    later: (at, message) => state.tasks.add(at, { type: "fuzzyRetry", message }),
  };
}

function word(exists: boolean): ConfigChange {
  return exists ? "ADD_CONFIG" : "DELETE_CONFIG";
}

/** A new pattern looks at every item: a list by namespace and group would cost memory all the time for what is rare. */
function* formalFor(state: ConfigState, pattern: FuzzyPattern): Iterable<ConfigKey> {
  for (const item of state.items.values()) {
    if (item.formal === undefined) continue;
    const { namespace, group, dataId } = item.name;
    if (matchesParts(pattern, namespace, group, dataId)) yield item.key;
  }
}

function resourceOf({ name: { namespace, group, dataId } }: Item) {
  return { namespace, group, name: dataId };
}
