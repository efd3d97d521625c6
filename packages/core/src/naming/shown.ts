import type { ServiceName, TextMap } from "@nacre/protocol";
import { addToSet, hashNumber, hashText, hex } from "../lib/hash.ts";
import { overridden } from "./instance.ts";
import type { ClientId, Entry, Instance, InstanceKey, Life, MemberId, Service } from "./model.ts";
import { shownOf } from "./stack.ts";
import type { NamingState } from "./state.ts";

/** What one member shows of one instance, and on whose word: what members compare to find where they differ. */
export interface ShownInstance {
  readonly key: InstanceKey;
  readonly weight: number;
  readonly healthy: boolean;
  readonly enabled: boolean;
  readonly ephemeral: boolean;
  /** JSON, with the keys in order. */
  readonly metadata: string;
  readonly clientId: ClientId;
  /** Version of the client; of a persistent one blank and 0, as nobody owns it. */
  readonly owner: MemberId;
  readonly incarnation: number;
  readonly counter: number;
  readonly shown: Life["shown"];
}

/** The order of `servicesAfter`: by namespace, group and name, each as code units compare. */
export function compareServices(a: ServiceName, b: ServiceName): number {
  return compare(a.namespace, b.namespace) || compare(a.group, b.group) || compare(a.name, b.name);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The listed services in order, from the one that follows `after` on. The state must not change meanwhile. */
export function* servicesAfter(state: NamingState, after: ServiceName | undefined): Iterable<Service> {
  const from = after ?? { namespace: "", group: "", name: "" };
  for (const namespace of [...state.listed.keys()].sort()) {
    if (namespace < from.namespace) continue;
    const groups = state.listed.get(namespace);
    for (const group of [...(groups?.keys() ?? [])].sort()) {
      if (namespace === from.namespace && group < from.group) continue;
      const names = groups?.get(group)?.all() ?? [];
      const isWithin = namespace === from.namespace && group === from.group;
      for (let at = isWithin ? placeAfter(names, from.name) : 0; at < names.length; at++) {
        const service = state.services.get(`${namespace}@@${group}@@${names[at]}`);
        if (service !== undefined) yield service;
      }
    }
  }
}

/** Where the first name stands that is greater. */
function placeAfter(names: readonly string[], name: string): number {
  let [low, high] = [0, names.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((names[middle] as string) <= name) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Equal on two members exactly when they show the same instances of the service on the same word. */
export function shownDigest(service: Service): string {
  let hash = 0;
  for (const [key, entry] of service.hosts) {
    const { owner, incarnation, counter, clientId, shown } = versionOf(entry);
    let element = hashText(clientId, hashText(shown, hashText(owner)));
    element = hashNumber(incarnation / 2 ** 32, hashNumber(incarnation, element));
    element = hashNumber(counter, element);
    hash = addToSet(hash, hashNumber(visible(service, key, entry).hash, element));
  }
  return `${service.hosts.size}:${hex(hash)}`;
}

/** In order of their keys. */
export function shownInstances(service: Service): ShownInstance[] {
  return [...service.hosts]
    .sort(([a], [b]) => compare(a, b))
    .map(([key, entry]) => {
      const { weight, healthy, enabled, ephemeral, metadata } = visible(service, key, entry);
      return { key, weight, healthy, enabled, ephemeral, metadata: metadataText(metadata), ...versionOf(entry) };
    });
}

function visible(service: Service, key: InstanceKey, entry: Entry): Instance {
  return overridden(shownOf(entry), service.overrides?.get(key));
}

function versionOf({ publication }: Entry) {
  const { id: clientId, kind, life, counter } = publication.client;
  if (kind === "persistent") return { clientId, owner: "", incarnation: 0, counter: 0, shown: "asPublished" as const };
  return { clientId, owner: life.memberId, incarnation: life.incarnation, counter, shown: life.shown };
}

function metadataText(metadata: TextMap): string {
  return JSON.stringify(Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => compare(a, b))));
}
