import { choose, findService, instanceIdOf } from "@nacre/core/naming";
import { double, groupedName, RegistryError, type ServiceName, serviceNameOf } from "@nacre/protocol";
import { type Answer, json, jsonText, text } from "../../transport/http/answers.ts";
import type { Call } from "../../transport/http/call.ts";
import type { Params } from "../../transport/http/params.ts";
import { ANY_METHOD, type Route } from "../../transport/http/route.ts";
import { v1 } from "../../transport/http/rows.ts";
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
  patchIn,
  patchOverride,
  register,
  replaceOverride,
  serviceOf,
} from "../operations.ts";
import { pushCapable } from "../push-agents.ts";

/** `/v1/ns/instance` and what lies below it. */
export function instanceRoutes(naming: Naming): Route[] {
  const path = "/v1/ns/instance";
  const client = "/v3/client/ns/instance";
  const admin = "/v3/admin/ns/instance";

  async function publish(params: Params, call: Call): Promise<Answer> {
    const service = serviceOf(params);
    await register(naming, service, instanceIn(params), ephemeralIn(naming, params), callerOf(call));
    return text("ok");
  }

  async function withdraw(params: Params, call: Call): Promise<Answer> {
    const service = serviceOf(params);
    await deregister(naming, service, addressIn(params), ephemeralIn(naming, params), callerOf(call));
    return text("ok");
  }

  async function replace(params: Params, call: Call): Promise<Answer> {
    await replaceOverride(naming, serviceOf(params), instanceIn(params), callerOf(call));
    return text("ok");
  }

  async function patch(params: Params, call: Call): Promise<Answer> {
    await patchOverride(naming, serviceOf(params), addressIn(params), patchIn(params), callerOf(call));
    return text("ok");
  }

  async function batch(params: Params, call: Call): Promise<Answer> {
    const how = call.method === "DELETE" ? "removeMetadata" : "mergeMetadata";
    return json({ updated: await editMetadata(naming, serviceOf(params), params, how, callerOf(call)) });
  }

  const beat = async (params: Params, call: Call): Promise<Answer> =>
    json(await heartbeat(naming, serviceOf(params), params, callerOf(call)));

  return [
    v1("POST", path, "open", `POST ${client}`, publish),
    v1("DELETE", path, "open", `DELETE ${client}`, withdraw),
    v1("PUT", path, "admin", `PUT ${admin}`, replace),
    v1("PATCH", path, "admin", `PUT ${admin}/partial`, patch),
    v1("GET", path, "admin", `GET ${admin}`, (params) => json(detail(naming, params))),
    v1("GET", `${path}/list`, "open", `GET ${client}/list`, (params, call) => jsonText(list(naming, params, call))),
    v1("PUT", `${path}/beat`, "open", `POST ${client}?heartBeat=true`, beat),
    v1(["PUT", "DELETE"], `${path}/metadata/batch`, "admin", `PUT or DELETE ${admin}/metadata/batch`, batch),
    v1(ANY_METHOD, `${path}/statuses`, "admin", "", (params) =>
      json(statuses(naming, statusKey(params.required("key")))),
    ),
  ];
}

function detail(naming: Naming, params: Params): Record<string, unknown> {
  const service = serviceOf(params);
  const instance = findInstance(naming, service, addressIn(params));
  const { ip, port, cluster, weight, healthy, metadata } = instance;
  return {
    service: groupedName(service),
    ip,
    port,
    clusterName: cluster,
    weight: double(weight),
    healthy,
    instanceId: instanceIdOf(service, instance),
    metadata,
  };
}

/** Never fails for a service that does not exist: its list is empty. */
function list(naming: Naming, params: Params, call: Call): Uint8Array | string {
  const service = serviceOf(params);
  const clusters = params.text("clusters", "");
  const clientIp = params.text("clientIP", "");
  const udpPort = params.integer("udpPort", 0);
  if (udpPort > 0 && udpPort <= 65_535)
    subscribeUdp(naming, service, clusters, clientIp || call.sourceIp, udpPort, call);
  const query = { clusters, healthyOnly: params.isTrue("healthyOnly"), consumerIp: clientIp || call.sourceIp };
  return naming.written(service, query, "v1", "info", (info) => info);
}

/** A client that listens on a port is told of changes from now on, if it is one that understands. */
export function subscribeUdp(
  naming: Naming,
  service: ServiceName,
  clusters: string,
  ip: string,
  port: number,
  call: Call,
): void {
  const { switches } = naming.state;
  const versions = {
    java: switches.pushVersionOfJava,
    go: switches.pushVersionOfGo,
    python: switches.pushVersionOfPython,
    c: switches.pushVersionOfC,
    csharp: switches.pushVersionOfCSharp,
  };
  if (!switches.pushEnabled || !pushCapable(call.agent, versions)) return;
  try {
    naming.submit({ type: "subscribeUdp", service, clusters, ip, port, caller: callerOf(call) });
  } catch (refused) {
    // Packets are an extra: a client that may not have more of them still polls.
    if (!(refused instanceof RegistryError)) throw refused;
  }
}

/** `group@@name` or `namespace##group@@name`; v1 and v2 ask for the same. @throws RegistryError `invalidParameter`. */
export function statusKey(key: string): ServiceName {
  const at = key.indexOf("##");
  const service = serviceNameOf(
    at === -1 ? undefined : key.slice(0, at),
    undefined,
    at === -1 ? key : key.slice(at + 2),
  );
  if (key.includes("@@") && service.name !== "") return service;
  throw new RegistryError(
    "invalidParameter",
    "Param 'key' is illegal, it should be format as 'groupName@@serviceName'",
  );
}

export function statuses(naming: Naming, name: ServiceName): { ips: readonly string[] } {
  const service = findService(naming.state, name);
  if (service === undefined) return { ips: [] };
  const all = { clusters: "", healthyOnly: false, consumerIp: undefined };
  const { instances } = choose(naming.state, service, all);
  return { ips: instances.map(({ ip, port, healthy }) => `${ip}:${port}_${healthy}`) };
}
