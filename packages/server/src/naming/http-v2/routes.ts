import { result } from "../../transport/http/answers.ts";
import type { Route } from "../../transport/http/route.ts";
import { v2 } from "../../transport/http/rows.ts";
import type { NamingDeps } from "../http-deps.ts";
import { metricsBody, setSwitch, switchesBody } from "../operations.ts";
import { clientRoutes } from "./client.ts";
import { instanceRoutes } from "./instance.ts";
import { serviceRoutes } from "./service.ts";

/** `/v2/ns`: what scripts and tools of 2.x call. */
export function namingV2Routes(deps: NamingDeps): readonly Route[] {
  const { naming, members } = deps;
  return [
    ...instanceRoutes(naming),
    ...serviceRoutes(naming),
    ...clientRoutes(naming, members),
    ...["/v2/ns/operator", "/v2/ns/ops"].flatMap((base) => operatorRoutes(base, deps)),
  ];
}

function operatorRoutes(base: string, { naming, status, load }: NamingDeps): readonly Route[] {
  const ops = "/v3/admin/ns/ops";
  return [
    v2("GET", `${base}/switches`, "admin", `GET ${ops}/switches`, () => result(switchesBody(naming.state.switches))),
    v2("PUT", `${base}/switches`, "admin", `PUT ${ops}/switches`, async (params) => {
      await setSwitch(naming, params);
      return result("ok");
    }),
    v2("GET", `${base}/metrics`, "admin", `GET ${ops}/metrics`, (params) =>
      result(params.boolean("onlyStatus", true) ? { status: status() } : metricsBody(naming, status(), load())),
    ),
  ];
}
