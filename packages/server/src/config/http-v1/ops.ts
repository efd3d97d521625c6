import { setLogLevel } from "../../naming/operations.ts";
import { jsonText, restResult, text } from "../../transport/http/answers.ts";
import { iso } from "../http-common/bodies.ts";
import { capacityBody, limitsIn, scopeIn } from "../http-common/capacity.ts";
import type { ConfigHttpDeps } from "../http-common/deps.ts";
import { heldAt } from "../http-common/listeners.ts";
import { nameIn, V1 } from "../http-common/names.ts";
import { type ConfigRow, configV1 } from "./rows.ts";

/** Why SQL cannot be sent to this server: what it stores is its own, and there is no Derby. */
export const NO_DERBY = "the storage of this server is not Derby, and takes no SQL from outside";

/** Capacities, health and what operators do, below `/v1/cs`. */
export function opsRows(deps: ConfigHttpDeps): readonly ConfigRow[] {
  const { configs, readiness } = deps;
  const admin = "/v3/admin/cs";
  const metrics = (path: string) =>
    configV1("GET", path, "admin", `GET ${admin}/metrics/cluster`, async (params) => {
      const name = params.optional("dataId") === undefined ? undefined : nameIn(params, V1);
      return jsonText(await heldAt(deps, params.bound("ip"), name));
    });
  return [
    configV1("GET", "/v1/cs/capacity", "admin", `GET ${admin}/capacity`, (params) => {
      const scope = scopeIn(params, "group", "tenant");
      return restResult(capacityBody(scope, configs.capacity(scope), iso));
    }),
    configV1("POST", "/v1/cs/capacity", "admin", `POST ${admin}/capacity`, async (params) => {
      const scope = scopeIn(params, "group", "tenant");
      await configs.setCapacity(scope, limitsIn(params));
      return restResult(true, "successfully updated the capacity information");
    }),
    configV1("GET", "/v1/cs/health", "admin", "GET /v3/admin/core/state/readiness", () => {
      const { status, reason } = readiness.state();
      return text(status === "UP" ? "UP" : `${status === "DOWN" ? "DOWN" : "WARN"}:${reason ?? status}`);
    }),
    // Contents are read from the store when they are asked for: there is no copy on disk that could be out of date.
    configV1("POST", "/v1/cs/ops/localCache", "admin", `POST ${admin}/ops/localCache`, () => text("200")),
    configV1("PUT", "/v1/cs/ops/log", "admin", `PUT ${admin}/ops/log`, (params) => {
      setLogLevel(params, deps.setLogLevel);
      return text("200");
    }),
    configV1("GET", "/v1/cs/ops/derby", "admin", "", () => restResult(null, NO_DERBY, 500)),
    configV1("POST", "/v1/cs/ops/data/removal", "admin", "", () => restResult(null, NO_DERBY, 500)),
    metrics("/v1/cs/metrics/cluster"),
    metrics("/v1/cs/metrics/current"),
  ];
}
