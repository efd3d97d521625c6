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
import { type StateSetup, stateRoutes } from "./state/http.ts";
import type { Route } from "./transport/http/route.ts";

/** What the whole HTTP interface is answered from. */
export interface HttpDeps extends NamingDeps, StateSetup, Omit<ConfigHttpDeps, "connections"> {
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
  /** Whether Prometheus may list instances. */
  readonly discovery: boolean;
}

/** Every endpoint of the server, below its context path. */
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
    ...stateRoutes(deps),
    ...metricsRoutes(deps),
  ];
  return consistentReads(routes, () => deps.group());
}

/** What the console's port answers too: the console's paths, health, and the list of servers for discovery. */
export function consoleRoutes(routes: readonly Route[]): readonly Route[] {
  return routes.filter(({ path }) => CONSOLE.test(path));
}

const CONSOLE = /^\/(?:v[123]\/console\/.*|v[13]\/auth\/.*|actuator\/health.*|serverlist|index\.html|)$/;
