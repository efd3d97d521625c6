import { listenedAt, listenersOf } from "@nacre/core/config";
import { type ConfigName, configKey } from "@nacre/protocol";
import type { ConfigHttpDeps } from "./deps.ts";

type Deps = Pick<ConfigHttpDeps, "configs" | "connections">;

/** Who listens to a configuration: md5 by address. */
export function statusOfConfig({ configs, connections }: Deps, name: ConfigName): Record<string, string> {
  return Object.fromEntries(listenersOf(configs.state, name, ipOf(connections)));
}

/** What is listened to from an address: md5 by group key. Without a namespace that of all of them. */
export function statusOfIp({ configs, connections }: Deps, ip: string, namespace?: string): Record<string, string> {
  const found = listenedAt(configs.state, ip, ipOf(connections));
  const wanted = namespace === undefined ? found : found.filter(({ name }) => name.namespace === namespace);
  return Object.fromEntries(wanted.map(({ name, md5 }) => [configKey(name), md5]));
}

function ipOf(connections: Deps["connections"]) {
  return (id: string): string | undefined => {
    const connection = connections.get(id);
    return connection === undefined ? undefined : connection.clientIp || connection.remoteIp;
  };
}

/** What clients at an address hold, as their listeners say: of one configuration, or of all. */
export function heldAt(deps: Deps, ip: string, name: ConfigName | undefined): Record<string, string> {
  const found = statusOfIp(deps, ip);
  if (name === undefined) return found;
  const key = configKey(name);
  const md5 = found[key];
  return md5 === undefined ? {} : { [key]: md5 };
}
