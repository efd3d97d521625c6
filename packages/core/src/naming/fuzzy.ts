import { namespaceOf, type ServiceKey, type ServiceName } from "@nacre/protocol";
import { SortedNames } from "../lib/sorted-names.ts";
import type { FuzzySync, PushOutcome, ServiceChange } from "./events.ts";
import { matches, parsePattern } from "./fuzzy-pattern.ts";
import type { FuzzyMessage, WatchedPattern } from "./fuzzy-state.ts";
import type { ClientId, Service } from "./model.ts";
import { type Refusal, refusal } from "./refusal.ts";
import type { NamingState, Turn } from "./state.ts";

/** Keys in one sync message, as the SDKs expect it. */
const BATCH_SIZE = 10;
/** After this many unacknowledged sends a message counts as delivered; the watcher's next reconcile repairs the rest. */
const ATTEMPTS_MAX = 10;

/** A service may have appeared or disappeared: keeps the list of services, and tells whoever watches. */
export function noteExistence(turn: Turn, service: Service): void {
  const listed = service.metadata !== undefined || service.publications.size > 0;
  if (listed === service.listed) return;
  service.listed = listed;
  const names = namesOf(turn.state, service.name);
  if (listed) names.add(service.name.name);
  else names.remove(service.name.name);
  for (const watched of turn.state.fuzzy.patterns.values()) {
    if (!matches(watched.pattern, service.name)) continue;
    if (!listed) {
      if (watched.matched.delete(service.key)) tell(turn, watched, service.key, "DELETE_SERVICE");
    } else if (watched.matched.size >= turn.state.options.fuzzyMatchesMax) watched.overLimit = true;
    else {
      watched.matched.add(service.key);
      tell(turn, watched, service.key, "ADD_SERVICE");
    }
  }
}

function namesOf(state: NamingState, { namespace, group }: ServiceName): SortedNames {
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
  return names;
}

function tell(turn: Turn, watched: WatchedPattern, service: ServiceKey, change: ServiceChange): void {
  if (watched.watchers.size === 0) return;
  sendChange(turn, [...watched.watchers.keys()], service, change, 1);
}

function sendChange(
  turn: Turn,
  to: readonly ClientId[],
  service: ServiceKey,
  change: ServiceChange,
  attempts: number,
): void {
  const requestId = turn.state.nextRequestId++;
  turn.state.fuzzy.sent.set(
    requestId,
    new Map(to.map((clientId) => [clientId, { kind: "change", to: clientId, service, change, attempts }])),
  );
  turn.effects.push({ type: "fuzzyChange", requestId, to, service, change });
}

function sendSync(turn: Turn, to: ClientId, pattern: string, sync: FuzzySync, attempts: number): void {
  const requestId = turn.state.nextRequestId++;
  turn.state.fuzzy.sent.set(requestId, new Map([[to, { kind: "sync", to, pattern, sync, attempts }]]));
  turn.effects.push({ type: "fuzzySync", requestId, to, pattern, sync });
}

/**
 * Starts a watch, or reconciles one: sends the difference between what matches and what the client says it has.
 * Over the limit of matches the watch exists all the same, and the client is told so.
 */
export function watch(
  turn: Turn,
  clientId: ClientId,
  text: string,
  received: readonly ServiceKey[],
  initializing: boolean,
): Refusal | undefined {
  const { state } = turn;
  const { patterns } = state.fuzzy;
  let watched = patterns.get(text);
  if (watched === undefined) {
    dropUnused(state);
    if (patterns.size >= state.options.fuzzyPatternsMax)
      return refusal(
        "fuzzyPatternsOverLimit",
        `fuzzy watch pattern over limit: at most ${state.options.fuzzyPatternsMax} patterns may be watched (nacos.naming.fuzzy.watch.max.pattern.count)`,
      );
    watched = { text, pattern: parsePattern(text), matched: new Set(), overLimit: true, watchers: new Map() };
    patterns.set(text, watched);
  }
  if (watched.overLimit) findMatches(state, watched);
  watched.watchers.set(clientId, { initialBatches: 0 });
  if (watched.overLimit)
    return refusal(
      "fuzzyMatchesOverLimit",
      `fuzzy watch match count over limit: more than ${state.options.fuzzyMatchesMax} services match ${text} (nacos.naming.fuzzy.watch.max.pattern.match.service.count)`,
    );
  const has = new Set(received);
  const contexts: { serviceKey: ServiceKey; changedType: ServiceChange }[] = [];
  for (const serviceKey of watched.matched)
    if (!has.has(serviceKey)) contexts.push({ serviceKey, changedType: "ADD_SERVICE" });
  for (const serviceKey of has)
    if (!watched.matched.has(serviceKey)) contexts.push({ serviceKey, changedType: "DELETE_SERVICE" });
  const totalBatch = Math.ceil(contexts.length / BATCH_SIZE);
  if (initializing) watched.watchers.set(clientId, { initialBatches: totalBatch });
  const type = initializing ? "FUZZY_WATCH_INIT_NOTIFY" : "FUZZY_WATCH_DIFF_SYNC_NOTIFY";
  for (let batch = 0; batch < totalBatch; batch++)
    sendSync(
      turn,
      clientId,
      text,
      {
        type,
        contexts: contexts.slice(batch * BATCH_SIZE, (batch + 1) * BATCH_SIZE),
        totalBatch,
        currentBatch: batch + 1,
      },
      1,
    );
  if (initializing && totalBatch === 0) sendSync(turn, clientId, text, { type: "FINISH_FUZZY_WATCH_INIT_NOTIFY" }, 1);
  return undefined;
}

function findMatches(state: NamingState, watched: WatchedPattern): void {
  watched.matched.clear();
  watched.overLimit = false;
  const namespace = namespaceOf(watched.pattern.namespace);
  for (const [group, names] of state.listed.get(namespace) ?? [])
    for (const name of names.all()) {
      if (!matches(watched.pattern, { namespace, group, name })) continue;
      if (watched.matched.size >= state.options.fuzzyMatchesMax) {
        watched.overLimit = true;
        return;
      }
      watched.matched.add(`${namespace}@@${group}@@${name}`);
    }
}

/** A pattern that nobody watches any more gives its place to a new one. */
function dropUnused(state: NamingState): void {
  for (const [text, watched] of state.fuzzy.patterns)
    if (watched.watchers.size === 0) state.fuzzy.patterns.delete(text);
}

export function unwatch(state: NamingState, clientId: ClientId, text: string): void {
  state.fuzzy.patterns.get(text)?.watchers.delete(clientId);
}

export function unwatchAll(state: NamingState, clientId: ClientId): void {
  for (const watched of state.fuzzy.patterns.values()) watched.watchers.delete(clientId);
}

/** @returns whether the request id belonged to a fuzzy watch message. */
export function fuzzySettled(turn: Turn, clientId: ClientId, requestId: number, outcome: PushOutcome): boolean {
  const { sent, patterns } = turn.state.fuzzy;
  const pending = sent.get(requestId);
  if (pending === undefined) return false;
  const message = pending.get(clientId);
  pending.delete(clientId);
  if (pending.size === 0) sent.delete(requestId);
  if (message === undefined || outcome === "gone") return true;
  if (outcome !== "acked" && message.attempts < ATTEMPTS_MAX) {
    turn.state.tasks.add(turn.now + turn.state.options.pushRetryMs, { type: "fuzzyRetry", message });
    return true;
  }
  if (message.kind === "change" || message.sync.type !== "FUZZY_WATCH_INIT_NOTIFY") return true;
  const watcher = patterns.get(message.pattern)?.watchers.get(clientId);
  if (watcher === undefined || watcher.initialBatches === 0) return true;
  watcher.initialBatches--;
  if (watcher.initialBatches === 0)
    sendSync(turn, clientId, message.pattern, { type: "FINISH_FUZZY_WATCH_INIT_NOTIFY" }, 1);
  return true;
}

export function retryFuzzy(turn: Turn, message: FuzzyMessage): void {
  const { patterns } = turn.state.fuzzy;
  const attempts = message.attempts + 1;
  if (message.kind === "sync") {
    if (patterns.get(message.pattern)?.watchers.has(message.to))
      sendSync(turn, message.to, message.pattern, message.sync, attempts);
    return;
  }
  if (turn.state.clients.has(message.to)) sendChange(turn, [message.to], message.service, message.change, attempts);
}
