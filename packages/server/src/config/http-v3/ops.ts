import { setLogLevel } from "../../naming/operations.ts";
import { type Answer, result, resultFailure, resultText } from "../../transport/http/answers.ts";
import type { Route } from "../../transport/http/route.ts";
import { v3 } from "../../transport/http/rows.ts";
import { capacityBody, limitsIn, scopeIn } from "../http-common/capacity.ts";
import type { ConfigHttpDeps } from "../http-common/deps.ts";
import { heldAt, listenersStatus } from "../http-common/listeners.ts";
import { nameIn, V3 } from "../http-common/names.ts";
import { listenedNamespace } from "../http-v1/listener.ts";
import { NO_DERBY } from "../http-v1/ops.ts";
import { ADMIN, type Surface } from "./surface.ts";

/** Who listens: by configuration, and by address. */
export function listenerRoutes(deps: ConfigHttpDeps, { base, isConsole }: Surface): readonly Route[] {
  return [
    v3("GET", `${base}/config/listener`, (params) => {
      const name = nameIn(params, V3);
      return status("config", listenersStatus(deps, { name }, params.boolean("aggregation", true)));
    }),
    v3("GET", isConsole ? `${base}/config/listener/ip` : `${base}/listener`, (params) => {
      const namespace = listenedNamespace(params, V3.namespace);
      const ip = params.required("ip").trim();
      return status("ip", listenersStatus(deps, { ip, namespace }, params.boolean("aggregation", true)));
    }),
  ];
}

async function status(queryType: "config" | "ip", found: Promise<string>): Promise<Answer> {
  return resultText(`{"queryType":"${queryType}","listenersStatus":${await found}}`);
}

/** Capacities, and what operators do to a running member. */
export function opsRoutes(deps: ConfigHttpDeps): readonly Route[] {
  const { configs } = deps;
  const { base } = ADMIN;
  const metrics = (path: string): Route =>
    v3("GET", path, async (params) => {
      const name = params.optional("dataId") === undefined ? undefined : nameIn(params, V3);
      return resultText(await heldAt(deps, params.required("ip").trim(), name));
    });
  const noDerby = () => resultFailure(200, 30000, "server error", NO_DERBY);
  return [
    v3("GET", `${base}/capacity`, (params) => {
      const scope = scopeIn(params, V3.group, V3.namespace);
      return result(capacityBody(scope, configs.capacity(scope), (at) => at));
    }),
    v3("POST", `${base}/capacity`, async (params) => {
      const scope = scopeIn(params, V3.group, V3.namespace);
      await configs.setCapacity(scope, limitsIn(params));
      return result(true);
    }),
    metrics(`${base}/metrics/cluster`),
    metrics(`${base}/metrics/ip`),
    v3("POST", `${base}/ops/localCache`, () => result("contents are read from the store: there is nothing to refresh")),
    v3("PUT", `${base}/ops/log`, (params) => {
      setLogLevel(params, deps.setLogLevel);
      return result("ok");
    }),
    v3("GET", `${base}/ops/derby`, noDerby),
    v3("POST", `${base}/ops/derby/import`, noDerby),
  ];
}
