import { type ConfigKey, type ConfigName, type ConfigType, configKey } from "@nacre/protocol";
import { Deadlines } from "../lib/deadlines.ts";
import type { Millis } from "../lib/units.ts";
import type { Effect } from "./events.ts";
import type { Capacity, ClientId, Item, Listener, Namespace, Poll } from "./model.ts";

/** Bounds and times of configuration. Each is an option of the server, where its reason stands. */
export interface ConfigOptions {
  readonly configsMax: number;
  /** UTF-8 bytes of one content. */
  readonly contentBytesMax: number;
  readonly grayVersionsMax: number;
  readonly namespacesMax: number;
  readonly listenersPerClientMax: number;
  readonly listenersMax: number;
  readonly pollsMax: number;
  /** Lines of all held polls together. */
  readonly pollLinesMax: number;
  readonly notifyTimeoutMs: Millis;
  /** The n-th repetition of a notice waits n times as long. */
  readonly notifyRetryMs: Millis;
  readonly notifyAttemptsMax: number;
  readonly fuzzyPatternsMax: number;
  readonly fuzzyMatchesMax: number;
  readonly checkParams: boolean;
  /** Whether quotas and sizes of capacities are enforced. */
  readonly enforceCapacity: boolean;
  readonly namespaceQuota: number;
  readonly groupQuota: number;
  readonly clusterQuota: number;
  /** Bytes of a content under an enforced capacity. */
  readonly capacityBytesMax: number;
}

export const DEFAULT_CONFIG_OPTIONS: ConfigOptions = {
  configsMax: 1_000_000,
  contentBytesMax: 10 * 1024 * 1024,
  grayVersionsMax: 10,
  namespacesMax: 10_000,
  listenersPerClientMax: 50_000,
  listenersMax: 2_000_000,
  pollsMax: 50_000,
  pollLinesMax: 2_000_000,
  notifyTimeoutMs: 3_000,
  notifyRetryMs: 2_000,
  notifyAttemptsMax: 50,
  fuzzyPatternsMax: 20,
  fuzzyMatchesMax: 500,
  checkParams: true,
  enforceCapacity: false,
  namespaceQuota: 200,
  groupQuota: 200,
  clusterQuota: 100_000,
  capacityBytesMax: 100 * 1024,
};

/** What configuration has to look at again when its time comes. */
export type Task =
  | { readonly type: "notifyRetry"; readonly listener: Listener }
  | { readonly type: "pollEnd"; readonly poll: Poll };

export interface ConfigState {
  readonly options: ConfigOptions;
  readonly items: Map<ConfigKey, Item>;
  /** Formal versions, altogether, by namespace and by group in whatever namespace. */
  readonly counts: { total: number; readonly byNamespace: Map<string, number>; readonly byGroup: Map<string, number> };
  readonly namespaces: Map<string, Namespace>;
  readonly capacities: Map<string, Capacity>;
  /** Of imports that are not committed yet, by their id: what commit needs to know of each staged item, in order. */
  readonly staged: Map<string, StagedHead[]>;
  readonly listenersByClient: Map<ClientId, Map<Item, Listener>>;
  listenerCount: number;
  readonly polls: Map<number, Poll>;
  pollLineCount: number;
  /** Notices on their way, by request id: whom they went to. */
  readonly notices: Map<number, Map<ClientId, Listener>>;
  readonly tasks: Deadlines<Task>;
  nextRequestId: number;
  readonly notifications: { sent: number; acked: number; failed: number };
}

/** Of a staged item, everything but its content. */
export interface StagedHead {
  readonly name: ConfigName;
  readonly md5: string;
  readonly bytes: number;
  readonly encryptedDataKey: string;
  readonly type: ConfigType | undefined;
}

/** Request ids of configuration start here: those of naming count from 1, those of connections from 10^15. */
const FIRST_REQUEST_ID = 2_000_000_000_000_000;

export function newConfig(options: Partial<ConfigOptions> = {}): ConfigState {
  return {
    options: { ...DEFAULT_CONFIG_OPTIONS, ...options },
    items: new Map(),
    counts: { total: 0, byNamespace: new Map(), byGroup: new Map() },
    namespaces: new Map(),
    capacities: new Map(),
    staged: new Map(),
    listenersByClient: new Map(),
    listenerCount: 0,
    polls: new Map(),
    pollLineCount: 0,
    notices: new Map(),
    tasks: new Deadlines(5),
    nextRequestId: FIRST_REQUEST_ID,
    notifications: { sent: 0, acked: 0, failed: 0 },
  };
}

/** One step in progress: the state, the moment, and the effects so far. */
export interface Turn {
  readonly state: ConfigState;
  readonly now: Millis;
  readonly effects: Effect[];
}

export function findItem(state: ConfigState, name: ConfigName): Item | undefined {
  return state.items.get(configKey(name));
}

/** The item of a name, made when it is not there: to be written, or to be listened to before it exists. */
export function ensureItem(state: ConfigState, name: ConfigName): Item {
  const key = configKey(name);
  const held = state.items.get(key);
  if (held !== undefined) return held;
  const item: Item = { key, name, id: 0, formal: undefined, grays: [], listeners: undefined, polls: undefined };
  state.items.set(key, item);
  return item;
}

/** Forgets an item that has no version and that nobody listens to. */
export function forgetIfUnused(state: ConfigState, item: Item): void {
  const used =
    item.formal !== undefined ||
    item.grays.length > 0 ||
    (item.listeners?.size ?? 0) > 0 ||
    (item.polls?.size ?? 0) > 0;
  if (!used && state.items.get(item.key) === item) state.items.delete(item.key);
}
