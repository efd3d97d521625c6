import { page, serviceNames } from "@nacre/core/naming";
import { RegistryError } from "@nacre/protocol";
import { type Answer, result } from "../../transport/http/answers.ts";
import type { Params } from "../../transport/http/params.ts";
import type { Route } from "../../transport/http/route.ts";
import { v2 } from "../../transport/http/rows.ts";
import { serviceBodyV2 } from "../bodies.ts";
import type { Naming } from "../naming.ts";
import {
  addressIn,
  createService,
  deleteService,
  groupIn,
  listedService,
  namespaceIn,
  serviceEditOf,
  serviceOf,
  setHealthByHand,
  updateService,
} from "../operations.ts";

/** Nobody shows more lines at a time; a larger page is cut to this, as in the reference. */
const PAGE_SIZE_MAX = 500;

const ok = (): Answer => result("ok");

/** `/v2/ns/service` and `/v2/ns/health`. */
export function serviceRoutes(naming: Naming): readonly Route[] {
  const path = "/v2/ns/service";
  const admin = "/v3/admin/ns/service";
  const setHealth = async (params: Params) => {
    const service = serviceOf(params);
    const at = addressIn(params);
    if (params.optional("healthy") === undefined)
      throw new RegistryError("healthyParamMissing", "Required parameter 'healthy' type Boolean is not present");
    await setHealthByHand(naming, service, at, params.boolean("healthy", true));
    return ok();
  };
  return [
    v2("POST", path, "admin", `POST ${admin}`, async (params) => {
      const service = serviceOf(params);
      await createService(naming, service, params.boolean("ephemeral", false), serviceEditOf(params));
      return ok();
    }),
    v2("PUT", path, "admin", `PUT ${admin}`, async (params) => {
      await updateService(naming, serviceOf(params), serviceEditOf(params));
      return ok();
    }),
    v2("DELETE", path, "admin", `DELETE ${admin}`, async (params) => {
      await deleteService(naming, serviceOf(params));
      return ok();
    }),
    v2("GET", path, "admin", `GET ${admin}`, (params) =>
      result(serviceBodyV2(listedService(naming, serviceOf(params)))),
    ),
    v2("GET", `${path}/list`, "admin", `GET ${admin}/list`, (params) => {
      const pageNo = Math.max(1, params.integer("pageNo", 1));
      const pageSize = Math.min(PAGE_SIZE_MAX, Math.max(0, params.integer("pageSize", 20)));
      const names = serviceNames(naming.state, namespaceIn(params), groupIn(params));
      const { total, items } = page(names, pageNo, pageSize);
      return result({ count: total, services: items });
    }),
    v2("PUT", "/v2/ns/health", "admin", "PUT /v3/admin/ns/health/instance", setHealth),
    v2("PUT", "/v2/ns/health/instance", "admin", "PUT /v3/admin/ns/health/instance", setHealth),
  ];
}
