import type { ServiceName } from "@nacre/protocol";
import { checkSkipped } from "../health/checker.ts";
import { targetKey } from "../health/state.ts";
import { SmallMap } from "../lib/small-map.ts";
import { changeHealth } from "./beats.ts";
import type { HealthChange } from "./commands.ts";
import type { InstanceInput } from "./events.ts";
import { instanceKey, overridden } from "./instance.ts";
import type { Client, ClientId, ClusterMetadata, Entry, Instance, Service } from "./model.ts";
import { publish, type Removal, snowflakeOf, withdraw } from "./publish.ts";
import { ROW, rowKey, store } from "./rows.ts";
import { findService, type NamingState, type Turn, wallAt } from "./state.ts";

/** Persistent instances: published through the log, kept in rows, checked by the server. */

export const DEFAULT_CLUSTER_METADATA: ClusterMetadata = {
  healthChecker: { type: "TCP" },
  healthyCheckPort: 80,
  useInstancePort: true,
  metadata: {},
};

export function persistentId(ip: string, port: number): ClientId {
  return `${ip.trim()}:${port}#false`;
}

/** The client that publishes at this address, made when it is not there; it is not yet in the table of clients. */
export function persistentClient(state: NamingState, at: { ip: string; port: number }, now: number): Client {
  const id = persistentId(at.ip, at.port);
  return (
    state.clients.get(id) ?? {
      id,
      kind: "persistent",
      life: state.self,
      counter: 0,
      contentHash: 0,
      ip: at.ip.trim(),
      port: at.port,
      app: "",
      agent: "",
      createdAt: wallAt(state, now),
      activeAt: now,
      publications: new SmallMap(),
      subscriptions: undefined,
    }
  );
}

/** Whether the service is one for persistent instances by what is durable alone. */
export function holdsPersistent(service: Service): boolean {
  for (const client of service.publications.keys()) if (client.kind === "persistent") return true;
  return false;
}

/** @param entry  where the registration stands in the log: a generated id derives from it, equal on every member. */
export function registerPersistent(
  turn: Turn,
  name: ServiceName,
  input: InstanceInput,
  from: string,
  { index, at }: { index: number; at: number },
): void {
  const published = putPersistent(turn, name, input, from, () => snowflakeOf(at, index & 0x3fffff));
  if (published !== undefined)
    store(turn, ROW.persistent, persistentRowKey(published), persistentRow(published.instance));
}

/** An instance as it comes out of the log or out of its row. */
export function putPersistent(
  turn: Turn,
  name: ServiceName,
  input: InstanceInput,
  from: string,
  newId: () => string,
): Entry | undefined {
  const { state } = turn;
  const client = persistentClient(state, input, turn.now);
  state.clients.set(client.id, client);
  const publication = publish(turn, client, name, findService(state, name), [input], from, newId);
  const published = publication?.entries[0];
  if (publication === undefined || published === undefined) return undefined;
  // The log decides, also when an ephemeral registration came between the proposal and this.
  publication.service.ephemeral = false;
  track(turn, published);
  return published;
}

export function deregisterPersistent(turn: Turn, name: ServiceName, clientId: ClientId, from: string): void {
  const service = findService(turn.state, name);
  if (service === undefined || !dropPersistent(turn, service, clientId, { cause: "deregistered", from, detail: "" }))
    return;
  store(turn, ROW.persistent, rowKey(service.key, clientId), undefined);
}

/** @returns whether there was anything to drop. */
export function dropPersistent(turn: Turn, service: Service, clientId: ClientId, removal: Removal): boolean {
  const { state } = turn;
  const client = state.clients.get(clientId);
  if (client === undefined || !service.publications.has(client)) return false;
  turn.effects.push({ type: "untrack", key: targetKey(service.key, clientId) });
  withdraw(turn, client, service, removal);
  if (client.publications.size === 0) state.clients.delete(clientId);
  return true;
}

export function setHealth(turn: Turn, change: HealthChange): void {
  const service = findService(turn.state, change.service);
  const entry = service?.hosts.get(change.instance);
  if (service === undefined || entry === undefined || entry.instance.ephemeral) return;
  changeHealth(turn, service, entry, change.healthy, { cause: change.cause, from: "", detail: change.detail });
  store(turn, ROW.persistent, persistentRowKey(entry), persistentRow(entry.instance));
  const key = targetKey(service.key, entry.publication.client.id);
  turn.effects.push({ type: "healthChanged", key, healthy: change.healthy });
}

/** Tells health checking of a persistent instance, and how its cluster is checked. */
function track(turn: Turn, { instance, publication }: Entry): void {
  const { ip, port, cluster, healthy } = instance;
  const { metadata, key, overrides } = publication.service;
  const described = Object.hasOwn(metadata?.clusters ?? {}, cluster) ? metadata?.clusters[cluster] : undefined;
  const { healthChecker, healthyCheckPort, useInstancePort } = described ?? DEFAULT_CLUSTER_METADATA;
  const shown = overridden(instance, overrides?.get(instanceKey(instance)));
  const check = { checker: healthChecker, port: healthyCheckPort, useInstancePort };
  const skipped = checkSkipped(shown.metadata, metadata?.metadata ?? {});
  const target = { service: key, clientId: publication.client.id, ip, port, cluster, check, skipped };
  turn.effects.push({ type: "track", target, healthy });
}

/** How the instance is checked may have changed, if it is a persistent one. */
export function trackAgain(turn: Turn, entry: Entry | undefined): void {
  if (entry?.publication.client.kind === "persistent") track(turn, entry);
}

/** How the persistent instances of a service are checked may have changed. */
export function trackAll(turn: Turn, service: Service): void {
  for (const [client, { entries }] of service.publications)
    if (client.kind === "persistent") for (const entry of entries) track(turn, entry);
}

/** The row of a persistent instance; what `putPersistent` takes. */
export function persistentRow({ hash: _, ephemeral: __, cluster, instanceId, ...rest }: Instance): InstanceInput {
  return { ...rest, clusterName: cluster, instanceId: instanceId ?? "" };
}

function persistentRowKey({ publication: { service, client } }: Entry): string {
  return rowKey(service.key, client.id);
}
