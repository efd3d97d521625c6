import { countsOf, isOwn, type Switches } from "@nacre/core/naming";
import { double, RegistryError } from "@nacre/protocol";
import type { ProcessLoad } from "../../metrics/load.ts";
import type { Params } from "../../transport/http/params.ts";
import type { Naming } from "../naming.ts";

/** The figures of `operator/metrics`. v3 leaves out what `withProcess` adds. */
export function metricsBody(naming: Naming, status: string, load: ProcessLoad | undefined): Record<string, unknown> {
  const { services, instances, subscriptions, clients } = countsOf(naming.state);
  const own = ownCounts(naming);
  const clientCount = clients.connection + clients.address + clients.persistent;
  return {
    status,
    serviceCount: services,
    instanceCount: instances,
    subscribeCount: subscriptions,
    ...(load !== undefined && { responsibleInstanceCount: own.instances }),
    clientCount,
    connectionBasedClientCount: clients.connection,
    ephemeralIpPortClientCount: clients.address,
    persistentIpPortClientCount: clients.persistent,
    responsibleClientCount: own.clients,
    ...(load !== undefined && { cpu: double(load.cpu), load: double(load.load), mem: double(load.mem) }),
  };
}

/** What this member speaks for: copies of what others own are theirs. */
function ownCounts({ state }: Naming): { clients: number; instances: number } {
  const counts = { clients: 0, instances: 0 };
  for (const client of state.clients.values()) {
    if (!isOwn(state, client)) continue;
    counts.clients++;
    for (const { entries } of client.publications.values()) counts.instances += entries.length;
  }
  return counts;
}

/** All switches as the API shows them, with the dead ones that dashboards and scripts still read. */
export function switchesBody(switches: Switches): Record<string, unknown> {
  const { distroThreshold, httpHealthParams, tcpHealthParams, mysqlHealthParams, ...rest } = switches;
  const params = (held: Switches["httpHealthParams"]) => ({ ...held, factor: double(held.factor) });
  return {
    name: "00-00---000-NACOS_SWITCH_DOMAIN-000---00-00",
    adWeightMap: {},
    incrementalList: [],
    healthCheckWhiteList: [],
    enableAuthentication: false,
    checksum: null,
    ...rest,
    distroThreshold: double(distroThreshold),
    httpHealthParams: params(httpHealthParams),
    tcpHealthParams: params(tcpHealthParams),
    mysqlHealthParams: params(mysqlHealthParams),
  };
}

/** Changes one switch, durably. @throws RegistryError `invalidParameter` for an unknown entry or a value it refuses. */
export async function setSwitch(naming: Naming, params: Params): Promise<void> {
  const entry = params.required("entry").trim();
  const value = params.raw("value");
  // An empty value is a value: it takes a status or a list back.
  if (value === undefined) params.required("value");
  await naming.propose({ type: "setSwitch", entry, value: value?.trim() ?? "" });
}

/** Sets the level of a log by name. */
export type SetLogLevel = (logName: string, level: string) => void;

const LEVELS = ["trace", "debug", "info", "warn", "error", "off"];

/** @throws RegistryError `invalidParameter` for a level that does not exist. */
export function setLogLevel(params: Params, apply: SetLogLevel): void {
  const name = params.required("logName");
  const level = params.required("logLevel").trim().toLowerCase();
  if (!LEVELS.includes(level))
    throw new RegistryError("invalidParameter", `Param 'logLevel' must be one of ${LEVELS.join(", ")}.`);
  apply(name, level);
}
