import { page, SELECTOR_TYPES, searchServices } from "@nacre/core/naming";
import type { Peers } from "../../cluster/peer-calls.ts";
import { type Answer, pageBody, result } from "../../transport/http/answers.ts";
import type { Params } from "../../transport/http/params.ts";
import type { Route } from "../../transport/http/route.ts";
import { v3 } from "../../transport/http/rows.ts";
import { serviceBody, serviceLine, subscriberBody } from "../bodies.ts";
import type { Naming } from "../naming.ts";
import {
  clusterMetadataIn,
  createService,
  deleteService,
  listedService,
  namespaceIn,
  serviceEditOf,
  serviceOf,
  updateCluster,
  updateService,
} from "../operations.ts";
import { subscribersIn } from "../subscribers.ts";
import { pageIn } from "./pages.ts";

const ok = (): Answer => result("ok");

/** Services, for the admin API and for the console, which differ in the path before `/service` alone. */
export function serviceRoutes(naming: Naming, peers: Peers, base: string): readonly Route[] {
  const path = `${base}/service`;
  return [
    v3("POST", path, async (params) => {
      const service = serviceOf(params);
      await createService(naming, service, params.boolean("ephemeral", false), serviceEditOf(params));
      return ok();
    }),
    v3("PUT", path, async (params) => {
      await updateService(naming, serviceOf(params), serviceEditOf(params));
      return ok();
    }),
    v3("DELETE", path, async (params) => {
      await deleteService(naming, serviceOf(params));
      return ok();
    }),
    v3("GET", path, (params) => result(serviceBody(listedService(naming, serviceOf(params)), false))),
    v3("GET", `${path}/list`, (params) => result(serviceList(naming, params))),
    v3("GET", `${path}/subscribers`, async (params) => {
      const { pageNo, pageSize } = pageIn(params);
      const found = await subscribersIn(naming, peers, serviceOf(params), params.boolean("aggregation", true));
      const { total, items } = page(found, pageNo, pageSize);
      return result(pageBody(total, pageNo, pageSize, items.map(subscriberBody)));
    }),
    v3("GET", `${path}/selector/types`, () => result(SELECTOR_TYPES)),
  ];
}

/** How a cluster's instances are checked; the console has it below `/service`. */
export function clusterRoute(naming: Naming, path: string): Route {
  return v3("PUT", path, async (params) => {
    const service = serviceOf(params);
    const cluster = params.required("clusterName");
    await updateCluster(naming, service, cluster, clusterMetadataIn(params));
    return ok();
  });
}

function serviceList(naming: Naming, params: Params): unknown {
  const { pageNo, pageSize } = pageIn(params);
  const search = {
    namespace: namespaceIn(params),
    nameContains: params.text("serviceNameParam", ""),
    groupContains: params.text("groupNameParam", ""),
    withoutEmpty: params.boolean("ignoreEmptyService", false),
  };
  const { total, items } = searchServices(naming.state, search, pageNo, pageSize);
  const { zeroThresholdProtects } = naming.state.options;
  const show = params.boolean("withInstances", false)
    ? items.map((service) => serviceBody(service, true))
    : items.map((service) => serviceLine(service, zeroThresholdProtects));
  return pageBody(total, pageNo, pageSize, show);
}
