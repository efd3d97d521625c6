import { RegistryError } from "@nacre/protocol";
import type { StoredConfig } from "../../storage/config-store.ts";
import type { ConfigService } from "../service.ts";

/** Configurations that one answer may list. */
const CONFIGS_MAX = 100_000;

/**
 * All configurations of a namespace without their contents, as the text of a JSON array: it is made row by row, because
 * so many rows at once would hold up everybody else.
 *
 * @throws RegistryError `overThreshold`.
 */
export async function configsText(
  configs: ConfigService,
  namespace: string,
  show: (config: StoredConfig) => unknown,
): Promise<string> {
  const count = configs.state.counts.byNamespace.get(namespace) ?? 0;
  if (count > CONFIGS_MAX)
    throw new RegistryError(
      "overThreshold",
      `namespace '${namespace}' holds ${count} configurations: list them by pages`,
    );
  const rows: string[] = [];
  for await (const config of configs.store.scan({ namespace, wildcards: false, headsOnly: true }))
    rows.push(JSON.stringify(show(config)));
  return `[${rows.join(",")}]`;
}
