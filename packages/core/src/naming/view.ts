import { doubleText, groupedName, type ServiceName, type TextMap } from "@nacre/protocol";
import { addToSet, hex } from "../lib/hash.ts";
import type { Millis } from "../lib/units.ts";
import { heartbeatOf, idGeneratorOf, instanceIdOf, overridden, withHealth } from "./instance.ts";
import type { Instance, Service } from "./model.ts";
import { select } from "./selector.ts";
import { shownOf } from "./stack.ts";
import { findService, type NamingState, wallAt } from "./state.ts";
import { isLong, type Message } from "./view-cache.ts";

/** What a consumer asks to see of a service. */
export interface ViewQuery {
  /** A comma list; blank means all clusters. */
  readonly clusters: string;
  readonly healthyOnly: boolean;
  /** The consumer's address: label selectors compare its labels with those of the instances. */
  readonly consumerIp: string | undefined;
}

/** What consumers receive of one service. */
export interface View {
  /** The instances as a JSON array. */
  readonly hosts: string;
  readonly count: number;
  readonly lastRefTime: number;
  /** Over the content of the hosts, in whatever order: equal lists have equal checksums on every member. */
  readonly checksum: string;
  readonly reachProtectionThreshold: boolean;
}

/** The view of a service, chosen and encoded once per revision and query; one that does not exist has an empty view. */
export function viewOf(state: NamingState, name: ServiceName, query: ViewQuery, now: Millis): View {
  const service = findService(state, name);
  return service === undefined
    ? missingView(state, now)
    : heldView(state, service, query, viewKey(state, service, query));
}

/**
 * A complete message around the view of a service, made once per revision and query for all who ask for the same.
 *
 * @param form  names the message: it follows from the form and the view alone, and all of one form have one type.
 */
export function messageOf<M extends Message>(
  state: NamingState,
  name: ServiceName,
  query: ViewQuery,
  now: Millis,
  form: string,
  make: (view: View) => M,
): M {
  const service = findService(state, name);
  if (service === undefined) return make(missingView(state, now));
  service.shown = true;
  const key = viewKey(state, service, query);
  const messageKey = `${form} ${key}`;
  const held = state.views.message(service, messageKey);
  if (held !== undefined) return held as M;
  const view = state.views.view(service, key) ?? makeView(state, service, query);
  const message = make(view);
  if (isLong(view) && state.views.view(service, key) === undefined) state.views.putView(service, key, view);
  state.views.putMessage(service, messageKey, message, isLong(view) ? view : undefined);
  return message;
}

function viewKey(state: NamingState, service: Service, query: ViewQuery): string {
  return `${query.healthyOnly ? "h" : "a"}${selectorKey(state, service, query.consumerIp)}${query.clusters}`;
}

function heldView(state: NamingState, service: Service, query: ViewQuery, key: string): View {
  service.shown = true;
  const held = state.views.view(service, key);
  if (held !== undefined) return held;
  const view = makeView(state, service, query);
  state.views.putView(service, key, view);
  return view;
}

function makeView(state: NamingState, service: Service, query: ViewQuery): View {
  const { instances, protects } = choose(state, service, query);
  return encode(service, instances, protects);
}

/** A service that comes to exist later must look newer than this answer; another such answer says the same. */
function missingView(state: NamingState, now: Millis): View {
  state.lastRefFloor = Math.max(state.lastRefFloor, wallAt(state, now));
  return emptyView(state.lastRefFloor);
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
  };
}

/** Instances as operators see them: disabled ones too, with operators' records laid over. `clusters` blank means all. */
export function instancesOf(service: Service, clusters: string): Instance[] {
  const { overrides } = service;
  const wanted = clusterSet(clusters);
  const found: Instance[] = [];
  for (const [key, entry] of service.hosts)
    if (wanted === undefined || wanted.has(entry.instance.cluster))
      found.push(overrides === undefined ? shownOf(entry) : overridden(shownOf(entry), overrides.get(key)));
  return found;
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
  let instances = instancesOf(service, query.clusters);
  // Nearly always all of them are, and no second list is made.
  if (!instances.every(({ enabled }) => enabled)) instances = instances.filter(({ enabled }) => enabled);
  const { metadata } = service;
  if (metadata !== undefined) {
    instances = [...select(instances, metadata.selector, query.consumerIp ?? "", (ip) => state.labels.get(ip))];
    const healthy = instances.reduce((count, instance) => count + (instance.healthy ? 1 : 0), 0);
    if (protectionFires(healthy, instances.length, metadata.protectThreshold, state.options.zeroThresholdProtects))
      return { instances: instances.map((instance) => withHealth(instance, true)), protects: true };
  }
  if (query.healthyOnly && !instances.every(({ healthy }) => healthy))
    instances = instances.filter(({ healthy }) => healthy);
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
  };
}

/** Instances of one service as every dialect writes them, each as the text of an object. */
export function instanceTexts(name: ServiceName, instances: readonly Instance[]): string[] {
  const grouped = groupedName(name);
  const service = quoted(grouped);
  let before: Instance | undefined;
  let tail = "";
  /** What stands between the two places of the address, when nothing in it has to be escaped. */
  let middle: string | undefined;
  return instances.map((instance) => {
    // Instances of a service mostly differ in their address alone, and what follows it is written once.
    if (before === undefined || !sameBesideAddress(before, instance)) {
      tail = tailText(service, instance);
      middle = isPlain(grouped) && isPlain(instance.cluster) ? `#${instance.cluster}#${grouped}","ip":"` : undefined;
    }
    before = instance;
    const { ip, port, instanceId } = instance;
    if (middle !== undefined && instanceId === undefined && isPlain(ip))
      return `{"instanceId":"${ip}#${port}${middle}${ip}","port":${port}${tail}`;
    return `{"instanceId":${quoted(instanceIdOf(name, instance))},"ip":${quoted(ip)},"port":${port}${tail}`;
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
  return isPlain(text) ? `"${text}"` : JSON.stringify(text);
}

function isPlain(text: string): boolean {
  return /^[\w.:@#-]*$/.test(text);
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
    `{"name":${quoted(shownName)},"groupName":${quoted(name.group)},"clusters":${quoted(clusters)}` +
    `,"cacheMillis":${cacheMillis},"hosts":${view.hosts},"lastRefTime":${view.lastRefTime},"checksum":"${view.checksum}"` +
    `,"allIps":false${form === "grpc" ? "" : ',"allIPs":false'}` +
    `,"reachProtectionThreshold":${view.reachProtectionThreshold},"valid":true}`
  );
}
