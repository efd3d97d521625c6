import type { Route } from "../../transport/http/route.ts";
import type { ConfigHttpDeps } from "../http-common/deps.ts";
import { configRows } from "./configs.ts";
import { historyRows } from "./history.ts";
import { listenerRows } from "./listener.ts";
import { opsRows } from "./ops.ts";
import { withFailures } from "./rows.ts";

/** Configuration as clients of 1.x and their tools speak it. */
export function configV1Routes(deps: ConfigHttpDeps): readonly Route[] {
  const rows = [...listenerRows(deps), ...configRows(deps), ...historyRows(deps), ...opsRows(deps)];
  return withFailures(rows, deps.wall);
}
