import type { ConfigCommand, ConfigResult } from "@nacre/core/config";

export type ResultOf<T extends ConfigResult["type"]> = Extract<ConfigResult, { type: T }>;

/**
 * Changes durable state: resolves when the change is durable and applied, with the result of that type.
 * @throws RegistryError what the core decided when the entry was applied, or what keeps the log from taking it.
 */
export type ProposeConfig = <T extends ConfigResult["type"]>(command: ConfigCommand, result: T) => Promise<ResultOf<T>>;
