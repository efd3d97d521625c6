import type { Millis } from "../lib/units.ts";
import { adopt } from "./copies.ts";
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
/** Of all clients together. At the bound the oldest is forgotten, and stays until its time is over. */
const ASKED_MAX = 10_000;

/** Somebody wants it gone as soon as nobody speaks for its client any more. */
export interface Asked {
  readonly from: string;
  readonly until: Millis;
}

/** Somebody deregisters an instance over a connection that does not publish it. */
export function takeBackLeft(turn: Turn, by: Client, service: Service, key: InstanceKey, from: string): void {
  let entry = service.hosts.get(key);
  for (let next: Entry | undefined; entry !== undefined; entry = next) {
    next = entry.under;
    const { client } = entry.publication;
    if (client.kind !== "connection" || !isNewer(by, client)) continue;
    if (isNobodys(turn, client)) remove(turn, entry, from);
    else if (!isOwn(turn.state, client)) remember(turn, entry, from);
  }
}

/** How copies are shown has changed: of those that nobody speaks for goes what was asked for while that was not known. */
export function takeBackAsked(turn: Turn, clientIds: readonly ClientId[]): void {
  const { asked } = turn.state;
  forgetOverdue(turn);
  if (asked.size === 0) return;
  const marked = new Set(clientIds);
  for (const [entry, { from }] of asked) {
    const { client } = entry.publication;
    if (!marked.has(client.id) || !isNobodys(turn, client)) continue;
    asked.delete(entry);
    remove(turn, entry, from);
  }
}

/** Nobody speaks for it: its member is lost, or its connection ended in a pause. */
function isNobodys({ state }: Turn, client: Client): boolean {
  return isOwn(state, client) ? state.ended.has(client) : client.life.shown !== "asPublished";
}

function remember(turn: Turn, entry: Entry, from: string): void {
  const { asked } = turn.state;
  forgetOverdue(turn);
  // The newest last.
  asked.delete(entry);
  asked.set(entry, { from, until: turn.now + ASKED_MS });
  const [oldest] = asked.keys();
  if (oldest !== undefined && asked.size > ASKED_MAX) asked.delete(oldest);
}

function forgetOverdue({ state: { asked }, now }: Turn): void {
  for (const [entry, { until }] of asked) {
    if (until > now) return;
    asked.delete(entry);
  }
}

/**
 * What the client published for the service goes, as it would have over its connection. The rest this member owns from
 * here on, for the grace: its client is connected here, and says again what it publishes.
 */
function remove(turn: Turn, entry: Entry, from: string): void {
  const { publication } = entry;
  const { client, service } = publication;
  // It may have gone in another way since it was asked for.
  if (!publication.entries.includes(entry)) return;
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
