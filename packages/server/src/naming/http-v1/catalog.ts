import {
  clusterNames,
  findService,
  instancesOf,
  instanceText,
  page,
  type Service,
  searchServices,
  selectorBody,
} from "@nacre/core/naming";
import { clusterOf, double, groupedName, RegistryError, type ServiceName } from "@nacre/protocol";
import { type Answer, json, jsonText, text } from "../../transport/http/answers.ts";
import type { Params } from "../../transport/http/params.ts";
import { ANY_METHOD, type Route } from "../../transport/http/route.ts";
import { v1 } from "../../transport/http/rows.ts";
import { serviceBodyV2, serviceLine } from "../bodies.ts";
import type { Naming } from "../naming.ts";
import { boundServiceOf, clusterMetadataIn, namespaceIn, serviceOf, updateCluster } from "../operations.ts";
import { clusterMetadataOf, pageIn } from "./shapes.ts";

/** What the 2.x console reads and writes: `/v1/ns/catalog` and `/v1/ns/cluster`. */
export function catalogRoutes(naming: Naming): Route[] {
  const path = "/v1/ns/catalog";
  const later = "/v3/console/ns";

  async function cluster(params: Params): Promise<Answer> {
    const service = serviceOf(params);
    await updateCluster(naming, service, params.required("clusterName"), clusterMetadataIn(params));
    return text("ok");
  }

  const service = (params: Params): Answer => json(catalogService(shownService(naming, boundServiceOf(params))));
  const instances = (params: Params): Answer => catalogInstances(naming, params);
  const services = (params: Params): Answer => catalogServices(naming, params);

  return [
    v1("GET", `${path}/service`, "console", `GET ${later}/service`, service),
    v1(ANY_METHOD, `${path}/instances`, "console", `GET ${later}/instance/list`, instances),
    v1("GET", `${path}/services`, "console", `GET ${later}/service/list`, services),
    v1("PUT", "/v1/ns/cluster", "console", `PUT ${later}/service/cluster`, cluster),
  ];
}

function shownService(naming: Naming, name: ServiceName): Service {
  const service = findService(naming.state, name);
  if (service?.listed === true) return service;
  throw new RegistryError("notFound", `service ${groupedName(name)} is not found!`);
}

function catalogService(service: Service): Record<string, unknown> {
  const { group, name } = service.name;
  const { metadata } = service;
  return {
    service: {
      name,
      groupName: group,
      protectThreshold: double(metadata?.protectThreshold ?? 0),
      selector: selectorBody(metadata?.selector ?? { type: "none" }),
      metadata: metadata?.metadata ?? {},
    },
    clusters: clusterNames(service).map((cluster) => {
      const { healthChecker, healthyCheckPort, useInstancePort, metadata } = clusterMetadataOf(service, cluster);
      return {
        serviceName: name,
        name: cluster,
        healthChecker,
        defaultPort: 80,
        defaultCheckPort: healthyCheckPort,
        useIpPort4Check: useInstancePort,
        metadata,
      };
    }),
  };
}

function catalogInstances(naming: Naming, params: Params): Answer {
  const name = boundServiceOf(params);
  const cluster = clusterOf(params.bound("clusterName"));
  const { pageNo, pageSize } = pageIn(params);
  const service = shownService(naming, name);
  if (!clusterNames(service).includes(cluster)) throw new RegistryError("notFound", `cluster ${cluster} is not found!`);
  const { total, items } = page(instancesOf(service, cluster), pageNo, pageSize);
  return jsonText(`{"list":[${items.map((held) => instanceText(name, held)).join(",")}],"count":${total}}`);
}

function catalogServices(naming: Naming, params: Params): Answer {
  const { pageNo, pageSize } = pageIn(params);
  const address = params.text("instance", "");
  const search = {
    namespace: namespaceIn(params),
    nameContains: params.text("serviceNameParam", ""),
    groupContains: params.text("groupNameParam", ""),
    withoutEmpty: params.isTrue("hasIpCount"),
  };
  const matches = address === "" ? undefined : (service: Service) => hasInstance(service, address);
  const { total, items } = searchServices(naming.state, search, pageNo, pageSize, matches);
  if (params.isTrue("withInstances")) return json(items.map(serviceBodyV2));
  const { zeroThresholdProtects } = naming.state.options;
  return json({ count: total, serviceList: items.map((service) => serviceLine(service, zeroThresholdProtects)) });
}

/** Whether an instance has this part in its `ip:port`. */
function hasInstance(service: Service, address: string): boolean {
  for (const { instance } of service.hosts.values())
    if (`${instance.ip}:${instance.port}`.includes(address)) return true;
  return false;
}
