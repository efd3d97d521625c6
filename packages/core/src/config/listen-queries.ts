import type { ConfigName } from "@nacre/protocol";
import { md5For } from "./gray.ts";
import type { ClientId, Item, Labels } from "./model.ts";
import { type ConfigState, findItem } from "./state.ts";

/** Questions of operators: who still has the old version? Read only. */

/** The address of a connection; undefined when it is gone. */
export type IpOf = (clientId: ClientId) => string | undefined;

export interface Listened {
  readonly name: ConfigName;
  /** What the client holds; blank for nothing. */
  readonly md5: string;
}

/**
 * Who listens to a configuration, over gRPC and by long polls: md5 by address. Of several clients at one address one
 * that is behind is shown, because that is what is looked for.
 */
export function listenersOf(state: ConfigState, name: ConfigName, ipOf: IpOf): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const item = findItem(state, name);
  for (const { client, md5 } of item?.listeners?.values() ?? []) note(found, ipOf(client.id), item, md5, client.labels);
  for (const [{ ip, labels }, { md5 }] of item?.polls?.entries() ?? []) note(found, ip, item, md5, labels);
  return found;
}

/** What all clients at one address listen to. Looks at every client. */
export function listenedAt(state: ConfigState, ip: string, ipOf: IpOf): readonly Listened[] {
  const found = new Map<Item, string>();
  for (const client of state.clients.values()) {
    if (ipOf(client.id) !== ip) continue;
    for (const { item, md5 } of client.listeners.values()) note(found, item, item, md5, client.labels);
  }
  for (const poll of state.polls.values()) {
    if (poll.ip !== ip) continue;
    for (const { item, md5 } of poll.lines) note(found, item, item, md5, poll.labels);
  }
  return [...found].map(([{ name }, md5]) => ({ name, md5 }));
}

/** What one connection listens to. */
export function listenedBy(state: ConfigState, clientId: ClientId): readonly Listened[] {
  const listeners = state.clients.get(clientId)?.listeners.values() ?? [];
  return [...listeners].map(({ item: { name }, md5 }) => ({ name, md5 }));
}

function note<K>(found: Map<K, string>, by: K | undefined, item: Item | undefined, md5: string, labels: Labels): void {
  if (by === undefined) return;
  if (!found.has(by) || md5 !== md5For(item, labels)) found.set(by, md5);
}
