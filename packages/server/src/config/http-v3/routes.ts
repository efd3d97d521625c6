import type { Route } from "../../transport/http/route.ts";
import type { ConfigHttpDeps } from "../http-common/deps.ts";
import { configV3ClientRoutes } from "./client.ts";
import { configRoutes } from "./config.ts";
import { historyRoutes } from "./history.ts";
import { listenerRoutes, opsRoutes } from "./ops.ts";
import { ADMIN, CONSOLE } from "./surface.ts";
import { transferRoutes } from "./transfer.ts";

/** Configuration in version 3: for clients, for operators and their tools, and for a console. */
export function configV3Routes(deps: ConfigHttpDeps): readonly Route[] {
  const surfaces = [ADMIN, CONSOLE].flatMap((surface) => [
    ...configRoutes(deps, surface),
    ...listenerRoutes(deps, surface),
    ...transferRoutes(deps, surface),
    ...historyRoutes(deps, surface),
  ]);
  return [...configV3ClientRoutes(deps), ...surfaces, ...opsRoutes(deps)];
}
