import {
  clusterNames,
  namespacesOf,
  page,
  SELECTOR_TYPES,
  type Service,
  selectorBody,
  serviceNames,
} from "@nacre/core/naming";
import { double, groupedName, namespaceOf, RegistryError } from "@nacre/protocol";
import type { Peers } from "../../cluster/peer-calls.ts";
import { type Answer, json, restResult, text } from "../../transport/http/answers.ts";
import type { Params } from "../../transport/http/params.ts";
import { ANY_METHOD, type Route } from "../../transport/http/route.ts";
import { v1 } from "../../transport/http/rows.ts";
import type { Naming } from "../naming.ts";
import {
  createService,
  deleteService,
  groupIn,
  listedService,
  namespaceIn,
  serviceEditOf,
  serviceOf,
  updateService,
} from "../operations.ts";
import type { Subscriber } from "../subscriber-page.ts";
import { subscribersIn } from "../subscribers.ts";
import { clusterMetadataOf, pageIn } from "./shapes.ts";

/** `/v1/ns/service` and what lies below it. */
export function serviceRoutes(naming: Naming, peers: Peers): Route[] {
  const path = "/v1/ns/service";
  const admin = "/v3/admin/ns/service";

  async function create(params: Params): Promise<Answer> {
    // Services made by hand are persistent in v1: only the later APIs can say otherwise.
    await createService(naming, serviceOf(params), false, serviceEditOf(params));
    return text("ok");
  }

  async function update(params: Params): Promise<Answer> {
    const service = serviceOf(params);
    params.required("protectThreshold");
    await updateService(naming, service, serviceEditOf(params));
    return text("ok");
  }

  async function remove(params: Params): Promise<Answer> {
    await deleteService(naming, serviceOf(params));
    return text("ok");
  }

  function list(params: Params): Answer {
    const { pageNo, pageSize } = pageIn(params);
    const { total, items } = page(serviceNames(naming.state, namespaceIn(params), groupIn(params)), pageNo, pageSize);
    return json({ count: total, doms: items });
  }

  const show = (params: Params): Answer => json(serviceDetail(listedService(naming, serviceOf(params))));
  const names = (params: Params): Answer => json(namesByNamespace(naming, params));
  const subscriberList = async (params: Params): Promise<Answer> => json(await subscribers(naming, peers, params));

  return [
    v1("POST", path, "admin", `POST ${admin}`, create),
    v1("PUT", path, "admin", `PUT ${admin}`, update),
    v1("DELETE", path, "admin", `DELETE ${admin}`, remove),
    v1("GET", path, "admin", `GET ${admin}`, show),
    v1("GET", `${path}/list`, "open", `GET ${admin}/list`, list),
    v1(ANY_METHOD, `${path}/names`, "admin", `GET ${admin}/list`, names),
    v1("GET", `${path}/subscribers`, "admin", `GET ${admin}/subscribers`, subscriberList),
    v1("GET", `${path}/selector/types`, "admin", `GET ${admin}/selector/types`, () => restResult(SELECTOR_TYPES)),
  ];
}

function serviceDetail(service: Service): Record<string, unknown> {
  const { namespace, group, name } = service.name;
  const { metadata } = service;
  return {
    namespaceId: namespace,
    groupName: group,
    name,
    protectThreshold: double(metadata?.protectThreshold ?? 0),
    metadata: metadata?.metadata ?? {},
    selector: selectorBody(metadata?.selector ?? { type: "none" }),
    clusters: clusterNames(service).map((cluster) => {
      const { healthChecker, metadata } = clusterMetadataOf(service, cluster);
      return { name: cluster, healthChecker, metadata };
    }),
  };
}

function namesByNamespace(naming: Naming, params: Params): Record<string, unknown> {
  const { state } = naming;
  const namespaceId = params.optional("namespaceId");
  const namespaces = namespaceId === undefined ? namespacesOf(state) : [namespaceOf(namespaceId)];
  // Only the wildcard of the pattern is understood: a whole regular expression could be made to run for ever.
  const parts = params.text("expr", "").split(".*");
  let count = 0;
  const byNamespace = namespaces.map((namespace) => {
    const names: string[] = [];
    for (const [group, held] of state.listed.get(namespace) ?? [])
      for (const name of held.all()) if (inOrder(name, parts)) names.push(groupedName({ namespace, group, name }));
    count += names.length;
    return [namespace, names.sort()] as const;
  });
  const services = Object.fromEntries(byNamespace);
  // The reference renamed the key by accident; who wrote against 1.x reads the second one.
  return { "META-INF/services": services, services, count };
}

function inOrder(name: string, parts: readonly string[]): boolean {
  let from = 0;
  for (const part of parts) {
    const at = name.indexOf(part, from);
    if (at === -1) return false;
    from = at + part.length;
  }
  return true;
}

/** Errors give an empty list, as clients of this call expect. */
async function subscribers(
  naming: Naming,
  peers: Peers,
  params: Params,
): Promise<{ subscribers: unknown[]; count: number }> {
  try {
    const pageNo = params.integer("pageNo", 1);
    const found = await subscribersIn(naming, peers, serviceOf(params), params.boolean("aggregation", true));
    const { total, items } = page(found, Math.max(1, pageNo), Math.max(0, params.integer("pageSize", 1000)));
    return { subscribers: items.map(subscriber), count: total };
  } catch (refused) {
    if (refused instanceof RegistryError && refused.failure !== "parameterMissing")
      return { subscribers: [], count: 0 };
    throw refused;
  }
}

function subscriber({ service, clusters, ip, port, agent, app }: Subscriber): Record<string, unknown> {
  return {
    addrStr: `${ip}:${port}`,
    agent,
    app: app === "" ? "unknown" : app,
    ip,
    port,
    namespaceId: service.namespace,
    serviceName: groupedName(service),
    cluster: clusters,
  };
}
