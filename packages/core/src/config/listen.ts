import type { ConfigName } from "@nacre/protocol";
import { type Refusal, refusal } from "../lib/refusal.ts";
import { SmallMap } from "../lib/small-map.ts";
import type { Changed, Context, Event } from "./events.ts";
import { differsFrom, md5For } from "./gray.ts";
import type { ClientId, ConfigClient, Item, Listener } from "./model.ts";
import { release, served } from "./notify.ts";
import { type ConfigState, ensureItem, findItem, forgetIfUnused, type Turn } from "./state.ts";

export { served };

/** Adds to what the connection listens to, and answers what differs from what it holds. All is refused, or nothing. */
export function listen(turn: Turn, { clientId, labels, contexts }: Extract<Event, { type: "listen" }>): void {
  const { state, effects } = turn;
  const refused = tooMany(state, clientId, contexts);
  if (refused !== undefined) {
    effects.push(refused);
    return;
  }
  const changed: Changed[] = [];
  let client = state.clients.get(clientId);
  if (client === undefined && contexts.length > 0) {
    client = { id: clientId, labels, listeners: new Map() };
    state.clients.set(clientId, client);
  }
  if (client !== undefined) {
    client.labels = labels;
    for (const context of contexts)
      if (hear(state, client, context)) changed.push({ name: context.name, form: context.form });
  }
  effects.push({ type: "differing", changed });
}

/** @returns whether the client holds something else than what is there for it. */
function hear(state: ConfigState, client: ConfigClient, { name, form, md5 }: Context): boolean {
  const item = ensureItem(state, name);
  const newest = md5For(item, client.labels);
  const same = !differsFrom(newest, md5);
  // The same text many times over is kept once: nearly all listeners hold what is newest.
  const held = same ? newest : (md5 ?? "");
  const listener = client.listeners.get(item) ?? attach(state, client, item);
  listener.form = form;
  listener.md5 = held;
  if (same) release(state, listener, undefined);
  else listener.notice ??= "told";
  return !same;
}

function attach(state: ConfigState, client: ConfigClient, item: Item): Listener {
  const listener: Listener = { client, item, form: "given", md5: "", notice: undefined };
  client.listeners.set(item, listener);
  item.listeners ??= new SmallMap();
  item.listeners.set(client, listener);
  state.listenerCount++;
  return listener;
}

function tooMany(state: ConfigState, clientId: ClientId, contexts: readonly Context[]): Refusal | undefined {
  const { listenersPerClientMax, listenersMax } = state.options;
  const held = state.clients.get(clientId)?.listeners;
  const count = held?.size ?? 0;
  const fits = (added: number): boolean =>
    count + added <= listenersPerClientMax && state.listenerCount + added <= listenersMax;
  if (fits(contexts.length)) return undefined;
  // Most SDKs repeat all they listen to: only what is new counts.
  const added = new Set<Item | string>();
  for (const { name } of contexts) {
    const item = findItem(state, name);
    if (item === undefined) added.add(JSON.stringify(name));
    else if (held?.has(item) !== true) added.add(item);
  }
  if (added.size === 0 || fits(added.size)) return undefined;
  if (count + added.size > listenersPerClientMax)
    return refusal(
      "overThreshold",
      `client ${clientId} would listen to more configurations than it may (nacre.config.listeners.perClient.max = ${listenersPerClientMax})`,
    );
  return refusal(
    "overThreshold",
    `this member has the most listeners of configurations it may (nacre.config.listeners.max = ${listenersMax})`,
  );
}

export function unlisten({ state }: Turn, clientId: ClientId, names: readonly ConfigName[]): void {
  const client = state.clients.get(clientId);
  if (client === undefined) return;
  for (const name of names) {
    const item = findItem(state, name);
    const listener = item && client.listeners.get(item);
    if (listener === undefined) continue;
    client.listeners.delete(listener.item);
    detach(state, listener);
  }
  if (client.listeners.size === 0) state.clients.delete(clientId);
}

export function disconnect({ state }: Turn, clientId: ClientId): void {
  const client = state.clients.get(clientId);
  if (client === undefined) return;
  state.clients.delete(clientId);
  for (const listener of client.listeners.values()) detach(state, listener);
  // Attempts that wait for their time hold a listener, and should not hold all the others with it.
  client.listeners.clear();
}

function detach(state: ConfigState, listener: Listener): void {
  const { client, item } = listener;
  release(state, listener, undefined);
  item.listeners?.delete(client);
  if (item.listeners?.size === 0) item.listeners = undefined;
  state.listenerCount--;
  forgetIfUnused(state, item);
}
