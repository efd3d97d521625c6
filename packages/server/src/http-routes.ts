import { loginRoutes } from "./auth/http.ts";
import type { Balancer } from "./cluster/balancer.ts";
import { diagnosisRoutes } from "./cluster/diagnosis-http.ts";
import { clusterRoutes } from "./cluster/http.ts";
import type { LazyDiagnosis } from "./cluster/lazy-diagnosis.ts";
import type { Orders } from "./cluster/orders.ts";
import { orderRoutes } from "./cluster/orders-http.ts";
import type { Peers } from "./cluster/peer-calls.ts";
import type { ConfigHttpDeps } from "./config/http-common/deps.ts";
import { configV1Routes } from "./config/http-v1/routes.ts";
import { configV2Routes } from "./config/http-v2/routes.ts";
import { configV3Routes } from "./config/http-v3/routes.ts";
import type { Connections } from "./connections/connections.ts";
import { loaderRoutes } from "./connections/http.ts";
import type { MemberLoad } from "./connections/loader.ts";
import { metricsRoutes } from "./metrics/http.ts";
import type { Metrics } from "./metrics/metrics.ts";
import { namespaceRoutes } from "./namespaces/http.ts";
import type { NamingDeps } from "./naming/http-deps.ts";
import { namingV1Routes } from "./naming/http-v1/routes.ts";
import { namingV2Routes } from "./naming/http-v2/routes.ts";
import { namingV3AdminRoutes, namingV3ConsoleRoutes } from "./naming/http-v3-admin/routes.ts";
import { namingV3ClientRoutes } from "./naming/http-v3-client/routes.ts";
import { opsRoutes } from "./ops/http.ts";
import { consistentReads } from "./ops/raft/consistency.ts";
import { raftRoutes } from "./ops/raft/http.ts";
import type { LazyRaftOps } from "./ops/raft/lazy-raft-ops.ts";
import type { OwnGroup } from "./ops/raft/own-group.ts";
import type { Route } from "./transport/http/route.ts";

/** What the HTTP interface is answered from. */
export interface HttpDeps extends NamingDeps, Omit<ConfigHttpDeps, "connections"> {
  readonly connections: Connections;
  readonly metrics: Metrics;
  readonly peers: Peers;
  readonly ownLoad: () => MemberLoad;
  readonly balancer: Pick<Balancer, "plan"> | undefined;
  readonly diagnosis: Pick<LazyDiagnosis, "report" | "cluster">;
  readonly orders: Orders;
  readonly raft: Pick<LazyRaftOps, "ops">;
  /** Undefined for a server that keeps nothing on disk. */
  readonly group: () => OwnGroup | undefined;
  /** Names of actuator endpoints that answer; `*` for all. */
  readonly exposed: readonly string[];
  /** Whether Prometheus may list instances. */
  readonly discovery: boolean;
}

/** Every endpoint of the server, below its context path, but those of its state (`state/http.ts`). */
export function httpRoutes(deps: HttpDeps): readonly Route[] {
  const { naming, members, connections, peers, ownLoad, balancer, diagnosis, orders, raft, setLogLevel } = deps;
  const routes = [
    ...namingV1Routes(deps),
    ...namingV2Routes(deps),
    ...namingV3ClientRoutes(naming),
    ...namingV3AdminRoutes(deps),
    ...namingV3ConsoleRoutes(deps),
    ...configV1Routes(deps),
    ...configV2Routes(deps),
    ...configV3Routes(deps),
    ...loginRoutes(),
    ...namespaceRoutes(deps),
    ...clusterRoutes(members, orders),
    ...orderRoutes(orders),
    ...diagnosisRoutes(diagnosis),
    ...loaderRoutes({ connections, own: ownLoad, peers, balancer }),
    ...opsRoutes(setLogLevel),
    ...raftRoutes(raft),
    ...metricsRoutes(deps),
  ];
  return consistentReads(routes, () => deps.group());
}
