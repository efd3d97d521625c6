import { doubleText, groupedName, type ServiceName, type TextMap } from "@nacre/protocol";
import { addToSet, hex } from "../lib/hash.ts";
import type { Millis } from "../lib/units.ts";
import { heartbeatOf, idGeneratorOf, instanceIdOf, overridden, withHealth } from "./instance.ts";
import type { Entry, Instance, Service } from "./model.ts";
import { select } from "./selector.ts";
import { shownOf } from "./stack.ts";
import { findService, type NamingState, wallAt } from "./state.ts";

/** What a consumer asks to see of a service. */
export interface ViewQuery {
  /** A comma list; blank means all clusters. */
  readonly clusters: string;
  readonly healthyOnly: boolean;
  /** The consumer's address: label selectors compare its labels with those of the instances. */
  readonly consumerIp: string | undefined;
}

/** What consumers receive of one service: chosen and encoded once per revision and query. */
export interface View {
  /** The instances as a JSON array. */
  readonly hosts: string;
  readonly count: number;
  readonly lastRefTime: number;
  /** Over the content of the hosts, in whatever order: equal lists have equal checksums on every member. */
  readonly checksum: string;
  readonly reachProtectionThreshold: boolean;
  /** Complete messages around these hosts, by the form that their maker chose; they live as long as the view. */
  readonly encoded: Map<string, Uint8Array | string>;
  /** What it takes in the view cache: characters of the hosts, and bytes or characters of the messages. */
  cost: number;
}

/** The view of a service; one that does not exist has an empty view, never an error. */
export function viewOf(state: NamingState, name: ServiceName, query: ViewQuery, now: Millis): View {
  const service = findService(state, name);
  if (service === undefined) {
    // A service that comes to exist later must look newer than this answer; another such answer says the same.
    state.lastRefFloor = Math.max(state.lastRefFloor, wallAt(state, now));
    return emptyView(state.lastRefFloor);
  }
  service.shown = true;
  const key = `${query.healthyOnly ? "h" : "a"}${selectorKey(state, service, query.consumerIp)}${query.clusters}`;
  const cached = state.views.get(service, key);
  if (cached !== undefined) return cached;
  const { instances, protects } = choose(state, service, query);
  const view = encode(service, instances, protects);
  state.views.put(service, key, view);
  return view;
}

/** What of the consumer the selector of a service looks at: consumers with equal keys see the same list. */
export function selectorKey(state: NamingState, service: Service, consumerIp: string | undefined): string {
  const selector = service.metadata?.selector;
  if (selector === undefined || selector.type === "none") return "";
  const labels = consumerIp === undefined ? undefined : state.labels.get(consumerIp);
  return JSON.stringify(
    selector.labels.map((label) => (labels !== undefined && Object.hasOwn(labels, label) ? labels[label] : "")),
  );
}

function emptyView(lastRefTime: number): View {
  return {
    hosts: "[]",
    count: 0,
    lastRefTime,
    checksum: hex(0),
    reachProtectionThreshold: false,
    encoded: new Map(),
    cost: 0,
  };
}

/** Instances as operators see them: disabled ones too, with operators' records laid over. `clusters` blank means all. */
export function instancesOf(service: Service, clusters: string): Instance[] {
  const wanted = clusterSet(clusters);
  const found: Instance[] = [];
  for (const [key, entry] of service.hosts)
    if (wanted === undefined || wanted.has(entry.instance.cluster)) found.push(shown(service, key, entry));
  return found;
}

function shown(service: Service, key: string, entry: Entry): Instance {
  return overridden(shownOf(entry), service.overrides?.get(key));
}

function clusterSet(clusters: string): Set<string> | undefined {
  if (clusters.trim() === "") return undefined;
  return new Set(clusters.split(",").map((cluster) => cluster.trim()));
}

/**
 * What a consumer is given: enabled instances of the wanted clusters, narrowed by the selector; then protection, and
 * only then the healthy filter. (The reference filters first, so that its protection can never bring anything back.)
 */
export function choose(
  state: NamingState,
  service: Service,
  query: ViewQuery,
): { instances: Instance[]; protects: boolean } {
  let instances = instancesOf(service, query.clusters).filter((instance) => instance.enabled);
  const { metadata } = service;
  if (metadata !== undefined) {
    instances = [...select(instances, metadata.selector, query.consumerIp ?? "", (ip) => state.labels.get(ip))];
    const healthy = instances.reduce((count, instance) => count + (instance.healthy ? 1 : 0), 0);
    if (protectionFires(healthy, instances.length, metadata.protectThreshold, state.options.zeroThresholdProtects))
      return { instances: instances.map((instance) => withHealth(instance, true)), protects: true };
  }
  if (query.healthyOnly) instances = instances.filter((instance) => instance.healthy);
  return { instances, protects: false };
}

/** The healthy share is at or below the threshold; an empty list needs no protection, and a threshold of 0 gives none. */
export function protectionFires(healthy: number, total: number, threshold: number, zeroProtects: boolean): boolean {
  if (total === 0 || (threshold <= 0 && !zeroProtects)) return false;
  return healthy / total <= Math.max(0, threshold);
}

function encode(service: Service, instances: readonly Instance[], protects: boolean): View {
  let checksum = 0;
  for (const instance of instances) checksum = addToSet(checksum, instance.hash);
  const hosts = `[${instanceTexts(service.name, instances).join(",")}]`;
  return {
    hosts,
    count: instances.length,
    lastRefTime: service.lastRefTime,
    checksum: hex(checksum),
    reachProtectionThreshold: protects,
    encoded: new Map(),
    cost: hosts.length,
  };
}

/** Instances of one service as every dialect writes them, each as the text of an object. */
export function instanceTexts(name: ServiceName, instances: readonly Instance[]): string[] {
  const service = quoted(groupedName(name));
  let before: Instance | undefined;
  let tail = "";
  return instances.map((instance) => {
    // Instances of a service mostly differ in their address alone, and what follows it is written once.
    if (before === undefined || !sameBesideAddress(before, instance)) tail = tailText(service, instance);
    before = instance;
    const id = quoted(instanceIdOf(name, instance));
    return `{"instanceId":${id},"ip":${quoted(instance.ip)},"port":${instance.port}${tail}`;
  });
}

export function instanceText(name: ServiceName, instance: Instance): string {
  return instanceTexts(name, [instance]).join("");
}

/** The parts are compared by identity, metadata too: publishing shares it among equal instances of a service. */
function sameBesideAddress(a: Instance, b: Instance): boolean {
  return (
    a.metadata === b.metadata &&
    a.weight === b.weight &&
    a.healthy === b.healthy &&
    a.enabled === b.enabled &&
    a.ephemeral === b.ephemeral &&
    a.cluster === b.cluster
  );
}

/** Weights are written as doubles: the C++ SDK refuses `1`. */
function tailText(service: string, { weight, healthy, enabled, ephemeral, cluster, metadata }: Instance): string {
  // Joined rather than added: the text of a sum stays in its pieces, and these would be gathered for every instance.
  return [
    `,"weight":${doubleText(weight)},"healthy":${healthy},"enabled":${enabled},"ephemeral":${ephemeral}`,
    `,"clusterName":${quoted(cluster)},"serviceName":${service}`,
    // Most instances have no metadata, and what is derived from it is then the same for all of them.
    Object.keys(metadata).length === 0 ? WITHOUT_METADATA : metadataText(metadata),
    "}",
  ].join("");
}

/** The metadata of an instance, and the values that preserved keys in it decide. */
function metadataText(metadata: TextMap): string {
  const beat = heartbeatOf(metadata);
  return (
    `,"metadata":${JSON.stringify(metadata)},"instanceHeartBeatInterval":${beat.intervalMs}` +
    `,"instanceHeartBeatTimeOut":${beat.timeoutMs},"ipDeleteTimeout":${beat.deleteMs}` +
    `,"instanceIdGenerator":${JSON.stringify(idGeneratorOf(metadata))}`
  );
}

const WITHOUT_METADATA = metadataText({});

/** A JSON string. Names and addresses rarely hold anything that has to be escaped, and a look is cheaper than the writer. */
function quoted(text: string): string {
  return /^[\w.:@#-]*$/.test(text) ? `"${text}"` : JSON.stringify(text);
}

/**
 * A `ServiceInfo` as JSON text. gRPC, v2 and v3 write name and group apart; v1 writes `group@@name` as the name, and the
 * old spelling `allIPs` beside `allIps`.
 */
export function serviceInfoText(
  name: ServiceName,
  clusters: string,
  view: View,
  form: "grpc" | "v1" | "v2",
  cacheMillis: number,
): string {
  const shownName = form === "grpc" ? name.name : groupedName(name);
  return (
    `{"name":${JSON.stringify(shownName)},"groupName":${JSON.stringify(name.group)},"clusters":${JSON.stringify(clusters)}` +
    `,"cacheMillis":${cacheMillis},"hosts":${view.hosts},"lastRefTime":${view.lastRefTime},"checksum":"${view.checksum}"` +
    `,"allIps":false${form === "grpc" ? "" : ',"allIPs":false'}` +
    `,"reachProtectionThreshold":${view.reachProtectionThreshold},"valid":true}`
  );
}
