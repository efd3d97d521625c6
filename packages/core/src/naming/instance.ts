import {
  clusterOf,
  groupedName,
  metadataBroken,
  portBroken,
  ruleBroken,
  type ServiceName,
  type TextMap,
} from "@nacre/protocol";
import type { PublishedInstance } from "../distro/model.ts";
import { addToSet, hashNumber, hashText } from "../lib/hash.ts";
import { type Refusal, refusal } from "../lib/refusal.ts";
import type { Millis } from "../lib/units.ts";
import type { InstanceInput } from "./events.ts";
import type { Instance, InstanceKey, Override } from "./model.ts";

export const HEARTBEAT = { intervalMs: 5_000, timeoutMs: 15_000, deleteMs: 30_000 } as const;
export const WEIGHT_MAX = 10_000;

/** Shared by all who have none. */
const NO_METADATA: TextMap = Object.freeze({});

const KEY = {
  interval: "preserved.heart.beat.interval",
  timeout: "preserved.heart.beat.timeout",
  remove: "preserved.ip.delete.timeout",
  idGenerator: "preserved.instance.id.generator",
} as const;

export function instanceKey(instance: { ip: string; port: number; cluster: string }): InstanceKey {
  return `${instance.ip}:${instance.port}:${instance.cluster}`;
}

/** The key that an instance will have once it is published. */
export function inputKey(input: Pick<InstanceInput, "ip" | "port" | "clusterName">): InstanceKey {
  return `${input.ip.trim()}:${input.port}:${clusterOf(input.clusterName)}`;
}

/** `ip#port#cluster#group@@name`, or the id the client or the snowflake generator gave. */
export function instanceIdOf(service: ServiceName, instance: Instance): string {
  return instance.instanceId ?? `${instance.ip}#${instance.port}#${instance.cluster}#${groupedName(service)}`;
}

/** Heartbeat times of an instance; a preserved metadata key that is not a positive number counts as absent. */
export function heartbeatOf(metadata: TextMap): { intervalMs: Millis; timeoutMs: Millis; deleteMs: Millis } {
  return {
    intervalMs: milliseconds(metadata, KEY.interval, HEARTBEAT.intervalMs),
    timeoutMs: milliseconds(metadata, KEY.timeout, HEARTBEAT.timeoutMs),
    deleteMs: milliseconds(metadata, KEY.remove, HEARTBEAT.deleteMs),
  };
}

function milliseconds(metadata: TextMap, key: string, otherwise: Millis): Millis {
  if (!Object.hasOwn(metadata, key)) return otherwise;
  const value = Number(metadata[key]);
  return Number.isSafeInteger(value) && value > 0 ? value : otherwise;
}

/** The generator that the metadata names, `simple` when none is. */
export function idGeneratorOf(metadata: TextMap): string {
  return Object.hasOwn(metadata, KEY.idGenerator) ? (metadata[KEY.idGenerator] as string) : "simple";
}

/** Why an instance cannot be published, or undefined. Weights are checked on every wire, not on HTTP alone. */
export function instanceRefused(
  input: InstanceInput,
  limits: { metadataLengthMax: number; checkParams: boolean },
): Refusal | undefined {
  if (input.ip.trim() === "") return refusal("parameterMissing", "Param 'ip' is required.");
  const cluster = clusterOf(input.clusterName);
  const broken =
    portBroken(input.port) ??
    (limits.checkParams
      ? (ruleBroken("ip", input.ip) ??
        ruleBroken("cluster", cluster) ??
        metadataBroken(input.metadata, limits.metadataLengthMax))
      : undefined);
  if (broken !== undefined) return refusal("invalidParameter", broken);
  if (!(input.weight >= 0 && input.weight <= WEIGHT_MAX))
    return refusal("weightError", "instance format invalid: The weights range from 0.0 to 10000.0");
  if (!/^[0-9a-zA-Z-]+$/.test(cluster))
    return refusal(
      "instanceError",
      `Instance 'clusterName' should be characters with only 0-9a-zA-Z-. (current: ${cluster})`,
    );
  const beat = heartbeatOf(input.metadata);
  if (beat.intervalMs > beat.timeoutMs || beat.intervalMs > beat.deleteMs)
    return refusal(
      "instanceError",
      "Instance 'heart beat interval' must less than 'heart beat timeout' and 'ip delete timeout'.",
    );
  const generator = idGeneratorOf(input.metadata);
  if (generator !== "simple" && generator !== "snowflake")
    return refusal(
      "instanceError",
      `Param 'metadata' names the instance id generator '${generator}', known are simple and snowflake.`,
    );
  return undefined;
}

/**
 * The instance as it is kept. `snowflake` gives the id of that generator, and is only asked for when it is needed.
 *
 * @param like  an instance that this one may resemble: what both have in common is kept once.
 */
export function instanceOf(
  service: ServiceName,
  input: InstanceInput,
  ephemeral: boolean,
  snowflake: () => string,
  like?: Instance,
): Instance {
  const given = input.ip.trim();
  const ip = like?.ip === given ? like.ip : given;
  const wanted = clusterOf(input.clusterName);
  const cluster = like?.cluster === wanted ? like.cluster : wanted;
  let instanceId: string | undefined = input.instanceId;
  if (instanceId === "" || instanceId === `${ip}#${input.port}#${cluster}#${groupedName(service)}`)
    instanceId =
      idGeneratorOf(input.metadata) === "snowflake" ? `${snowflake()}#${cluster}#${groupedName(service)}` : undefined;
  return withHash({
    ip,
    port: input.port,
    weight: input.weight,
    healthy: input.healthy,
    enabled: input.enabled,
    ephemeral,
    cluster,
    metadata: sharedText(input.metadata, like?.metadata),
    instanceId,
  });
}

/** An instance as another member publishes it: checked there, and given its id there. */
export function copiedInstance(published: PublishedInstance, like?: Instance): Instance {
  const { ip, port, weight, healthy, enabled, cluster, metadata, instanceId } = published;
  return withHash({
    ip: like?.ip === ip ? like.ip : ip,
    port,
    weight,
    healthy,
    enabled,
    ephemeral: true,
    cluster: like?.cluster === cluster ? like.cluster : cluster,
    metadata: sharedText(metadata, like?.metadata),
    instanceId,
  });
}

export function withHealth(instance: Instance, healthy: boolean): Instance {
  return instance.healthy === healthy ? instance : withHash({ ...instance, healthy });
}

function sharedText(text: TextMap, like: TextMap | undefined): TextMap {
  const keys = Object.keys(text);
  if (keys.length === 0) return NO_METADATA;
  if (like === undefined) return text;
  // In the order of its keys too, because that is how it will be written.
  const theirs = Object.keys(like);
  if (keys.length !== theirs.length) return text;
  return keys.every((key, at) => theirs[at] === key && like[key] === text[key]) ? like : text;
}

/** Takes a whole instance too, and puts a new hash in the place of its old one. */
function withHash(content: Omit<Instance, "hash">): Instance {
  // No address holds a null character, so that no two instances can write the same text.
  let hash = hashText(
    `${content.ip}\0${content.port}\0${content.cluster}\0${content.weight}\0${content.instanceId ?? ""}`,
  );
  hash = hashNumber((content.healthy ? 1 : 0) | (content.enabled ? 2 : 0) | (content.ephemeral ? 4 : 0), hash);
  let metadata = 0;
  // A set hash: two clients may write the same entries in another order.
  // The length tells `ab=c` from `a=bc`.
  for (const key of Object.keys(content.metadata))
    metadata = addToSet(metadata, hashText(content.metadata[key] as string, hashNumber(key.length, hashText(key))));
  const { ip, port, weight, healthy, enabled, ephemeral, cluster, instanceId } = content;
  // Written out: what is added to a spread object lies in a second one. With its sign, a hash needs no object either.
  return {
    ip,
    port,
    weight,
    healthy,
    enabled,
    ephemeral,
    cluster,
    metadata: content.metadata,
    instanceId,
    hash: hashNumber(metadata, hash) | 0,
  };
}

/** Equal in everything a consumer can see; the hash decides quickly, the fields decide truly. */
export function sameInstance(a: Instance, b: Instance): boolean {
  return (
    a.hash === b.hash &&
    a.ip === b.ip &&
    a.port === b.port &&
    a.cluster === b.cluster &&
    a.weight === b.weight &&
    a.healthy === b.healthy &&
    a.enabled === b.enabled &&
    a.ephemeral === b.ephemeral &&
    a.instanceId === b.instanceId &&
    sameText(a.metadata, b.metadata)
  );
}

export function sameText(a: TextMap, b: TextMap): boolean {
  if (a === b) return true;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key]);
}

/** What consumers see once an operator's record is laid over the instance. */
export function overridden(instance: Instance, override: Override | undefined): Instance {
  if (override === undefined) return instance;
  return withHash({
    ...instance,
    weight: override.weight ?? instance.weight,
    enabled: override.enabled ?? instance.enabled,
    metadata: mergedText(instance.metadata, override.metadata),
  });
}

export function mergedText(under: TextMap, over: TextMap): TextMap {
  // fromEntries defines properties, so a key such as __proto__ stays an ordinary one; spreading would too, assigning would not.
  return Object.keys(over).length === 0
    ? under
    : Object.fromEntries([...Object.entries(under), ...Object.entries(over)]);
}
