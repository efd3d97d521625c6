import {
  type Client,
  type ClusterMetadata,
  clusterNames,
  DEFAULT_CLUSTER_METADATA,
  type Entry,
  heartbeatOf,
  type Instance,
  instanceIdOf,
  instanceKey,
  instancesOf,
  instanceText,
  protectionFires,
  type Service,
  type Subscription,
  selectorBody,
} from "@nacre/core/naming";
import { double, groupedName, type ServiceName } from "@nacre/protocol";
import type { Members } from "../cluster/members.ts";
import type { Subscriber } from "./subscriber-page.ts";

/** What v2 and v3 answers show of naming's things. v2 names some fields differently; those have a function of their own. */

type Body = Record<string, unknown>;

/** The fields of `instanceText`, as an object for answers that nest it. */
export function instanceBody(name: ServiceName, instance: Instance): Body {
  const { ip, port, weight, healthy, enabled, ephemeral, cluster, metadata } = instance;
  const { intervalMs, timeoutMs, deleteMs } = heartbeatOf(metadata);
  return {
    instanceId: instanceIdOf(name, instance),
    ip,
    port,
    weight: double(weight),
    healthy,
    enabled,
    ephemeral,
    clusterName: cluster,
    serviceName: groupedName(name),
    metadata,
    instanceHeartBeatInterval: intervalMs,
    instanceHeartBeatTimeOut: timeoutMs,
    ipDeleteTimeout: deleteMs,
    instanceIdGenerator: Object.hasOwn(metadata, "preserved.instance.id.generator")
      ? metadata["preserved.instance.id.generator"]
      : "simple",
  };
}

/** `ServiceDetailInfo`: `withHosts` puts the instances into their clusters. */
export function serviceBody(service: Service, withHosts: boolean): Body {
  const { namespace, group, name } = service.name;
  return {
    namespaceId: namespace,
    serviceName: name,
    groupName: group,
    clusterMap: clusterMap(service, withHosts, (clusterName, metadata, hosts) => ({
      clusterName,
      healthChecker: metadata.healthChecker,
      healthyCheckPort: metadata.healthyCheckPort,
      useInstancePortForCheck: metadata.useInstancePort,
      metadata: metadata.metadata,
      ...(withHosts && { hosts: hosts.map((instance) => instanceBody(service.name, instance)) }),
    })),
    ...operatorFields(service),
  };
}

export function serviceBodyV2(service: Service): Body {
  const { namespace, group, name } = service.name;
  return {
    namespace,
    serviceName: name,
    groupName: group,
    clusterMap: clusterMap(service, true, (clusterName, metadata, hosts) => ({
      clusterName,
      healthChecker: metadata.healthChecker,
      metadata: metadata.metadata,
      hosts: hosts.map(({ healthy, metadata, port, ip, weight, enabled }) => ({
        valid: healthy,
        metadata,
        port,
        ip,
        weight: double(weight),
        enabled,
      })),
    })),
    ...operatorFields(service),
  };
}

function clusterMap(
  service: Service,
  withHosts: boolean,
  show: (name: string, metadata: ClusterMetadata, hosts: readonly Instance[]) => Body,
): Record<string, Body> {
  const described = service.metadata?.clusters ?? {};
  // In one pass: a service may have as many clusters as instances.
  const hosts = Map.groupBy(withHosts ? instancesOf(service, "") : [], ({ cluster }) => cluster);
  return Object.fromEntries(
    clusterNames(service).map((name) => {
      const metadata = Object.hasOwn(described, name) ? (described[name] as ClusterMetadata) : DEFAULT_CLUSTER_METADATA;
      return [name, show(name, metadata, hosts.get(name) ?? [])];
    }),
  );
}

function operatorFields({ metadata, ephemeral }: Service): Body {
  return {
    metadata: metadata?.metadata ?? {},
    protectThreshold: double(metadata?.protectThreshold ?? 0),
    selector: selectorBody(metadata?.selector ?? { type: "none" }),
    ephemeral,
  };
}

/** `ServiceView`: one line of the list of services. */
export function serviceLine(service: Service, zeroProtects: boolean): Body {
  const { hosts, healthyCount, metadata } = service;
  const fires =
    metadata !== undefined && protectionFires(healthyCount, hosts.size, metadata.protectThreshold, zeroProtects);
  return {
    name: service.name.name,
    groupName: service.name.group,
    clusterCount: clusterNames(service).length,
    ipCount: hosts.size,
    healthyInstanceCount: healthyCount,
    triggerFlag: String(fires),
  };
}

export function subscriberBody({ service, ip, port, agent, app }: Subscriber): Body {
  const { namespace, group, name } = service;
  return {
    namespaceId: namespace,
    groupName: group,
    serviceName: name,
    ip,
    port,
    agent,
    appName: app,
    address: `${ip}:${port}`,
  };
}

/** `ClientSummaryInfo`, and who speaks for the client: which member, in which of its lives, with which version. */
export function clientBody(client: Client, members: Members): Body {
  const { id, kind, activeAt, app, agent, ip, port } = client;
  return {
    clientId: id,
    ephemeral: kind !== "persistent",
    lastUpdatedTime: Math.round(activeAt),
    clientType: kind === "connection" ? "connection" : "ipPort",
    ...(kind === "connection" && { connectType: "GRPC", appName: app, version: agent, clientIp: ip, clientPort: port }),
    ...(kind !== "persistent" && { owner: ownerBody(client, members) }),
  };
}

/** A persistent client has no owner: it is what an operator or a log says. */
function ownerBody({ life: { memberId, incarnation, shown }, counter }: Client, members: Members): Body {
  return { memberId, address: members.shown(memberId), incarnation, counter, shown };
}

/** What an instance is that nobody vouches for: of whom it is, and how it is shown; nothing for all others. */
export function markOf(service: Service, instance: Instance, members: Members): Body | undefined {
  const client = service.hosts.get(instanceKey(instance))?.publication.client;
  if (client === undefined || client.life.shown === "asPublished") return undefined;
  return { shown: client.life.shown, owner: members.shown(client.life.memberId) };
}

/** `instanceText` with `markOf`. */
export function markedText(service: Service, instance: Instance, members: Members): string {
  const text = instanceText(service.name, instance);
  const mark = markOf(service, instance, members);
  return mark === undefined ? text : `${text.slice(0, -1)},${JSON.stringify(mark).slice(1)}`;
}

/** Everything that a client publishes, one entry per instance. */
export function* publishedBy(client: Client): Iterable<{ readonly service: Service; readonly entry: Entry }> {
  for (const [service, publication] of client.publications)
    for (const entry of publication.entries) yield { service, entry };
}

/** Everything published for a service, whoever shows; absent ip and port mean any. */
export function* publishersOf(service: Service, at: { ip?: string; port?: number }): Iterable<Entry> {
  for (const publication of service.publications.values())
    for (const entry of publication.entries)
      if (
        (at.ip === undefined || entry.instance.ip === at.ip) &&
        (at.port === undefined || entry.instance.port === at.port)
      )
        yield entry;
}

export function* subscriptionsOf(service: Service, at: { ip?: string; port?: number }): Iterable<Subscription> {
  for (const subscription of service.subscribers?.values() ?? []) {
    const { ip, port } = subscription.client;
    if ((at.ip === undefined || ip === at.ip) && (at.port === undefined || port === at.port)) yield subscription;
  }
}
