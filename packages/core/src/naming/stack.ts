import { addToSet, hashNumber, hashText, takeFromSet } from "../lib/hash.ts";
import { sameInstance, withHealth } from "./instance.ts";
import { isNewer, isOwn, showsOver } from "./lives.ts";
import type { Client, Entry, Instance, InstanceKey, Service } from "./model.ts";
import type { NamingState, Turn } from "./state.ts";

/** Several clients may publish one instance key: what shows, and what waits under it in the order of `showsOver`. */

/** The instance as it is shown: as published, or unhealthy when nobody speaks for its client any more. */
export function shownOf({ instance, publication }: Entry): Instance {
  return publication.client.life.shown === "unhealthy" ? withHealth(instance, false) : instance;
}

/**
 * Takes an entry in, at its place among those of the same key.
 *
 * @returns whether consumers can see the difference.
 */
export function list(turn: Turn, service: Service, key: InstanceKey, entry: Entry): boolean {
  const before = service.hosts.get(key);
  link(turn, service, key, entry);
  turn.state.instanceCount++;
  const { client } = entry.publication;
  client.contentHash = addToSet(client.contentHash, contentOf(entry));
  if (before === undefined) {
    service.healthyCount += health(entry);
    service.vanished?.delete(key);
    return true;
  }
  return service.hosts.get(key) === entry && shows(service, shownOf(before), entry);
}

/**
 * Takes an entry out.
 *
 * @returns `last` when nothing of that key is left, otherwise whether consumers can see the difference.
 */
export function unlist(state: NamingState, service: Service, key: InstanceKey, entry: Entry): boolean | "last" {
  uncount(state, entry);
  const was = service.hosts.get(key);
  unlink(service, key, entry);
  if (was !== entry) return false;
  const next = service.hosts.get(key);
  if (next !== undefined) return shows(service, shownOf(entry), next);
  service.healthyCount -= health(entry);
  return "last";
}

/** @returns whether the instance shows, so that consumers can see the difference. */
export function setInstance(service: Service, key: InstanceKey, entry: Entry, next: Instance): boolean {
  const { client } = entry.publication;
  client.contentHash = takeFromSet(client.contentHash, contentOf(entry));
  const before = shownOf(entry);
  entry.instance = next;
  client.contentHash = addToSet(client.contentHash, contentOf(entry));
  return service.hosts.get(key) === entry && shows(service, before, entry);
}

/** Another entry, or another state of one, shows in the place of `before`. @returns whether anybody can tell them apart. */
export function shows(service: Service, before: Instance, entry: Entry): boolean {
  const now = shownOf(entry);
  service.healthyCount += (now.healthy ? 1 : 0) - (before.healthy ? 1 : 0);
  return !sameInstance(before, now);
}

export function uncount(state: NamingState, entry: Entry): void {
  const { client } = entry.publication;
  client.contentHash = takeFromSet(client.contentHash, contentOf(entry));
  state.instanceCount--;
}

/** `contentHash` of a client, counted from nothing. */
export function contentHashOf(client: Client): number {
  let hash = 0;
  for (const { entries } of client.publications.values())
    for (const entry of entries) hash = addToSet(hash, contentOf(entry));
  return hash;
}

/** Whether a newer client of its own accord stands for this instance, so that its own client is not needed for it. */
export function isCovered(service: Service, key: InstanceKey, entry: Entry): boolean {
  const top = service.hosts.get(key);
  const client = top?.publication.client;
  return (
    top !== entry && client !== undefined && client.kind !== "persistent" && isNewer(client, entry.publication.client)
  );
}

/** Puts an entry at its place among those of its key, which are in order. Counts nothing. */
export function link(turn: Turn, service: Service, key: InstanceKey, entry: Entry): void {
  const { client } = entry.publication;
  const top = service.hosts.get(key);
  if (top === undefined || showsOver(client, top.publication.client)) {
    entry.under = top;
    service.hosts.set(key, entry);
  } else {
    let above = top;
    while (above.under !== undefined && !showsOver(client, above.under.publication.client)) above = above.under;
    entry.under = above.under;
    above.under = entry;
  }
  const { tellsPeers, ended } = turn.state;
  if (top !== undefined && (tellsPeers || ended.size > 0)) noteCovered(turn, top === entry.under ? top : entry);
}

export function unlink(service: Service, key: InstanceKey, entry: Entry): void {
  const top = service.hosts.get(key);
  if (top !== entry) {
    for (let above = top; above !== undefined; above = above.under)
      if (above.under === entry) above.under = entry.under;
  } else if (entry.under !== undefined) service.hosts.set(key, entry.under);
  else service.hosts.delete(key);
}

/** Clients from here on down may no longer be needed: looked at when the step is done. */
function noteCovered(turn: Turn, from: Entry): void {
  for (let entry: Entry | undefined = from; entry !== undefined; entry = entry.under) {
    const { client } = entry.publication;
    if (client.kind === "persistent" || (isOwn(turn.state, client) && !turn.state.ended.has(client))) continue;
    turn.covered ??= new Set();
    turn.covered.add(client);
  }
}

/** An instance as part of its client's content: which service, and everything of the instance. */
function contentOf(entry: Entry): number {
  return hashNumber(entry.instance.hash, hashText(entry.publication.service.key));
}

function health(entry: Entry): number {
  return shownOf(entry).healthy ? 1 : 0;
}
