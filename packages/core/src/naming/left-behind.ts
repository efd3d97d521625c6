import type { Millis } from "../lib/units.ts";
import { adopt } from "./copies.ts";
import { instanceKey } from "./instance.ts";
import { isNewer, isOwn } from "./lives.ts";
import type { Client, ClientId, Entry, InstanceKey, Service } from "./model.ts";
import { keepFor } from "./pauses.ts";
import { advance, takeBack } from "./publish.ts";
import { touch } from "./push.ts";
import { forgetClient, type Turn } from "./state.ts";

/**
 * A client that moved may deregister what it has not published over its new connection yet. What its former one left
 * behind goes then, if nobody speaks for it: what shows of a connection that stands may be another client's.
 */

/** It takes some seconds until a member is known to be lost. */
const ASKED_MS = 15_000;
/** At the bound the oldest is forgotten, and what it is about stays until its time is over. */
const ASKED_MAX = 10_000;

/** What somebody wants to be gone as soon as nobody speaks for the client any more. */
export interface Asked {
  readonly service: Service;
  readonly key: InstanceKey;
  readonly from: string;
  readonly until: Millis;
}

/** Somebody deregisters an instance over a connection that does not publish it. */
export function takeBackLeft(turn: Turn, by: Client, service: Service, key: InstanceKey, from: string): void {
  const { state, now } = turn;
  const asked: Asked = { service, key, from, until: now + ASKED_MS };
  let entry = service.hosts.get(key);
  for (let next: Entry | undefined; entry !== undefined; entry = next) {
    next = entry.under;
    const { client } = entry.publication;
    if (client.kind !== "connection" || !isNewer(by, client)) continue;
    if (isNobodys(turn, client)) remove(turn, client, asked);
    else if (!isOwn(state, client)) remember(turn, client, asked);
  }
}

/** How copies are shown has changed: of those that nobody speaks for goes what was asked for while that was not known. */
export function takeBackAsked(turn: Turn, clientIds: readonly ClientId[]): void {
  const { state, now } = turn;
  if (state.asked.size === 0) return;
  for (const id of clientIds) {
    const client = state.clients.get(id);
    const all = client && state.asked.get(client);
    if (client === undefined || all === undefined || !isNobodys(turn, client)) continue;
    state.asked.delete(client);
    for (const asked of all) if (asked.until > now) remove(turn, client, asked);
  }
}

/** Nobody speaks for it: its member is lost, or its connection ended in a pause. */
function isNobodys({ state }: Turn, client: Client): boolean {
  return isOwn(state, client) ? state.ended.has(client) : client.life.shown !== "asPublished";
}

function remember({ state }: Turn, client: Client, asked: Asked): void {
  const all = state.asked.get(client) ?? [];
  // The newest last.
  state.asked.delete(client);
  state.asked.set(client, [...all.filter(({ key, service }) => key !== asked.key || service !== asked.service), asked]);
  if (state.asked.size <= ASKED_MAX) return;
  for (const oldest of state.asked.keys()) {
    state.asked.delete(oldest);
    return;
  }
}

/**
 * What the client published for the service goes, as it would have over its connection. The rest this member owns from
 * here on, for the grace: its client is connected here, and says again what it publishes.
 */
function remove(turn: Turn, client: Client, { service, key, from }: Asked): void {
  const publication = service.publications.get(client);
  if (publication?.entries.some(({ instance }) => instanceKey(instance) === key) !== true) return;
  keepFor(turn, client, "its client is connected elsewhere");
  adopt(turn, client);
  // Older ones are looked at one by one: they may be another client's.
  const isSeen = takeBack(turn, publication, { cause: "deregistered", from, detail: "" }, false);
  advance(turn, publication);
  if (isSeen) touch(turn, service);
  if (client.publications.size > 0) return;
  turn.state.ended.delete(client);
  forgetClient(turn.state, client);
}
