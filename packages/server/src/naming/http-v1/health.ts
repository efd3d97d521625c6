import { CHECKERS } from "@nacre/core/health";
import { countsOf } from "@nacre/core/naming";
import { type Answer, json, text } from "../../transport/http/answers.ts";
import type { Params } from "../../transport/http/params.ts";
import { ANY_METHOD, type Route } from "../../transport/http/route.ts";
import { v1 } from "../../transport/http/rows.ts";
import type { NamingDeps } from "../http-deps.ts";
import { addressIn, serviceOf, setHealthByHand } from "../operations.ts";

/** `/v1/ns/health` and what lies below it. */
export function healthRoutes({ naming, members }: NamingDeps): Route[] {
  const path = "/v1/ns/health";
  const admin = "/v3/admin/ns/health";

  async function update(params: Params): Promise<Answer> {
    const names = ["healthy", "valid"];
    const service = serviceOf(params);
    const at = addressIn(params);
    params.required(names);
    await setHealthByHand(naming, service, at, params.flag(names, true));
    return text("ok");
  }

  function server(): Answer {
    const { services } = countsOf(naming.state);
    const { port } = members.self();
    const msg = `Hello! I am Nacos-Naming and healthy! total services: ${services}, local port:${port}`;
    return text(JSON.stringify({ msg }));
  }

  return [
    v1("PUT", path, "admin", `PUT ${admin}/instance`, update),
    v1("PUT", `${path}/instance`, "admin", `PUT ${admin}/instance`, update),
    v1(ANY_METHOD, `${path}/server`, "admin", "GET /v3/admin/core/state/liveness", server),
    v1("GET", `${path}/checkers`, "admin", `GET ${admin}/checkers`, () => json(CHECKERS)),
  ];
}
