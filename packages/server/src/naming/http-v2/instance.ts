import { clusterNames, instanceIdOf, instancesOf, instanceText, page } from "@nacre/core/naming";
import { double, groupedName, RegistryError, type ServiceName } from "@nacre/protocol";
import { type Answer, json, jsonText, result, resultText, text } from "../../transport/http/answers.ts";
import type { Call } from "../../transport/http/call.ts";
import type { Params } from "../../transport/http/params.ts";
import { ANY_METHOD, type Route } from "../../transport/http/route.ts";
import { v2 } from "../../transport/http/rows.ts";
import { statuses, statusKey, subscribeUdp } from "../http-v1/instance.ts";
import type { Naming } from "../naming.ts";
import {
  addressIn,
  callerOf,
  deregister,
  editMetadata,
  ephemeralIn,
  findInstance,
  heartbeat,
  instanceIn,
  listedService,
  patchIn,
  patchOverride,
  register,
  replaceOverride,
  serviceOf,
} from "../operations.ts";

const ok = (): Answer => result("ok");

/** `/v2/ns/instance`, and the list of instances that the 2.x console showed. */
export function instanceRoutes(naming: Naming): readonly Route[] {
  const path = "/v2/ns/instance";
  const admin = "/v3/admin/ns/instance";
  const batch = (how: "mergeMetadata" | "removeMetadata") => async (params: Params, call: Call) =>
    result({ updated: await editMetadata(naming, serviceOf(params), params, how, callerOf(call)) });
  return [
    v2("POST", path, "admin", `POST ${admin}`, async (params, call) => {
      await register(naming, serviceOf(params), instanceIn(params), ephemeralIn(naming, params), callerOf(call));
      return ok();
    }),
    v2("DELETE", path, "admin", `DELETE ${admin}`, async (params, call) => {
      await deregister(naming, serviceOf(params), addressIn(params), ephemeralIn(naming, params), callerOf(call));
      return ok();
    }),
    v2("PUT", path, "admin", `PUT ${admin}`, async (params, call) => {
      await replaceOverride(naming, serviceOf(params), instanceIn(params), callerOf(call));
      return ok();
    }),
    v2("PATCH", path, "admin", `PUT ${admin}/partial`, async (params, call) => {
      const service = compositeIn(params);
      await patchOverride(naming, service, addressIn(params), patchIn(params), callerOf(call));
      return text("ok");
    }),
    v2("GET", path, "admin", `GET ${admin}`, (params) => {
      const service = serviceOf(params);
      const instance = findInstance(naming, service, addressIn(params));
      const { ip, port, cluster, weight, healthy, metadata } = instance;
      return result({
        serviceName: groupedName(service),
        ip,
        port,
        clusterName: cluster,
        weight: double(weight),
        healthy,
        instanceId: instanceIdOf(service, instance),
        metadata,
      });
    }),
    v2("GET", `${path}/list`, "admin", "GET /v3/client/ns/instance/list", (params, call) => {
      const service = serviceOf(params);
      const clusters = params.text("clusterName", "");
      const ip = params.text("ip", call.sourceIp);
      const udpPort = params.integer("port", 0);
      if (udpPort > 0 && udpPort <= 65_535) subscribeUdp(naming, service, clusters, ip, udpPort, call);
      const query = { clusters, healthyOnly: params.boolean("healthyOnly", false), consumerIp: ip };
      return jsonText(
        naming.written(service, query, "v2", "result", (info) => `{"code":0,"message":"success","data":${info}}`),
      );
    }),
    v2("PUT", `${path}/beat`, "admin", "POST /v3/client/ns/instance?heartBeat=true", async (params, call) =>
      json(await heartbeat(naming, compositeIn(params), params, callerOf(call))),
    ),
    v2("PUT", `${path}/metadata/batch`, "admin", `PUT ${admin}/metadata/batch`, batch("mergeMetadata")),
    v2("DELETE", `${path}/metadata/batch`, "admin", `DELETE ${admin}/metadata/batch`, batch("removeMetadata")),
    v2(ANY_METHOD, `${path}/statuses/:key`, "admin", `GET ${admin}/list`, (_params, call) =>
      json(statuses(naming, statusKey(call.segment("key")))),
    ),
    v2(ANY_METHOD, "/v2/ns/catalog/instances", "console", "GET /v3/console/ns/instance/list", (params) =>
      catalogInstances(naming, params),
    ),
  ];
}

/** These calls have no group of their own and want it in the name. */
function compositeIn(params: Params): ServiceName {
  const service = serviceOf(params);
  if (params.required("serviceName").includes("@@")) return service;
  throw new RegistryError(
    "invalidParameter",
    "Param 'serviceName' is illegal, it should be format as 'groupName@@serviceName'",
  );
}

/** The instances of all clusters; `healthyOnly` and `enabledOnly` leave out the others. An empty page has no list. */
function catalogInstances(naming: Naming, params: Params): Answer {
  const name = serviceOf(params);
  const pageNo = Math.max(1, params.boundInteger("pageNo"));
  const pageSize = Math.max(0, params.boundInteger("pageSize"));
  const service = shown(naming, name);
  const [healthyOnly, enabledOnly] = [params.boolean("healthyOnly", false), params.boolean("enabledOnly", false)];
  const byCluster = Map.groupBy(instancesOf(service, ""), ({ cluster }) => cluster);
  const found = clusterNames(service)
    .flatMap((cluster) => byCluster.get(cluster) ?? [])
    .filter(({ healthy, enabled }) => (healthy || !healthyOnly) && (enabled || !enabledOnly));
  const { total, items } = page(found, pageNo, pageSize);
  const list = items.map((instance) => instanceText(name, instance)).join(",");
  return resultText(`{${list === "" ? "" : `"instances":[${list}],`}"count":${total}}`);
}

function shown(naming: Naming, name: ServiceName) {
  try {
    return listedService(naming, name);
  } catch {
    throw new RegistryError("notFound", `service ${groupedName(name)} is not found!`);
  }
}
