import { CHECKERS } from "@nacre/core/health";
import { page } from "@nacre/core/naming";
import { RegistryError } from "@nacre/protocol";
import { pageText, result, resultFailure, resultText } from "../../transport/http/answers.ts";
import { ANY_METHOD, type Route } from "../../transport/http/route.ts";
import { v3 } from "../../transport/http/rows.ts";
import { markedText } from "../bodies.ts";
import type { NamingDeps } from "../http-deps.ts";
import {
  addressIn,
  metricsBody,
  serviceOf,
  setHealthByHand,
  setLogLevel,
  setSwitch,
  switchesBody,
} from "../operations.ts";
import { clientRoutes } from "./client.ts";
import { instanceRoutes, operatorList, updateRoute } from "./instance.ts";
import { journalRoute } from "./journal.ts";
import { pageIn } from "./pages.ts";
import { clusterRoute, serviceRoutes } from "./service.ts";

/** `/v3/admin/ns`: everything operators and tools do with naming. */
export function namingV3AdminRoutes(deps: NamingDeps): readonly Route[] {
  const { naming, members, peers, status, setLogLevel: apply } = deps;
  const base = "/v3/admin/ns";
  return [
    ...instanceRoutes(naming, members),
    ...serviceRoutes(naming, peers, base),
    clusterRoute(naming, `${base}/cluster`),
    ...clientRoutes(naming, members),
    journalRoute(naming, members, peers),

    v3("PUT", `${base}/health/instance`, async (params) => {
      const service = serviceOf(params);
      const at = addressIn(params);
      if (params.optional("healthy") === undefined)
        throw new RegistryError("healthyParamMissing", "Required parameter 'healthy' type Boolean is not present");
      await setHealthByHand(naming, service, at, params.boolean("healthy", true));
      return result("ok");
    }),
    v3("GET", `${base}/health/checkers`, () => result(CHECKERS)),

    v3("GET", `${base}/ops/switches`, () => result(switchesBody(naming.state.switches))),
    v3("PUT", `${base}/ops/switches`, async (params) => {
      await setSwitch(naming, params);
      return result("ok");
    }),
    v3("GET", `${base}/ops/metrics`, (params) =>
      result(params.boolean("onlyStatus", true) ? { status: status() } : metricsBody(naming, status(), undefined)),
    ),
    v3("PUT", `${base}/ops/log`, (params) => {
      setLogLevel(params, apply);
      return result("ok");
    }),
  ];
}

/** `/v3/console/ns`: the part of it that a console shows. */
export function namingV3ConsoleRoutes({
  naming,
  members,
  peers,
}: Pick<NamingDeps, "naming" | "members" | "peers">): readonly Route[] {
  const base = "/v3/console/ns";
  return [
    ...serviceRoutes(naming, peers, base),
    clusterRoute(naming, `${base}/service/cluster`),
    updateRoute(naming, `${base}/instance`),
    v3(ANY_METHOD, `${base}/instance/list`, (params) => {
      const { pageNo, pageSize } = pageIn(params);
      const service = serviceOf(params);
      const found = operatorList(naming, service, params);
      if (typeof found === "string") return resultFailure(404, 30000, "server error", found);
      const { total, items } = page(found.instances, pageNo, pageSize);
      const shown = items.map((instance) => markedText(found.service, instance, members));
      return resultText(pageText(total, pageNo, pageSize, shown));
    }),
  ];
}
