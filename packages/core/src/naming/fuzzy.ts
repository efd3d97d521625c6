import { namespaceOf, RegistryError, type ServiceKey, type ServiceName, serviceKey } from "@nacre/protocol";
import { type Refusal, refusal } from "../lib/refusal.ts";
import { SortedNames } from "../lib/sorted-names.ts";
import type { FuzzySync, PushOutcome, ServiceChange } from "./events.ts";
import { type FuzzyPattern, matches, parsePattern } from "./fuzzy-pattern.ts";
import type { FuzzyMessage, WatchedPattern, Watcher } from "./fuzzy-state.ts";
import type { ClientId, Service } from "./model.ts";
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
  if (listed) enlist(turn.state, service.name);
  else strike(turn.state, service.name);
  // A client may watch by several patterns, and is told once.
  const told = new Set<ClientId>();
  for (const watched of turn.state.fuzzy.patterns.values())
    if (matches(watched.pattern, service.name) && noteMatch(turn.state, watched, service))
      for (const clientId of watched.watchers.keys()) told.add(clientId);
  if (told.size > 0) sendChange(turn, [...told], service.name, 1);
}

/** @returns whether the watchers of the pattern can follow the change: beyond the limit of matches they cannot. */
function noteMatch(state: NamingState, watched: WatchedPattern, service: Service): boolean {
  if (!service.listed) return watched.matched.delete(service.key);
  if (watched.matched.size < state.options.fuzzyMatchesMax) {
    watched.matched.add(service.key);
    return true;
  }
  watched.overLimit = true;
  return false;
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

/** What a watcher is to know of a service as things stand: also when an older message is sent again. */
function existence(state: NamingState, service: ServiceKey): ServiceChange {
  return state.services.get(service)?.listed === true ? "ADD_SERVICE" : "DELETE_SERVICE";
}

function sendChange(turn: Turn, to: readonly ClientId[], service: ServiceName, attempts: number): void {
  const { state, effects } = turn;
  const requestId = state.nextRequestId++;
  const pending = new Map<ClientId, FuzzyMessage>();
  for (const clientId of to) pending.set(clientId, { kind: "change", to: clientId, service, attempts });
  state.fuzzy.sent.set(requestId, pending);
  const key = serviceKey(service);
  effects.push({ type: "fuzzyChange", requestId, to, service: key, change: existence(state, key) });
}

/** The counter that decides whether a sync message is still meant. */
function roundOf({ type }: FuzzySync): keyof Watcher["rounds"] {
  return type === "FUZZY_WATCH_DIFF_SYNC_NOTIFY" ? "diff" : "initial";
}

function sendSync(
  turn: Turn,
  to: ClientId,
  { rounds }: Watcher,
  pattern: string,
  sync: FuzzySync,
  attempts: number,
): void {
  const requestId = turn.state.nextRequestId++;
  const round = rounds[roundOf(sync)];
  turn.state.fuzzy.sent.set(requestId, new Map([[to, { kind: "sync", to, pattern, sync, round, attempts }]]));
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
    const pattern = readPattern(text);
    if ("failure" in pattern) return pattern;
    dropUnused(state);
    if (patterns.size >= state.options.fuzzyPatternsMax)
      return refusal(
        "fuzzyPatternsOverLimit",
        `fuzzy watch pattern over limit: at most ${state.options.fuzzyPatternsMax} patterns may be watched (nacos.naming.fuzzy.watch.max.pattern.count)`,
      );
    watched = { text, pattern, matched: new Set(), overLimit: true, watchers: new Map() };
    patterns.set(text, watched);
  }
  if (watched.overLimit) findMatches(state, watched);
  const watcher = watched.watchers.get(clientId) ?? { initialBatches: 0, rounds: { initial: 0, diff: 0 } };
  watched.watchers.set(clientId, watcher);
  // What an earlier round has not delivered is part of this one: a client that asks again and again is owed it once.
  watcher.rounds[initializing ? "initial" : "diff"]++;
  if (watched.overLimit)
    return refusal(
      "fuzzyMatchesOverLimit",
      `fuzzy watch match count over limit: more than ${state.options.fuzzyMatchesMax} services match ${text} (nacos.naming.fuzzy.watch.max.pattern.match.service.count)`,
    );
  const has = new Set(received);
  const contexts: { serviceKey: ServiceKey; changedType: ServiceChange }[] = [];
  for (const key of watched.matched) if (!has.has(key)) contexts.push({ serviceKey: key, changedType: "ADD_SERVICE" });
  // A client holds little more than it was told of. One that claims more is told of the rest when it reconciles next.
  let surplus = 0;
  for (const key of has) {
    if (watched.matched.has(key)) continue;
    if (++surplus > state.options.fuzzyMatchesMax) break;
    contexts.push({ serviceKey: key, changedType: "DELETE_SERVICE" });
  }
  const totalBatch = Math.ceil(contexts.length / BATCH_SIZE);
  if (initializing) watcher.initialBatches = totalBatch;
  const type = initializing ? "FUZZY_WATCH_INIT_NOTIFY" : "FUZZY_WATCH_DIFF_SYNC_NOTIFY";
  for (let batch = 0; batch < totalBatch; batch++)
    sendSync(
      turn,
      clientId,
      watcher,
      text,
      {
        type,
        contexts: contexts.slice(batch * BATCH_SIZE, (batch + 1) * BATCH_SIZE),
        totalBatch,
        currentBatch: batch + 1,
      },
      1,
    );
  if (initializing && totalBatch === 0)
    sendSync(turn, clientId, watcher, text, { type: "FINISH_FUZZY_WATCH_INIT_NOTIFY" }, 1);
  return undefined;
}

/** The pattern, or what is wrong with it. */
function readPattern(text: string): FuzzyPattern | Refusal {
  try {
    return parsePattern(text);
  } catch (err) {
    if (err instanceof RegistryError) return refusal(err.failure, err.message);
    throw err;
  }
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
      watched.matched.add(serviceKey({ namespace, group, name }));
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
  if (outdated(turn.state, message)) return true;
  if (outcome !== "acked" && message.attempts < ATTEMPTS_MAX) {
    turn.state.tasks.add(turn.now + turn.state.options.pushRetryMs, { type: "fuzzyRetry", message });
    return true;
  }
  if (message.kind === "change" || message.sync.type !== "FUZZY_WATCH_INIT_NOTIFY") return true;
  const watcher = patterns.get(message.pattern)?.watchers.get(clientId);
  if (watcher === undefined || watcher.initialBatches === 0) return true;
  watcher.initialBatches--;
  if (watcher.initialBatches === 0)
    sendSync(turn, clientId, watcher, message.pattern, { type: "FINISH_FUZZY_WATCH_INIT_NOTIFY" }, 1);
  return true;
}

/** Whether a later round of its watcher has taken the place of a sync message. */
function outdated(state: NamingState, message: FuzzyMessage): boolean {
  if (message.kind === "change") return false;
  const watcher = state.fuzzy.patterns.get(message.pattern)?.watchers.get(message.to);
  return watcher?.rounds[roundOf(message.sync)] !== message.round;
}

/** Sends a message again, with what is true by now: a change that it missed may have gone out since. */
export function retryFuzzy(turn: Turn, message: FuzzyMessage): void {
  const { state } = turn;
  const patterns = [...state.fuzzy.patterns.values()].filter((watched) => watched.watchers.has(message.to));
  const attempts = message.attempts + 1;
  if (message.kind === "change") {
    const { service, to } = message;
    if (patterns.some((watched) => matches(watched.pattern, service))) sendChange(turn, [to], service, attempts);
    return;
  }
  const watched = patterns.find(({ text }) => text === message.pattern);
  const watcher = watched?.watchers.get(message.to);
  if (watched === undefined || watcher === undefined || outdated(state, message)) return;
  const { sync, pattern, to } = message;
  if (sync.type === "FINISH_FUZZY_WATCH_INIT_NOTIFY") return sendSync(turn, to, watcher, pattern, sync, attempts);
  const contexts = sync.contexts.map((context) => ({
    ...context,
    changedType: watched.matched.has(context.serviceKey) ? ("ADD_SERVICE" as const) : ("DELETE_SERVICE" as const),
  }));
  sendSync(turn, to, watcher, pattern, { ...sync, contexts }, attempts);
}
