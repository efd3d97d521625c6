import { ALWAYS_RESPONSIBLE } from "../responsibility.ts";
import { Configs, type ConfigsSetup } from "./configs.ts";

/** A shell with what tests seldom care about filled in: no ciphers, no services, contents that are never wrong. */
export function testedConfigs(
  parts: Pick<ConfigsSetup, "clock" | "log" | "connections">,
  some: Partial<ConfigsSetup> = {},
): Configs {
  return new Configs({
    options: {},
    contentCacheBytes: 1024 * 1024,
    retentionDays: 30,
    memberId: "m",
    responsibility: ALWAYS_RESPONSIBLE,
    ciphers: [],
    checkContent: async () => undefined,
    services: { count: () => 0, remove: async () => {} },
    ...parts,
    ...some,
  });
}
