import { clusterReport, type MemberReport } from "@nacre/core/diagnosis";
import { RegistryError } from "@nacre/protocol";
import { ALONE } from "./cluster/orders.ts";
import { NO_PEERS } from "./cluster/peer-calls.ts";
import { type TestConfigs, testConfigs } from "./config/http.fixture.ts";
import { type HttpDeps, httpRoutes } from "./http-routes.ts";
import { newMetrics } from "./metrics/metrics.ts";
import { TestHttp } from "./naming/http.fixture.ts";
import { KEEPS_NOTHING } from "./ops/raft/own-group.ts";
import { type StateSetup, stateRoutes } from "./state/http.ts";
import { statusOf } from "./transport/http/filters.ts";
import type { HttpServerSetup } from "./transport/http/http-server.ts";

const OFF = { state: "off", since: 0, reason: undefined, fix: undefined } as const;
const NO_REPORT: MemberReport = {
  member: { id: "m", address: "10.0.0.1:8848" },
  at: 0,
  version: "1.2.3",
  findings: [],
  ready: true,
  sentence: undefined,
  subsystems: { members: OFF, ap: OFF, cp: OFF, config: OFF, store: OFF, disk: OFF, clock: OFF },
};

/** Every route of the server over real cores and shells, without a socket. */
export function allHttp(
  some: Partial<HttpServerSetup> = {},
  differently: Partial<HttpDeps & StateSetup> = {},
): TestHttp {
  let configs: TestConfigs | undefined;
  const http = new TestHttp(some, (test) => {
    configs = testConfigs(test);
    const filters = { readiness: { state: () => test.ready }, switches: () => test.naming.state.switches };
    const { naming, members, connections } = test;
    const exposed = ["health", "prometheus"];
    const facts = () => ({ version: "1.2.3", port: 8848, mode: "standalone" }) as const;
    const routes = httpRoutes({
      ...configs,
      ...filters,
      naming,
      members,
      connections,
      status: () => statusOf(filters),
      load: () => ({ cpu: 0.12, load: 0.5, mem: 0.4 }),
      setLogLevel: (name, level) => test.logLevels.push(`${name}=${level}`),
      exposed,
      discovery: true,
      metrics: newMetrics({}),
      peers: NO_PEERS,
      ownLoad: () => ({ address: "10.0.0.1:8848", ready: true, connections: connections.count, load: 0.5, cpu: 0.12 }),
      balancer: undefined,
      orders: {
        matrix: () => {
          throw new RegistryError("illegalState", ALONE);
        },
        converge: () => Promise.reject(new RegistryError("illegalState", ALONE)),
        switchLookup: () => {
          throw new RegistryError("illegalState", ALONE);
        },
        join: () => Promise.reject(new RegistryError("illegalState", ALONE)),
        cancelJoin: () => {
          throw new RegistryError("illegalState", ALONE);
        },
        forget: () => Promise.reject(new RegistryError("illegalState", ALONE)),
        stop: async () => {},
      },
      raft: { ops: () => Promise.reject(new RegistryError("illegalState", KEEPS_NOTHING)) },
      group: () => undefined,
      diagnosis: {
        report: () => Promise.resolve(NO_REPORT),
        cluster: () => Promise.resolve(clusterReport(NO_REPORT, [])),
      },
      ...differently,
    });
    // v1 naming is there already.
    return [...routes, ...stateRoutes({ ...filters, facts, exposed, ...differently })].filter(
      ({ path }) => !path.startsWith("/v1/ns/"),
    );
  });
  const close = http.close.bind(http);
  http.close = async () => {
    await close();
    await configs?.close();
  };
  return http;
}
