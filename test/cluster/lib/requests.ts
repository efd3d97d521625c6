import { service } from "../../hostile/lib/requests.ts";
import { partsOf } from "./driver.ts";
import type { Host } from "./history.ts";

/** What is said to a member about one instance, as SDKs say it. */
export function instanceRequest(serviceName: string, address: string, type = "registerInstance"): object {
  const instance = {
    ...partsOf(address),
    weight: 1,
    healthy: true,
    enabled: true,
    ephemeral: true,
    clusterName: "DEFAULT",
    metadata: {},
  };
  return { ...service(serviceName), type, instance };
}

export function subscribeRequest(serviceName: string): object {
  return { ...service(serviceName), subscribe: true, clusters: "" };
}

export function queryRequest(serviceName: string): object {
  return { ...service(serviceName), cluster: "", healthyOnly: false, udpPort: 0 };
}

/** A list of a service as it crosses the wire. */
export interface ServiceInfo {
  readonly name: string;
  readonly lastRefTime: number;
  readonly hosts: readonly { readonly ip: string; readonly port: number; readonly healthy: boolean }[];
}

export function hostsOf({ hosts }: ServiceInfo): Host[] {
  return hosts.map(({ ip, port, healthy }) => ({ address: `${ip}:${port}`, healthy }));
}
