import { findItem, md5For } from "@nacre/core/config";
import { type ConfigName, configKey } from "@nacre/protocol";
import { everyPageOfAll, type Peers } from "../../cluster/peer-calls.ts";
import type { Connections } from "../../connections/connections.ts";
import { inTurns } from "../../storage/turn.ts";
import { type ListenerQuestion, type Listeners, ownListeners } from "../listener-page.ts";
import { clientVersionIn } from "../reached.ts";
import type { ConfigService } from "../service.ts";
import type { ConfigHttpDeps } from "./deps.ts";

/**
 * Who listens, as JSON objects of md5: one connection may listen to fifty thousand configurations, so that these are
 * looked for and written with the event loop free in between.
 */

type Deps = Pick<ConfigHttpDeps, "configs" | "connections" | "peers">;

/** Of one member; further ones are not shown. */
const ITEMS_MAX = 10_000;
/** A member that does not answer in this time is left out, as in the reference. */
const ANSWER_MS = 1_000;

/** Fields that are written between two pauses. */
const FIELDS = 256;

/** Who listens: md5 by address, or by group key. With `aggregate` at any member that answers. */
export async function listenersStatus(deps: Deps, asked: ListenerQuestion, aggregate: boolean): Promise<string> {
  return inTurns(objectOf(await listenersIn(listenersAt(deps), asked, aggregate ? deps.peers : undefined)));
}

/** The md5 by address, or by key: of this member, and with `peers` of all others that answer. */
async function listenersIn(
  listeners: Listeners,
  asked: ListenerQuestion,
  peers: Peers | undefined,
): Promise<ReadonlyMap<string, string>> {
  const own = await ownListeners(listeners, asked);
  if (peers === undefined) return own;
  const lists = await everyPageOfAll(peers, "config.listeners", asked, { itemsMax: ITEMS_MAX, timeoutMs: ANSWER_MS });
  const all = new Map(own);
  const item = asked.name && findItem(listeners.state, asked.name);
  const newest = item && md5For(item, {});
  for (const { key, md5 } of lists.flat()) {
    const known = all.get(key);
    // Of two clients at one address one that is behind is shown, because that is what is looked for.
    if (known === undefined || known === newest) all.set(key, md5);
  }
  return all;
}

/** What clients of this member at an address hold, as their listeners say: of one configuration, or of all. */
export async function heldAt(deps: Deps, ip: string, name: ConfigName | undefined): Promise<string> {
  if (name === undefined) return listenersStatus(deps, { ip }, false);
  const md5 = (await ownListeners(listenersAt(deps), { name })).get(ip);
  return JSON.stringify(md5 === undefined ? {} : { [configKey(name)]: md5 });
}

function* objectOf(fields: Iterable<readonly [string, string]>): Generator<undefined, string> {
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

/** Those who are connected to this member. */
export function listenersAt(deps: {
  readonly configs: Pick<ConfigService, "state">;
  readonly connections: Pick<Connections, "get">;
}): Listeners {
  const ipOf = (id: string): string | undefined => {
    const connection = deps.connections.get(id);
    return connection === undefined ? undefined : connection.clientIp || connection.remoteIp;
  };
  return { state: deps.configs.state, ipOf, clientVersion: clientVersionIn(deps.connections) };
}
