import type { ConfigName } from "@nacre/protocol";
import { md5For } from "./gray.ts";
import type { ClientId, Item, Labels } from "./model.ts";
import { type ConfigState, findItem } from "./state.ts";

/**
 * Questions of operators: who still has the old version? Read only. They yield after some listeners, so that the caller
 * may let others have their turn; what changes meanwhile is seen or not.
 */

/** The address of a connection; undefined when it is gone. */
export type IpOf = (clientId: ClientId) => string | undefined;

export interface Listened {
  readonly name: ConfigName;
  /** What the client holds; blank for nothing. */
  readonly md5: string;
}

/** Listeners, clients and polls that are looked at between two pauses: a tenth of a millisecond. */
const LOOKS = 256;

/**
 * Who listens to a configuration, over gRPC and by long polls: md5 by address. Of several clients at one address one
 * that is behind is shown, because that is what is looked for.
 */
export function* listenersOf(
  state: ConfigState,
  name: ConfigName,
  ipOf: IpOf,
): Generator<undefined, ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const item = findItem(state, name);
  // Copies: these maps must not change while they are walked.
  const [listeners, polls] = [[...(item?.listeners?.values() ?? [])], [...(item?.polls ?? [])]];
  let looks = 0;
  for (const { client, md5 } of listeners) {
    note(found, ipOf(client.id), item, md5, client.labels);
    if (++looks % LOOKS === 0) yield;
  }
  for (const [{ ip, labels }, { md5 }] of polls) {
    note(found, ip, item, md5, labels);
    if (++looks % LOOKS === 0) yield;
  }
  return found;
}

/** What all clients at one address listen to. Looks at every client. */
export function* listenedAt(state: ConfigState, ip: string, ipOf: IpOf): Generator<undefined, readonly Listened[]> {
  const found = new Map<Item, string>();
  let looks = 0;
  for (const client of state.clients.values()) {
    if (++looks % LOOKS === 0) yield;
    if (ipOf(client.id) !== ip) continue;
    for (const { item, md5 } of client.listeners.values()) {
      note(found, item, item, md5, client.labels);
      if (++looks % LOOKS === 0) yield;
    }
  }
  for (const poll of state.polls.values()) {
    if (++looks % LOOKS === 0) yield;
    if (poll.ip !== ip) continue;
    for (const { item, md5 } of poll.lines) {
      note(found, item, item, md5, poll.labels);
      if (++looks % LOOKS === 0) yield;
    }
  }
  const listened: Listened[] = [];
  for (const [{ name }, md5] of found) {
    listened.push({ name, md5 });
    if (listened.length % LOOKS === 0) yield;
  }
  return listened;
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
