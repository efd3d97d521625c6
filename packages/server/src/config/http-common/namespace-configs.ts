import { RegistryError } from "@nacre/protocol";
import type { StoredConfig } from "../../storage/config-store.ts";
import type { ConfigService } from "../service.ts";

/** Configurations that one answer may list. */
const CONFIGS_MAX = 100_000;

/** All configurations of a namespace, without their contents. @throws RegistryError `overThreshold`. */
export async function configsOf<T>(
  configs: ConfigService,
  namespace: string,
  show: (config: StoredConfig) => T,
): Promise<readonly T[]> {
  const count = configs.state.counts.byNamespace.get(namespace) ?? 0;
  if (count > CONFIGS_MAX)
    throw new RegistryError(
      "overThreshold",
      `namespace '${namespace}' holds ${count} configurations: list them by pages`,
    );
  const found: T[] = [];
  for await (const config of configs.store.scan({ namespace, wildcards: false, headsOnly: true }))
    found.push(show(config));
  return found;
}
