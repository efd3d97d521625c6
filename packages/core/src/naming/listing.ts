import type { ServiceName } from "@nacre/protocol";
import type { CauseRecord } from "./causes.ts";
import type { Service, Subscription } from "./model.ts";
import { findService, type NamingState } from "./state.ts";

/** One page of a list, and how long the whole list is. Pages count from 1; one past the end is empty. */
export interface Page<T> {
  readonly total: number;
  readonly items: readonly T[];
}

export function page<T>(all: readonly T[], pageNo: number, pageSize: number): Page<T> {
  const from = (pageNo - 1) * pageSize;
  return { total: all.length, items: all.slice(from, from + pageSize) };
}

/** Names of the listed services of exactly this group, in order, without the group. */
export function serviceNames(state: NamingState, namespace: string, group: string): readonly string[] {
  return state.listed.get(namespace)?.get(group)?.all() ?? [];
}

export interface ServiceSearch {
  readonly namespace: string;
  /** Parts of the names, in any case; blank matches all. */
  readonly nameContains: string;
  readonly groupContains: string;
  readonly withoutEmpty: boolean;
}

/**
 * One page of the listed services whose names hold the given parts, ordered by group and name. Names are compared for all
 * of them; the services themselves are only looked up where the page or `matches` needs them.
 */
export function searchServices(
  state: NamingState,
  search: ServiceSearch,
  pageNo: number,
  pageSize: number,
  matches?: (service: Service) => boolean,
): Page<Service> {
  const nameContains = search.nameContains.toLowerCase();
  const groupContains = search.groupContains.toLowerCase();
  const [from, to] = [(pageNo - 1) * pageSize, pageNo * pageSize];
  const looksInside = search.withoutEmpty || matches !== undefined;
  const items: Service[] = [];
  let total = 0;
  const groups = state.listed.get(search.namespace);
  for (const group of [...(groups?.keys() ?? [])].sort()) {
    if (groupContains !== "" && !group.toLowerCase().includes(groupContains)) continue;
    for (const name of groups?.get(group)?.all() ?? []) {
      if (nameContains !== "" && !name.toLowerCase().includes(nameContains)) continue;
      const inPage = total >= from && total < to;
      if (!inPage && !looksInside) {
        total++;
        continue;
      }
      const service = state.services.get(`${search.namespace}@@${group}@@${name}`);
      if (service === undefined || (search.withoutEmpty && service.hosts.size === 0)) continue;
      if (matches !== undefined && !matches(service)) continue;
      if (inPage) items.push(service);
      total++;
    }
  }
  return { total, items };
}

/** Every namespace that has a listed service. */
export function namespacesOf(state: NamingState): string[] {
  return [...state.listed]
    .filter(([, groups]) => [...groups.values()].some((names) => names.size > 0))
    .map(([name]) => name);
}

/** Names of the clusters of a service: those with instances and those that an operator described. */
export function clusterNames(service: Service): string[] {
  const names = new Set(Object.keys(service.metadata?.clusters ?? {}));
  for (const { instance } of service.hosts.values()) names.add(instance.cluster);
  return [...names].sort();
}

/** Subscribers of one service, or of all whose group and name contain the given parts; the exact service comes first. */
export function subscribersOf(state: NamingState, name: ServiceName, exact: boolean): Subscription[] {
  const named = findService(state, name);
  const found = [...(named?.subscribers?.values() ?? [])];
  if (exact) return found;
  for (const service of state.services.values()) {
    if (service === named || service.subscribers === undefined || service.name.namespace !== name.namespace) continue;
    if (service.name.group.includes(name.group) && service.name.name.includes(name.name))
      for (const subscription of service.subscribers.values()) found.push(subscription);
  }
  return found;
}

export interface CauseQuery {
  readonly namespace: string;
  readonly group: string | undefined;
  readonly name: string | undefined;
  readonly ip: string | undefined;
  readonly port: number | undefined;
}

/** Records of the journal of causes, newest first. */
export function causesOf(state: NamingState, query: CauseQuery, limit: number): CauseRecord[] {
  const address =
    query.ip === undefined ? undefined : `${query.ip}:${query.port === undefined ? "" : `${query.port}:`}`;
  const start = `${query.namespace}@@${query.group === undefined ? "" : `${query.group}@@`}`;
  const end = query.name === undefined ? "" : `@@${query.name}`;
  return state.journal.find(
    ({ service, instance }) =>
      service.startsWith(start) && service.endsWith(end) && (address === undefined || instance.startsWith(address)),
    limit,
  );
}

/** Figures of the whole of naming, for metrics and the operators' overview. */
export function countsOf(state: NamingState): {
  services: number;
  instances: number;
  subscriptions: number;
  clients: { connection: number; address: number; persistent: number };
} {
  const clients = { connection: 0, address: 0, persistent: 0 };
  for (const client of state.clients.values()) clients[client.kind]++;
  let services = 0;
  for (const groups of state.listed.values()) for (const names of groups.values()) services += names.size;
  return { services, instances: state.instanceCount, subscriptions: state.subscriptionCount, clients };
}
