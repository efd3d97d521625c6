import { type ConfigKey, type ConfigName, type ConfigType, configKey } from "@nacre/protocol";
import { type FuzzyMessage, type FuzzyWatches, newFuzzyWatches } from "../fuzzy/state.ts";
import { Deadlines } from "../lib/deadlines.ts";
import type { Millis } from "../lib/units.ts";
import type { Effect } from "./events.ts";
import { NO_GRAYS } from "./gray.ts";
import type { Capacity, ClientId, ConfigClient, Item, Listener, Namespace, NoticePush, Poll } from "./model.ts";

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
  /** A client that acknowledged a notice and did not fetch is told again after so long, then twice, then three times as long. */
  readonly remindMs: Millis;
  readonly remindersMax: number;
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
  remindMs: 10_000,
  remindersMax: 3,
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
  | { readonly type: "flush" }
  | { readonly type: "notifyRetry"; readonly listener: Listener }
  | { readonly type: "remind"; readonly item: Item }
  | { readonly type: "fuzzyRetry"; readonly message: FuzzyMessage }
  | { readonly type: "pollEnd"; readonly poll: Poll };

/**
 * Notices and answers of polls that one step may cause: a message to a connection costs the shell up to 0.05 ms, so
 * that ten thousand at once would keep it from everything else for half a second. What is left follows with the next
 * tick, a few milliseconds later.
 */
export const RECEIVERS_MAX = 250;

export interface ConfigState {
  readonly options: ConfigOptions;
  readonly receiversMax: number;
  // What is durable is exchanged as a whole when a snapshot takes its place (`replace.ts`).
  items: Map<ConfigKey, Item>;
  /** Formal versions, altogether, by namespace and by group in whatever namespace. */
  counts: {
    total: number;
    readonly byNamespace: Map<string, number>;
    readonly byGroup: Map<string, number>;
    /** Items that have any version, formal or gray. */
    items: number;
    /** Items without a formal version that have gray ones, by namespace. */
    readonly grayOnly: Map<string, number>;
  };
  /** Namespaces and groups, each kept once for all items that have it. */
  readonly words: Map<string, string>;
  namespaces: Map<string, Namespace>;
  capacities: Map<string, Capacity>;
  /** Of imports that are not committed yet, by their id: what commit needs to know of each staged item, in order. */
  staged: Map<string, Staged>;
  /** Connections that listen to something. */
  readonly clients: Map<ClientId, ConfigClient>;
  listenerCount: number;
  readonly polls: Map<number, Poll>;
  pollLineCount: number;
  /** Notices on their way, by request id. */
  readonly notices: Map<number, NoticePush>;
  /** Items for which a `remind` task is set. */
  readonly reminding: Set<Item>;
  /** Listeners whose notice is to be sent next, by what changed; one may be settled by the time it is its turn. */
  readonly unsent: Map<Item, Listener[]>;
  /** Held polls that are to be answered next. */
  readonly answerable: Set<Poll>;
  /**
   * Items that changed, and whether each had a formal version before: who waits for them is looked up next. At most the
   * items of the entries that were applied since.
   */
  readonly unnoted: Map<Item, boolean>;
  /** Whether a task for the rest of `unnoted`, `unsent` and `answerable` waits. */
  flushing: boolean;
  readonly fuzzy: FuzzyWatches;
  readonly tasks: Deadlines<Task>;
  nextRequestId: number;
  /** By receiver. `failed`: unanswered, refused or not taken; each is sent again, unless it was the last (`givenUp`). */
  readonly notifications: { sent: number; acked: number; failed: number; givenUp: number };
}

/** Of a staged item, everything but its content. */
export interface StagedHead {
  readonly name: ConfigName;
  readonly md5: string;
  readonly bytes: number;
  readonly encryptedDataKey: string;
  readonly type: ConfigType | undefined;
}

/** With what is made ready batch by batch rather than for all items at their commit: its name is that of an item. */
export interface StagedItemHead extends StagedHead {
  readonly key: ConfigKey;
  /** Whether the import has one of that name before it. */
  readonly repeats: boolean;
}

/** An import that is not committed yet. */
export interface Staged {
  readonly heads: StagedItemHead[];
  readonly keys: Set<ConfigKey>;
}

/** Request ids of configuration start here: those of naming count from 1, those of connections from 10^15. */
const FIRST_REQUEST_ID = 2_000_000_000_000_000;

export function newConfig(options: Partial<ConfigOptions> = {}, receiversMax = RECEIVERS_MAX): ConfigState {
  return {
    options: { ...DEFAULT_CONFIG_OPTIONS, ...options },
    receiversMax,
    items: new Map(),
    counts: { total: 0, byNamespace: new Map(), byGroup: new Map(), items: 0, grayOnly: new Map() },
    words: new Map(),
    namespaces: new Map(),
    capacities: new Map(),
    staged: new Map(),
    clients: new Map(),
    listenerCount: 0,
    polls: new Map(),
    pollLineCount: 0,
    notices: new Map(),
    reminding: new Set(),
    unsent: new Map(),
    answerable: new Set(),
    unnoted: new Map(),
    flushing: false,
    fuzzy: newFuzzyWatches(),
    tasks: new Deadlines(5),
    nextRequestId: FIRST_REQUEST_ID,
    notifications: { sent: 0, acked: 0, failed: 0, givenUp: 0 },
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
  return state.items.get(key) ?? addItem(state, key, ownName(state, name));
}

/** @param name  of `ownName`. */
export function addItem(state: ConfigState, key: ConfigKey, name: ConfigName): Item {
  const item: Item = { key, name, id: 0, formal: undefined, grays: NO_GRAYS, listeners: undefined, polls: undefined };
  state.items.set(key, item);
  return item;
}

/** The name with words that are kept once for all items. */
export function ownName(state: ConfigState, { namespace, group, dataId }: ConfigName): ConfigName {
  return { namespace: word(state, namespace), group: word(state, group), dataId };
}

/** Names that nobody uses any more are let go with all others at this bound, which costs no more than the sharing. */
const WORDS_MAX = 10_000;

function word({ words }: ConfigState, text: string): string {
  const held = words.get(text);
  if (held !== undefined) return held;
  if (words.size >= WORDS_MAX) words.clear();
  words.set(text, text);
  return text;
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
