import { clusterNames, findService, type Instance, instancesOf, instanceText, type Service } from "@nacre/core/naming";
import { clusterOf, groupedName, type ServiceName } from "@nacre/protocol";
import type { Members } from "../../cluster/members.ts";
import { type Answer, result, resultFailure, resultText } from "../../transport/http/answers.ts";
import type { Params } from "../../transport/http/params.ts";
import type { Route } from "../../transport/http/route.ts";
import { v3 } from "../../transport/http/rows.ts";
import { markedText } from "../bodies.ts";
import type { Naming } from "../naming.ts";
import {
  addressIn,
  callerOf,
  deregister,
  editMetadata,
  ephemeralIn,
  findInstance,
  instanceIn,
  patchIn,
  patchOverride,
  register,
  replaceOverride,
  serviceOf,
} from "../operations.ts";

const ok = (): Answer => result("ok");

/** Publishing and taking back, as the client API and the admin API have it. */
export function publishRoutes(naming: Naming, path: string): readonly [post: Route, remove: Route] {
  return [
    v3("POST", path, async (params, call) => {
      await register(naming, serviceOf(params), instanceIn(params), ephemeralIn(naming, params), callerOf(call));
      return ok();
    }),
    v3("DELETE", path, async (params, call) => {
      await deregister(naming, serviceOf(params), addressIn(params), ephemeralIn(naming, params), callerOf(call));
      return ok();
    }),
  ];
}

/** Replaces what an operator set for an instance. */
export function updateRoute(naming: Naming, path: string): Route {
  return v3("PUT", path, async (params, call) => {
    await replaceOverride(naming, serviceOf(params), instanceIn(params), callerOf(call));
    return ok();
  });
}

export function instanceRoutes(naming: Naming, members: Members): readonly Route[] {
  const path = "/v3/admin/ns/instance";
  return [
    ...publishRoutes(naming, path),
    updateRoute(naming, path),
    v3("PUT", `${path}/partial`, async (params, call) => {
      await patchOverride(naming, serviceOf(params), addressIn(params), patchIn(params), callerOf(call));
      return ok();
    }),
    v3("PUT", `${path}/metadata/batch`, async (params, call) =>
      result({ updated: await editMetadata(naming, serviceOf(params), params, "mergeMetadata", callerOf(call)) }),
    ),
    v3("DELETE", `${path}/metadata/batch`, async (params, call) =>
      result({ updated: await editMetadata(naming, serviceOf(params), params, "removeMetadata", callerOf(call)) }),
    ),
    v3("GET", path, (params) => {
      const name = serviceOf(params);
      const instance = findInstance(naming, name, addressIn(params));
      const service = findService(naming.state, name);
      return resultText(service === undefined ? instanceText(name, instance) : markedText(service, instance, members));
    }),
    v3("GET", `${path}/list`, (params) => {
      const service = serviceOf(params);
      const found = operatorList(naming, service, params);
      if (typeof found === "string") return resultFailure(404, 30000, "server error", found);
      return resultText(
        `[${found.instances.map((instance) => markedText(found.service, instance, members)).join(",")}]`,
      );
    }),
  ];
}

export interface OperatorList {
  readonly service: Service;
  readonly instances: readonly Instance[];
}

/** The instances of one cluster as operators see them; or what is not found, as a sentence. */
export function operatorList(naming: Naming, name: ServiceName, params: Params): OperatorList | string {
  const service = findService(naming.state, name);
  const cluster = clusterOf(params.optional("clusterName"));
  if (service?.listed !== true) return `service ${groupedName(name)} is not found!`;
  if (!clusterNames(service).includes(cluster)) return `cluster ${cluster} is not found!`;
  const healthyOnly = params.boolean("healthyOnly", false);
  return { service, instances: instancesOf(service, cluster).filter(({ healthy }) => healthy || !healthyOnly) };
}
