import { type ConfigState, type IpOf, type Listened, listenedAt, listenersOf } from "@nacre/core/config";
import { type ConfigName, configKey } from "@nacre/protocol";
import { inTurns } from "../../storage/turn.ts";
import type { ConfigHttpDeps } from "./deps.ts";

/**
 * Who listens, as JSON objects of md5: one connection may listen to fifty thousand configurations, so that these are
 * looked for and written with the event loop free in between.
 */

type Deps = Pick<ConfigHttpDeps, "configs" | "connections">;
type Work<T> = Generator<undefined, T>;

/** Fields that are written between two pauses. */
const FIELDS = 256;

/** Who listens to a configuration: md5 by address. */
export function statusOfConfig({ configs, connections }: Deps, name: ConfigName): Promise<string> {
  return inTurns(byAddress(configs.state, name, ipOf(connections)));
}

/** What is listened to from an address: md5 by group key. Without a namespace that of all of them. */
export function statusOfIp({ configs, connections }: Deps, ip: string, namespace?: string): Promise<string> {
  return inTurns(byKey(configs.state, ip, namespace, ipOf(connections)));
}

/** What clients at an address hold, as their listeners say: of one configuration, or of all. */
export async function heldAt(deps: Deps, ip: string, name: ConfigName | undefined): Promise<string> {
  if (name === undefined) return statusOfIp(deps, ip);
  const { configs, connections } = deps;
  const md5 = (await inTurns(listenersOf(configs.state, name, ipOf(connections)))).get(ip);
  return JSON.stringify(md5 === undefined ? {} : { [configKey(name)]: md5 });
}

function* byAddress(state: ConfigState, name: ConfigName, of: IpOf): Work<string> {
  return yield* objectOf(yield* listenersOf(state, name, of));
}

function* byKey(state: ConfigState, ip: string, namespace: string | undefined, of: IpOf): Work<string> {
  return yield* objectOf(fieldsOf(yield* listenedAt(state, ip, of), namespace));
}

function* fieldsOf(listened: readonly Listened[], namespace: string | undefined): Iterable<[string, string]> {
  for (const { name, md5 } of listened)
    if (namespace === undefined || name.namespace === namespace) yield [configKey(name), md5];
}

function* objectOf(fields: Iterable<readonly [string, string]>): Work<string> {
  const parts: string[] = [];
  let some: string[] = [];
  for (const [key, value] of fields) {
    some.push(`${JSON.stringify(key)}:${JSON.stringify(value)}`);
    if (some.length < FIELDS) continue;
    parts.push(some.join());
    some = [];
    yield;
  }
  if (some.length > 0) parts.push(some.join());
  return `{${parts.join()}}`;
}

function ipOf(connections: Deps["connections"]): IpOf {
  return (id) => {
    const connection = connections.get(id);
    return connection === undefined ? undefined : connection.clientIp || connection.remoteIp;
  };
}
