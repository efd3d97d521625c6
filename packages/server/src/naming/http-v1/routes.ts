import type { Route } from "../../transport/http/route.ts";
import type { NamingDeps } from "../http-deps.ts";
import { catalogRoutes } from "./catalog.ts";
import { healthRoutes } from "./health.ts";
import { instanceRoutes } from "./instance.ts";
import { operatorRoutes } from "./operator.ts";
import { serviceRoutes } from "./service.ts";

/** Naming as clients of 1.x and their tools speak it. What is not here answers 501 below `/v1/ns`. */
export function namingV1Routes(deps: NamingDeps): Route[] {
  const { naming, peers } = deps;
  return [
    ...instanceRoutes(naming),
    ...serviceRoutes(naming, peers),
    ...catalogRoutes(naming),
    ...healthRoutes(deps),
    ...operatorRoutes(deps),
  ];
}
