import type { ConfigName } from "@nacre/protocol";
import { type Refusal, refusal } from "../lib/refusal.ts";
import type { ConfigCommand } from "./commands.ts";
import { answer, type Entry, store } from "./entry.ts";
import type { Capacity, CapacityScope } from "./model.ts";
import { ROW } from "./rows.ts";
import type { ConfigState, Turn } from "./state.ts";

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

export function capacityOf(state: ConfigState, scope: CapacityScope): EffectiveCapacity {
  const { counts, options } = state;
  const set = state.capacities.get(scopeKey(scope));
  const [usage, quota] =
    "namespace" in scope
      ? [counts.byNamespace.get(scope.namespace), options.namespaceQuota]
      : [counts.byGroup.get(scope.group), options.groupQuota];
  return {
    quota: set?.quota || quota,
    maxBytes: set?.maxBytes || options.capacityBytesMax,
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
 */
export function capacityRefused(state: ConfigState, loads: readonly Load[]): Refusal | undefined {
  const { counts, options } = state;
  if (!options.enforceCapacity) return undefined;
  const added = new Map<string, number>();
  let total = counts.total;
  for (const { name, bytes, added: isNew } of loads) {
    const scopes: CapacityScope[] = [{ namespace: name.namespace }];
    if (state.capacities.has(scopeKey({ group: name.group }))) scopes.push({ group: name.group });
    for (const scope of scopes) {
      const { maxBytes } = capacityOf(state, scope);
      if (bytes > maxBytes)
        return refusal(
          "contentOverSize",
          `the content of '${name.dataId}' has ${bytes} bytes, and ${show(scope)} allows ${maxBytes}; raise its maxSize or 'defaultMaxSize'`,
        );
    }
    if (!isNew) continue;
    total += 1;
    if (total > options.clusterQuota)
      return refusal(
        "clusterQuota",
        `all namespaces together may hold ${options.clusterQuota} configurations (defaultClusterQuota)`,
      );
    for (const scope of scopes) {
      const { usage, quota } = capacityOf(state, scope);
      const more = (added.get(scopeKey(scope)) ?? 0) + 1;
      added.set(scopeKey(scope), more);
      if (usage + more > quota)
        return "namespace" in scope
          ? refusal(
              "namespaceQuota",
              `${show(scope)} may hold ${quota} configurations; raise its quota or 'defaultTenantQuota'`,
            )
          : refusal(
              "groupQuota",
              `${show(scope)} may hold ${quota} configurations; raise its quota or 'defaultGroupQuota'`,
            );
    }
  }
  return undefined;
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
