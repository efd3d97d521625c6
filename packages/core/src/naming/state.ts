import { type ServiceKey, type ServiceName, serviceKey, type TextMap } from "@nacre/protocol";
import { type FuzzyMessage, type FuzzyWatches, newFuzzyWatches } from "../fuzzy/state.ts";
import { Deadlines } from "../lib/deadlines.ts";
import { SmallMap } from "../lib/small-map.ts";
import type { SortedNames } from "../lib/sorted-names.ts";
import type { Millis } from "../lib/units.ts";
import { CauseJournal } from "./causes.ts";
import type { Effect } from "./events.ts";
import type { Asked } from "./left-behind.ts";
import { isOwn } from "./lives.ts";
import type { Client, ClientId, Entry, InstanceKey, Life, Publication, Service, Subscription } from "./model.ts";
import { NO_STORED_SWITCHES, type Switches } from "./switches.ts";
import { ViewCache } from "./view-cache.ts";

/** Bounds and times of naming. Each is an option of the server, where its reason stands. */
export interface NamingOptions {
  readonly servicesMax: number;
  readonly instancesMax: number;
  readonly subscriptionsPerClientMax: number;
  readonly metadataLengthMax: number;
  readonly journalMax: number;
  /** UTF-16 units of encoded lists kept for the next reader, over all services. */
  readonly viewCharsMax: number;
  readonly fuzzyPatternsMax: number;
  readonly fuzzyMatchesMax: number;
  readonly checkParams: boolean;
  readonly expireInstances: boolean;
  readonly emptyServiceMs: Millis;
  readonly expiredMetadataMs: Millis;
  readonly udpSubscriberMs: Millis;
  /** Whoever sends one HTTP call can name any address, so these are few. */
  readonly udpSubscriptionsMax: number;
  readonly pushRetryMs: Millis;
  readonly pushPauseMaxMs: Millis;
  /** The reference lets a threshold of 0 protect a service without one healthy instance; here 0 switches protection off. */
  readonly zeroThresholdProtects: boolean;
}

export const DEFAULT_NAMING_OPTIONS: NamingOptions = {
  servicesMax: 1_000_000,
  instancesMax: 5_000_000,
  subscriptionsPerClientMax: 50_000,
  metadataLengthMax: 1024,
  journalMax: 65_536,
  viewCharsMax: 64 * 1024 * 1024,
  fuzzyPatternsMax: 20,
  fuzzyMatchesMax: 500,
  checkParams: true,
  expireInstances: true,
  emptyServiceMs: 60_000,
  expiredMetadataMs: 600_000,
  udpSubscriberMs: 180_000,
  udpSubscriptionsMax: 10_000,
  pushRetryMs: 1_000,
  pushPauseMaxMs: 100,
  zeroThresholdProtects: false,
};

/** What naming has to look at again when its time comes. */
export type Task =
  | { readonly type: "push"; readonly service: Service }
  | { readonly type: "empty"; readonly service: Service }
  | { readonly type: "udp"; readonly subscription: Subscription }
  | { readonly type: "override"; readonly service: Service; readonly instance: InstanceKey }
  | { readonly type: "retry"; readonly service: Service }
  /** What a connection left behind when it ended is kept until then. */
  | { readonly type: "ended"; readonly client: Client }
  | { readonly type: "fuzzyRetry"; readonly message: FuzzyMessage };

export interface NamingState {
  readonly options: NamingOptions;
  /** Who owns what is published here: whoever has this very object. */
  readonly self: Life;
  /** Other lives of which something is or was held, by what is in them: a few per start of a member. */
  readonly lives: Map<string, Life>;
  /** Whether anybody wants to hear what clients publish: a member alone saves the telling. */
  tellsPeers: boolean;
  /** Address clients whose heartbeats are expected elsewhere than their owner says. */
  readonly beatsAt: Map<Client, "here" | "elsewhere">;
  /** Of copies that newer clients cover in part: an instance that they do not, so that the rest is not looked at. */
  readonly uncovered: Map<Client, Entry>;
  /** Clients of connections that ended because of a pause of this process: kept for the grace. */
  readonly ended: Map<Client, { readonly until: Millis; readonly cause: string }>;
  /** Of copies: instances that somebody deregistered while their owner has them. Done when that is lost; oldest first. */
  readonly asked: Map<Entry, Asked>;
  /** A copy of which slices have come, and not the last; and whether it is newer than what was held before. */
  incomplete: { readonly client: Client; readonly newer: boolean } | undefined;
  switches: Switches;
  /** As a store of before has them. */
  switchesInOneRow: boolean;
  labels: ReadonlyMap<string, TextMap>;
  readonly services: Map<ServiceKey, Service>;
  /** Listed services by namespace and group, in order. */
  readonly listed: Map<string, Map<string, SortedNames>>;
  readonly clients: Map<ClientId, Client>;
  instanceCount: number;
  subscriptionCount: number;
  udpSubscriptionCount: number;
  readonly journal: CauseJournal;
  readonly views: ViewCache;
  readonly fuzzy: FuzzyWatches;
  readonly tasks: Deadlines<Task>;
  readonly beats: Deadlines<Publication>;
  /** Heartbeats that are due and not yet looked at, oldest first. */
  readonly overdue: Publication[][];
  /** Pushes on their way, by request id. */
  readonly fanOuts: Map<number, { readonly service: Service; readonly changedAt: Millis; left: number }>;
  nextRequestId: number;
  /** Epoch milliseconds are `now + wallOffset`; renewed by every tick. */
  wallOffset: number;
  /** No service starts with a `lastRefTime` up to this: a client may hold it from a service that was removed. */
  lastRefFloor: number;
  lastTickAt: Millis | undefined;
  /** After a pause of the process nothing expires before this: what was said meanwhile is still in the sockets. */
  holdExpiryUntil: Millis;
  snowflake: { at: number; sequence: number };
  readonly pushes: { total: number; failed: number; empty: number };
}

export function newNaming(
  options: Partial<NamingOptions>,
  incarnation: number,
  wallOffset: number,
  memberId = "",
): NamingState {
  const all = { ...DEFAULT_NAMING_OPTIONS, ...options };
  return {
    options: all,
    self: { memberId, incarnation, shown: "asPublished" },
    lives: new Map(),
    tellsPeers: false,
    beatsAt: new Map(),
    uncovered: new Map(),
    ended: new Map(),
    asked: new Map(),
    incomplete: undefined,
    ...NO_STORED_SWITCHES,
    labels: new Map(),
    services: new Map(),
    listed: new Map(),
    clients: new Map(),
    instanceCount: 0,
    subscriptionCount: 0,
    udpSubscriptionCount: 0,
    journal: new CauseJournal(all.journalMax),
    views: new ViewCache(all.viewCharsMax),
    fuzzy: newFuzzyWatches(),
    tasks: new Deadlines(1),
    beats: new Deadlines(250),
    overdue: [],
    fanOuts: new Map(),
    nextRequestId: 1,
    wallOffset,
    lastRefFloor: 0,
    lastTickAt: undefined,
    holdExpiryUntil: 0,
    snowflake: { at: 0, sequence: 0 },
    pushes: { total: 0, failed: 0, empty: 0 },
  };
}

/** What of a client changed in one step; so many services are worth no list. */
export type ChangedServices = Set<ServiceName> | "many";
export const CHANGED_SERVICES_MAX = 64;

/** One step in progress: the state, the moment, the effects so far, and the services to push when the event is done. */
export interface Turn {
  readonly state: NamingState;
  readonly now: Millis;
  readonly effects: Effect[];
  /** Services to push when the event is done; made when there is the first. */
  ready: Set<Service> | undefined;
  /** Clients that publish something else than peers believe, and for which services; made when there is the first. */
  changed: Map<Client, ChangedServices> | undefined;
  /** Clients without a connection here of which an instance came to lie under another. */
  covered: Set<Client> | undefined;
}

export function newTurn(state: NamingState, now: Millis): Turn {
  return { state, now, effects: [], ready: undefined, changed: undefined, covered: undefined };
}

export function wallAt(state: NamingState, now: Millis): number {
  return Math.round(now + state.wallOffset);
}

export function findService(state: NamingState, name: ServiceName): Service | undefined {
  return state.services.get(serviceKey(name));
}

/**
 * The service, made when it is not there. It is listed only once something is published or an operator made it.
 *
 * @param held  what `findService` gave to whoever has asked it already.
 */
export function ensureService(
  turn: Turn,
  name: ServiceName,
  ephemeral: boolean,
  held: Service | undefined = findService(turn.state, name),
): Service {
  if (held !== undefined) return held;
  const { state, now } = turn;
  const key = serviceKey(name);
  const service: Service = {
    key,
    name,
    ephemeral,
    metadata: undefined,
    overrides: undefined,
    publications: new SmallMap(),
    hosts: new Map(),
    healthyCount: 0,
    subscribers: undefined,
    revision: 0,
    lastRefTime: Math.max(wallAt(state, now), state.lastRefFloor + 1),
    shown: false,
    listed: false,
    emptySince: now,
    emptyCheck: false,
    vanished: undefined,
    changes: 0,
    dirtySince: undefined,
    scheduledAt: undefined,
    pauseUntil: 0,
    viewMadeAt: undefined,
  };
  state.services.set(key, service);
  checkEmpty(state, service);
  return service;
}

/** A service whose last publisher or subscriber may just have gone: remember since when, and look again later. */
export function noteEmpty(turn: Turn, service: Service): void {
  if (!isEmpty(service)) return;
  service.emptySince = turn.now;
  checkEmpty(turn.state, service);
}

/** One look per service is on its way at most, however often it becomes empty. */
function checkEmpty(state: NamingState, service: Service): void {
  if (service.emptyCheck) return;
  service.emptyCheck = true;
  state.tasks.add(service.emptySince + state.options.emptyServiceMs, { type: "empty", service });
}

function isEmpty(service: Service): boolean {
  return service.publications.size === 0 && (service.subscribers?.size ?? 0) === 0;
}

/** Removes a service that has been empty for long enough; one that an operator made or edited stays. */
export function removeIfEmpty(turn: Turn, service: Service): void {
  const { state, now } = turn;
  service.emptyCheck = false;
  if (!isEmpty(service) || service.metadata !== undefined || service.overrides !== undefined) return;
  if (state.services.get(service.key) !== service) return;
  if (now - service.emptySince < state.options.emptyServiceMs) checkEmpty(state, service);
  else forgetService(state, service);
}

export function forgetService(state: NamingState, service: Service): void {
  state.lastRefFloor = Math.max(state.lastRefFloor, service.lastRefTime);
  state.services.delete(service.key);
  state.views.drop(service);
}

/** A client that neither publishes nor subscribes any more is forgotten, unless it has a connection here. */
export function forgetIdle(state: NamingState, client: Client): void {
  if (client.publications.size > 0 || client.kind === "persistent") return;
  if (client.kind === "connection" && isOwn(state, client)) return;
  // What it subscribes, it subscribes here.
  if ((client.subscriptions?.size ?? 0) > 0) client.life = state.self;
  else forgetClient(state, client);
}

export function forgetClient(state: NamingState, client: Client): void {
  state.beatsAt.delete(client);
  state.uncovered.delete(client);
  // An old heartbeat check may still hold a client that was forgotten before and has come back as another since.
  if (state.clients.get(client.id) === client) state.clients.delete(client.id);
}
