import { isIPv6 } from "node:net";
import type { ServiceName } from "@nacre/protocol";

export interface SdInstance {
  readonly service: ServiceName;
  readonly ip: string;
  readonly port: number;
  readonly cluster: string;
  readonly weight: number;
  readonly healthy: boolean;
  readonly enabled: boolean;
  readonly ephemeral: boolean;
  readonly metadata: Readonly<Record<string, string>>;
}

/** One element of what Prometheus reads with `http_sd_configs`. */
export interface SdTarget {
  readonly targets: readonly [string];
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * One element per instance, healthy, unhealthy and disabled alike: who wants fewer drops them by a label. Metadata
 * becomes labels of the same name with every character that a label cannot have turned into `_`; when two keys
 * collide, the last one wins. Metadata cannot set the address to scrape, nor our own `__meta_` labels.
 */
export function prometheusTargets(instances: Iterable<SdInstance>): SdTarget[] {
  return Array.from(instances, ({ service, ip, port, cluster, weight, healthy, enabled, ephemeral, metadata }) => {
    const labels = new Map<string, string>();
    for (const [key, value] of Object.entries(metadata)) labels.set(labelName(key), value);
    labels.delete("__address__");
    const own = {
      __meta_clusterName: cluster,
      __meta_nacre_namespace: service.namespace,
      __meta_nacre_group: service.group,
      __meta_nacre_service: service.name,
      __meta_nacre_healthy: String(healthy),
      __meta_nacre_enabled: String(enabled),
      __meta_nacre_ephemeral: String(ephemeral),
      __meta_nacre_weight: String(weight),
    };
    return {
      targets: [isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`],
      labels: { ...Object.fromEntries(labels), ...own },
    };
  });
}

/** A name that every Prometheus takes: one bad name would cost it the whole answer. */
function labelName(key: string): string {
  const name = key.replace(/[^a-zA-Z0-9_]/g, "_");
  return /^[0-9]/.test(name) || name === "" ? `_${name}` : name;
}
