import { namespaceOf, type ServiceKey, type ServiceName, serviceKey } from "@nacre/protocol";
import { type FuzzyPattern, matches } from "../fuzzy/pattern.ts";
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
import type { Refusal } from "../lib/refusal.ts";
import { SortedNames } from "../lib/sorted-names.ts";
import type { PushOutcome, ServiceChange } from "./events.ts";
import type { ClientId, Service } from "./model.ts";
import type { NamingState, Turn } from "./state.ts";

/** Which services exist, and who watches for them to come and go. */

const KIND: FuzzyKind = {
  many: "services",
  part: "service",
  batchSize: 10,
  patternsOption: "nacos.naming.fuzzy.watch.max.pattern.count",
  matchesOption: "nacos.naming.fuzzy.watch.max.pattern.match.service.count",
};
/** Sends of a message without an acknowledgement, after which it counts as delivered. */
const ATTEMPTS_MAX = 10;

/** A service may have appeared or disappeared: keeps the list of services, and tells whoever watches. */
export function noteExistence(turn: Turn, service: Service): void {
  const listed = service.metadata !== undefined || service.publications.size > 0;
  if (listed === service.listed) return;
  service.listed = listed;
  if (listed) enlist(turn.state, service.name);
  else strike(turn.state, service.name);
  if (turn.state.fuzzy.patterns.size > 0) tellWatchers(hostOf(turn), service.name, service.key);
}

function enlist(state: NamingState, { namespace, group, name }: ServiceName): void {
  let groups = state.listed.get(namespace);
  if (groups === undefined) {
    groups = new Map();
    state.listed.set(namespace, groups);
  }
  let names = groups.get(group);
  if (names === undefined) {
    names = new SortedNames();
    groups.set(group, names);
  }
  names.add(name);
}

/** Takes a service off the list; a group or a namespace without services goes with its last one. */
function strike(state: NamingState, { namespace, group, name }: ServiceName): void {
  const groups = state.listed.get(namespace);
  const names = groups?.get(group);
  names?.remove(name);
  if (names?.size === 0) groups?.delete(group);
  if (groups?.size === 0) state.listed.delete(namespace);
}

export function watch(
  turn: Turn,
  clientId: ClientId,
  text: string,
  received: readonly ServiceKey[],
  initializing: boolean,
): Refusal | undefined {
  return startWatch(hostOf(turn), clientId, text, received, initializing);
}

export function unwatch(state: NamingState, clientId: ClientId, text: string): void {
  endWatch(state.fuzzy, clientId, text);
}

export function unwatchAll(state: NamingState, clientId: ClientId): void {
  endWatches(state.fuzzy, clientId);
}

/** @returns whether the request id belonged to a fuzzy watch message. */
export function fuzzySettled(turn: Turn, clientId: ClientId, requestId: number, outcome: PushOutcome): boolean {
  return turn.state.fuzzy.sent.has(requestId) && settleWatch(hostOf(turn), clientId, requestId, outcome);
}

export function retryFuzzy(turn: Turn, message: FuzzyMessage): void {
  retryWatch(hostOf(turn), message);
}

function hostOf({ state, now, effects }: Turn): FuzzyHost {
  const { fuzzyPatternsMax, fuzzyMatchesMax, pushRetryMs } = state.options;
  return {
    kind: KIND,
    watches: state.fuzzy,
    now,
    patternsMax: fuzzyPatternsMax,
    matchesMax: fuzzyMatchesMax,
    attemptsMax: ATTEMPTS_MAX,
    retryMs: () => pushRetryMs,
    takeRequestId: () => state.nextRequestId++,
    exists: (key) => state.services.get(key)?.listed === true,
    existing: (pattern) => listedFor(state, pattern),
    sendBatch: (requestId, to, pattern, batch) => {
      const sync = withContexts(batch, (serviceKey, exists) => ({ serviceKey, changedType: word(exists) }));
      effects.push({ type: "fuzzySync", requestId, to, pattern, sync });
    },
    sendChange: (requestId, to, service, exists) =>
      effects.push({ type: "fuzzyChange", requestId, to, service, change: word(exists) }),
    later: (at, message) => state.tasks.add(at, { type: "fuzzyRetry", message }),
  };
}

function word(exists: boolean): ServiceChange {
  return exists ? "ADD_SERVICE" : "DELETE_SERVICE";
}

function* listedFor(state: NamingState, pattern: FuzzyPattern): Iterable<ServiceKey> {
  const namespace = namespaceOf(pattern.namespace);
  for (const [group, names] of state.listed.get(namespace) ?? [])
    for (const name of names.all()) {
      const service = { namespace, group, name };
      if (matches(pattern, service)) yield serviceKey(service);
    }
}
