import type { ConfigName } from "@nacre/protocol";
import { type Refusal, refusal } from "../lib/refusal.ts";
import type { CapacityDefaults, ConfigCommand } from "./commands.ts";
import { answer, type Entry, store } from "./entry.ts";
import type { Capacity, CapacityScope } from "./model.ts";
import { ROW } from "./rows.ts";
import type { ConfigOptions, ConfigState, Turn } from "./state.ts";

type SetCapacity = Extract<ConfigCommand, { type: "setCapacity" }>;

const LIMITS = ["quota", "maxBytes", "maxAggrCount", "maxAggrSize"] as const;
/** Shown and stored for those who read them; nothing is aggregated. */
const AGGR_COUNT_MAX = 10_000;
const AGGR_SIZE_MAX = 1024;
/** Largest number the columns of other databases hold. */
const LIMIT_MAX = 2_147_483_647;

/** What counts for a scope: as set, else the defaults of the options, with how many configurations it holds. */
export interface EffectiveCapacity extends Capacity {
  readonly usage: number;
}

/** A content that is about to be written. `added`: a formal version where there is none. */
export interface Load {
  readonly name: ConfigName;
  readonly bytes: number;
  readonly added: boolean;
}

export function scopeKey(scope: CapacityScope): string {
  return "namespace" in scope ? `namespace:${scope.namespace}` : `group:${scope.group}`;
}

/**
 * The command with the defaults that this member enforces, where it does: members may be started with other options, and
 * have to decide alike (G13).
 */
export function withCapacity(options: ConfigOptions, command: ConfigCommand): ConfigCommand {
  const { enforceCapacity, namespaceQuota, groupQuota, clusterQuota, capacityBytesMax } = options;
  if (!enforceCapacity || (command.type !== "publishConfig" && command.type !== "commitConfigs")) return command;
  return { ...command, capacity: { namespaceQuota, groupQuota, clusterQuota, capacityBytesMax } };
}

/** @param defaults  of this member, or those that a command brings. */
export function capacityOf(
  state: ConfigState,
  scope: CapacityScope,
  defaults: CapacityDefaults = state.options,
): EffectiveCapacity {
  const { counts } = state;
  const set = state.capacities.get(scopeKey(scope));
  const [usage, quota] =
    "namespace" in scope
      ? [counts.byNamespace.get(scope.namespace), defaults.namespaceQuota]
      : [counts.byGroup.get(scope.group), defaults.groupQuota];
  return {
    quota: set?.quota || quota,
    maxBytes: set?.maxBytes || defaults.capacityBytesMax,
    maxAggrCount: set?.maxAggrCount || AGGR_COUNT_MAX,
    maxAggrSize: set?.maxAggrSize || AGGR_SIZE_MAX,
    createdAt: set?.createdAt ?? 0,
    modifiedAt: set?.modifiedAt ?? 0,
    usage: usage ?? 0,
  };
}

/**
 * Whether these contents fit, together. The limits of a group hold only where an operator has set some: a group such as
 * `DEFAULT_GROUP` is shared by all namespaces, and each of those has limits already.
 *
 * @param defaults  of `withCapacity`; undefined when nothing is enforced.
 */
export function capacityRefused(
  state: ConfigState,
  defaults: CapacityDefaults | undefined,
  loads: Iterable<Load>,
): Refusal | undefined {
  if (defaults === undefined) return undefined;
  const rooms = new Rooms(state, defaults);
  let { total } = state.counts;
  for (const { name, bytes, added } of loads) {
    const namespace = rooms.ofNamespace(name.namespace);
    const group = rooms.ofGroup(name.group);
    const refused = bytesRefused(namespace, name, bytes) ?? (group && bytesRefused(group, name, bytes));
    if (refused !== undefined) return refused;
    if (!added) continue;
    total += 1;
    if (total > defaults.clusterQuota)
      return refusal(
        "clusterQuota",
        `all namespaces together may hold ${defaults.clusterQuota} configurations (defaultClusterQuota)`,
      );
    const full = quotaRefused(namespace) ?? (group && quotaRefused(group));
    if (full !== undefined) return full;
  }
  return undefined;
}

/** A scope while contents are counted that are about to be written. */
interface Room {
  readonly scope: CapacityScope;
  readonly maxBytes: number;
  readonly quota: number;
  usage: number;
}

/** Each scope is looked up once: an import of ten thousand items is asked about in one step. */
class Rooms {
  readonly #state: ConfigState;
  readonly #defaults: CapacityDefaults;
  readonly #namespaces = new Map<string, Room>();
  /** Undefined for a group without limits of its own. */
  readonly #groups = new Map<string, Room | undefined>();

  constructor(state: ConfigState, defaults: CapacityDefaults) {
    this.#state = state;
    this.#defaults = defaults;
  }

  ofNamespace(namespace: string): Room {
    let room = this.#namespaces.get(namespace);
    if (room === undefined) {
      room = this.#room({ namespace });
      this.#namespaces.set(namespace, room);
    }
    return room;
  }

  ofGroup(group: string): Room | undefined {
    if (this.#groups.has(group)) return this.#groups.get(group);
    const room = this.#state.capacities.has(scopeKey({ group })) ? this.#room({ group }) : undefined;
    this.#groups.set(group, room);
    return room;
  }

  #room(scope: CapacityScope): Room {
    const { maxBytes, quota, usage } = capacityOf(this.#state, scope, this.#defaults);
    return { scope, maxBytes, quota, usage };
  }
}

function bytesRefused({ scope, maxBytes }: Room, { dataId }: ConfigName, bytes: number): Refusal | undefined {
  return bytes > maxBytes
    ? refusal(
        "contentOverSize",
        `the content of '${dataId}' has ${bytes} bytes, and ${show(scope)} allows ${maxBytes}; raise its maxSize or 'defaultMaxSize'`,
      )
    : undefined;
}

function quotaRefused(room: Room): Refusal | undefined {
  const { scope, quota } = room;
  room.usage += 1;
  if (room.usage <= quota) return undefined;
  const [failure, option] =
    "namespace" in scope
      ? (["namespaceQuota", "defaultTenantQuota"] as const)
      : (["groupQuota", "defaultGroupQuota"] as const);
  return refusal(failure, `${show(scope)} may hold ${quota} configurations; raise its quota or '${option}'`);
}

export function setCapacityRefused(command: SetCapacity): Refusal | undefined {
  if (LIMITS.every((limit) => command[limit] === undefined))
    return refusal("parameterMissing", "one of quota, maxSize, maxAggrCount and maxAggrSize is required");
  for (const limit of LIMITS) {
    const value = command[limit];
    if (value !== undefined && !(Number.isInteger(value) && value >= 0 && value <= LIMIT_MAX))
      return refusal(
        "invalidParameter",
        `${limit === "maxBytes" ? "maxSize" : limit} must be a whole number from 0 (the default) to ${LIMIT_MAX}`,
      );
  }
  return undefined;
}

export function setCapacity(turn: Turn, { at }: Entry, command: SetCapacity): void {
  const key = scopeKey(command.scope);
  const held = turn.state.capacities.get(key);
  const capacity: Capacity = {
    quota: command.quota ?? held?.quota ?? 0,
    maxBytes: command.maxBytes ?? held?.maxBytes ?? 0,
    maxAggrCount: command.maxAggrCount ?? held?.maxAggrCount ?? 0,
    maxAggrSize: command.maxAggrSize ?? held?.maxAggrSize ?? 0,
    createdAt: held?.createdAt ?? at,
    modifiedAt: at,
  };
  turn.state.capacities.set(key, capacity);
  store(turn, ROW.capacity, key, capacity);
  answer(turn, { type: "done" });
}

function show(scope: CapacityScope): string {
  return "namespace" in scope ? `namespace '${scope.namespace}'` : `group '${scope.group}'`;
}
