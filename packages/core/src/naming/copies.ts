import { type ServiceKey, type ServiceName, serviceKey } from "@nacre/protocol";
import type { Contents, PublishedInstance } from "../distro/model.ts";
import { SmallMap } from "../lib/small-map.ts";
import type { Millis } from "../lib/units.ts";
import type { Cause } from "./causes.ts";
import type { Event } from "./events.ts";
import { noteExistence } from "./fuzzy.ts";
import { copiedInstance, instanceKey } from "./instance.ts";
import { isOwn, lifeOf } from "./lives.ts";
import type { Client, ClientId, Entry, Instance, InstanceKey, Life, MemberId, Service } from "./model.ts";
import { entriesByKey, note, publicationOf, type Removal, record, replaceEntries, takeBack } from "./publish.ts";
import { touch } from "./push.ts";
import { link, shownOf, shows, unlink } from "./stack.ts";
import { findService, forgetClient, forgetIdle, type NamingState, type Turn } from "./state.ts";

/** Clients that other members own, or that this one owned in an earlier life: held as they are told. */

/** What the steps of one event have in common. */
interface Applying {
  readonly client: Client;
  readonly removal: Removal;
  readonly dropsOlder: boolean;
  /** Services of which consumers see something else. */
  readonly touched: Set<Service>;
}

/** Holds exactly what the owner publishes in place of what was held under the id (N18). */
export function holdCopy(turn: Turn, event: Extract<Event, { type: "copy" }>): void {
  const { state, now } = turn;
  const { clientId, version, contents } = event;
  const held = state.clients.get(clientId);
  // Nobody knows better than the connection itself; peers are told again.
  if (held !== undefined && isOpenHere(state, held)) return note(turn, held);
  const life = lifeOf(state, version.owner, version.incarnation, held?.life.shown);
  if (life === state.self) return;
  const { part, slice } = event;
  if (part !== undefined && (held?.life !== life || held.counter !== part.base.counter))
    return partDiffers(turn, clientId, held);
  const touched = new Set<Service>();
  const client = held ?? newCopy(event, life);
  state.ended.delete(client);
  state.clients.set(clientId, client);
  // With a slice it is not there yet, and the next one is as new as the first.
  const before = state.incomplete?.client === client ? state.incomplete : undefined;
  const newer = before?.newer ?? (held === undefined || isOwn(state, client) || version.counter > client.counter);
  state.incomplete = slice === "more" ? { client, newer } : undefined;
  const removal: Removal = { cause: "toldByMember", from: "", detail: shownMember(state, version.owner) };
  setOrigin(turn, client, life, contents.createdAt, "toldByMember", touched);
  client.counter = version.counter;
  client.ip = contents.ip;
  client.port = contents.port;
  client.app = contents.app;
  client.agent = contents.agent;
  client.activeAt = now;
  if (state.beatsAt.get(client) === "elsewhere") state.beatsAt.delete(client);

  // A connection publishes less only when somebody asked for that.
  const dropsOlder = newer && client.kind === "connection";
  const applying: Applying = { client, removal, dropsOlder, touched };
  if (part === undefined && slice !== "more") takeBackRest(turn, applying, slice?.services ?? keysOf(contents));
  let whole = true;
  for (const published of contents.publications) whole = copyPublication(turn, applying, published) && whole;
  if (newer) renewBeats(client, now);
  if (slice === "more") return touchAll(turn, touched);

  if (part !== undefined && client.contentHash !== part.contentHash) partDiffers(turn, clientId, client);
  // Of what other clients took of it between slices was told what it had then.
  else if (!whole || slice !== undefined) note(turn, client);
  if (state.tellsPeers && client.publications.size > 0) {
    turn.covered ??= new Set();
    turn.covered.add(client);
  }
  forgetIdle(state, client);
  touchAll(turn, touched);
}

function touchAll(turn: Turn, services: Iterable<Service>): void {
  for (const service of services) touch(turn, service);
}

function keysOf({ publications }: Contents): ReadonlySet<ServiceKey> {
  return new Set(publications.map(({ service }) => serviceKey(service)));
}

/** What is held beyond the whole of what is published. */
function takeBackRest(
  turn: Turn,
  { client, removal, dropsOlder, touched }: Applying,
  wanted: ReadonlySet<ServiceKey>,
): void {
  for (const [service, publication] of [...client.publications])
    if (!wanted.has(service.key) && takeBack(turn, publication, removal, dropsOlder)) touched.add(service);
}

/** Of an address client: those of a connection count for nothing, and there may be very many. */
function renewBeats(client: Client, now: Millis): void {
  if (client.kind === "address") for (const publication of client.publications.values()) publication.beatAt = now;
}

/** Said at once and not at the end: of a client that is not held there is nothing to note. */
function partDiffers({ state, effects }: Turn, clientId: ClientId, held: Client | undefined): void {
  if (state.tellsPeers)
    effects.push({ type: "copyDiffers", clientId, contentHash: held?.contentHash ?? 0, part: true });
}

/** @returns whether all of it could be taken. */
function copyPublication(
  turn: Turn,
  { client, removal, dropsOlder, touched }: Applying,
  { service: name, instances }: Contents["publications"][number],
): boolean {
  const { state } = turn;
  const { servicesMax, instancesMax } = state.options;
  const found = findService(state, name);
  if (found === undefined && instances.length === 0) return true;
  const held = found?.publications.get(client);
  const before = held === undefined ? new Map() : entriesByKey(held);
  const refused = found === undefined ? state.services.size >= servicesMax : found.listed && !found.ephemeral;
  const room = refused ? 0 : instancesMax - state.instanceCount + before.size;
  const wanted = new Map<InstanceKey, Instance>();
  let whole = true;
  const [neighbour] = found?.hosts.values() ?? [];
  let like = neighbour?.instance;
  for (const published of instances) {
    const key = instanceKey(published);
    if (wanted.size >= room && !wanted.has(key)) {
      whole = false;
      continue;
    }
    like = copiedInstance(published, before.get(key)?.instance ?? like);
    wanted.set(key, like);
  }
  if (wanted.size === 0) {
    if (held !== undefined && takeBack(turn, held, removal, dropsOlder)) touched.add(held.service);
    return whole;
  }
  const publication = publicationOf(turn, client, name, found);
  const { service } = publication;
  const change = replaceEntries(turn, publication, before, wanted, removal, dropsOlder);
  if (change === "none") return whole;
  publication.counter = client.counter;
  noteExistence(turn, service);
  if (change === "visible") touched.add(service);
  return whole;
}

/** Why a copy goes, in the words of the journal. */
const FORGOTTEN: Record<Extract<Event, { type: "forgetCopy" }>["cause"], Cause> = {
  removed: "toldByMember",
  deregistered: "deregistered",
  lost: "memberLost",
  superseded: "superseded",
};

export function forgetCopy(turn: Turn, { clientId, cause, owner }: Extract<Event, { type: "forgetCopy" }>): void {
  const { state } = turn;
  const client = state.clients.get(clientId);
  if (client === undefined || client.kind === "persistent") return;
  if (isOpenHere(state, client)) return note(turn, client);
  const removal: Removal = { cause: FORGOTTEN[cause], from: "", detail: shownMember(state, owner) };
  for (const [service, publication] of [...client.publications])
    if (takeBack(turn, publication, removal, cause === "deregistered")) touch(turn, service);
  if (state.ended.delete(client)) forgetClient(state, client);
  else forgetIdle(state, client);
}

/** Shows copies in another way; what they publish, their hashes and versions stay. */
export function markCopies(turn: Turn, { clientIds, as }: Extract<Event, { type: "mark" }>): void {
  const { state } = turn;
  const shown: Life["shown"] = as === "trusted" ? "asPublished" : as;
  const cause = as === "unhealthy" ? "memberLost" : "memberBack";
  const marked = new Set<Client>();
  for (const id of clientIds) {
    const client = state.clients.get(id);
    if (client === undefined || client.kind === "persistent" || isOwn(state, client)) continue;
    if (client.life.shown !== shown) marked.add(client);
  }
  const change = (): void => {
    for (const client of marked) {
      const { memberId, incarnation } = client.life;
      client.life = lifeOf(state, memberId, incarnation, shown);
    }
  };
  const touched = new Set<Service>();
  rankAgain(turn, marked, change, cause, touched);
  for (const service of touched) touch(turn, service);
}

export function renumber(turn: Turn, { clientId, version }: Extract<Event, { type: "renumber" }>): void {
  const { state } = turn;
  const client = state.clients.get(clientId);
  if (client === undefined || client.kind === "persistent") return;
  const life = lifeOf(state, version.owner, version.incarnation, client.life.shown);
  moveTo(turn, client, life);
  client.counter = version.counter;
}

/**
 * Somebody spoke here for a client that is held as a copy: from now on this member owns it, with a greater version. What
 * it publishes is expected to be heard of for as long as if all of it had just been.
 */
export function adopt(turn: Turn, client: Client): void {
  const { state } = turn;
  if (isOwn(state, client)) return;
  moveTo(turn, client, state.self);
  client.counter++;
  state.beatsAt.delete(client);
  state.uncovered.delete(client);
  for (const publication of client.publications.values()) publication.beatAt = turn.now;
  if (client.publications.size > 0) note(turn, client);
}

function moveTo(turn: Turn, client: Client, life: Life): void {
  const touched = new Set<Service>();
  setOrigin(turn, client, life, client.createdAt, "memberBack", touched);
  for (const service of touched) touch(turn, service);
}

/** Gives a client the life and the age that decide how it is shown, and over whom. */
function setOrigin(
  turn: Turn,
  client: Client,
  life: Life,
  createdAt: number,
  cause: Cause,
  touched: Set<Service>,
): void {
  if (client.life.shown === life.shown && client.createdAt === createdAt) {
    client.life = life;
    return;
  }
  const change = (): void => {
    client.life = life;
    client.createdAt = createdAt;
  };
  rankAgain(turn, [client], change, cause, touched);
}

/** What shows after a change of how clients are ranked and shown, which consumers see as one. */
function rankAgain(
  turn: Turn,
  clients: Iterable<Client>,
  change: () => void,
  cause: Cause,
  touched: Set<Service>,
): void {
  const tops = new Map<Entry, Instance>();
  const moving: { readonly service: Service; readonly key: InstanceKey; readonly entry: Entry }[] = [];
  for (const { publications } of clients)
    for (const [service, { entries }] of publications)
      for (const entry of entries) {
        const key = instanceKey(entry.instance);
        const top = service.hosts.get(key);
        if (top !== undefined) tops.set(top, shownOf(top));
        if (top !== entry || entry.under !== undefined) moving.push({ service, key, entry });
      }
  change();
  // All of them leave before the first is put back: between two that are not in order there is no place.
  for (const { service, key, entry } of moving) unlink(service, key, entry);
  for (const { service, key, entry } of moving) link(turn, service, key, entry);
  for (const [{ instance, publication }, before] of tops) {
    const { service } = publication;
    const key = instanceKey(instance);
    const top = service.hosts.get(key);
    if (top === undefined || !shows(service, before, top)) continue;
    touched.add(service);
    const { healthy } = shownOf(top);
    const why: Removal = { cause, from: "", detail: shownLife(turn.state, top.publication.client.life) };
    if (healthy !== before.healthy) record(turn, service, key, top, healthy ? "healthy" : "unhealthy", why);
  }
}

/** Connections end here and nowhere else, and what is said of them elsewhere is not heard. */
function isOpenHere(state: NamingState, client: Client): boolean {
  return client.kind === "connection" && isOwn(state, client) && !state.ended.has(client);
}

function newCopy({ clientId, kind, contents }: Extract<Event, { type: "copy" }>, life: Life): Client {
  const { ip, port, app, agent, createdAt } = contents;
  return {
    id: clientId,
    kind,
    life,
    counter: 0,
    contentHash: 0,
    ip,
    port,
    app,
    agent,
    createdAt,
    activeAt: 0,
    publications: new SmallMap(),
    subscriptions: undefined,
  };
}

function shownMember({ self }: NamingState, owner: MemberId): string {
  return owner === self.memberId ? "this member, before it started again" : `member ${owner}`;
}

function shownLife(state: NamingState, life: Life): string {
  return life === state.self ? "this member" : shownMember(state, life.memberId);
}

/**
 * What an ephemeral client publishes, as members tell it each other: the whole, or for these services, of which those
 * without instances are gone. Undefined when it publishes nothing at all.
 */
export function contentsOf(
  state: NamingState,
  clientId: ClientId,
  services?: readonly ServiceName[],
): Contents | undefined {
  const client = state.clients.get(clientId);
  if (client === undefined || client.kind === "persistent" || client.publications.size === 0) return undefined;
  const { ip, port, app, agent, createdAt } = client;
  const publications: Contents["publications"][number][] = [];
  if (services === undefined) {
    for (const { service, entries } of client.publications.values())
      publications.push({ service: service.name, instances: entries.map(publishedOf) });
  } else {
    for (const name of services) {
      const entries = findService(state, name)?.publications.get(client)?.entries ?? [];
      publications.push({ service: name, instances: entries.map(publishedOf) });
    }
  }
  return { ip, port, app, agent, createdAt, publications };
}

/** The services of a client that publishes for more than so many: for whoever takes its contents in pieces. */
export function servicesOf(state: NamingState, clientId: ClientId, moreThan: number): ServiceName[] | undefined {
  const publications = state.clients.get(clientId)?.publications;
  if (publications === undefined || publications.size <= moreThan) return undefined;
  return [...publications.keys()].map(({ name }) => name);
}

function publishedOf({ instance: { hash: _, ephemeral: __, ...published } }: Entry): PublishedInstance {
  return published;
}

/** How the instance that shows under this key is shown: `asPublished` when its owner speaks for it. */
export function shownAs(service: Service, key: InstanceKey): Life["shown"] {
  return service.hosts.get(key)?.publication.client.life.shown ?? "asPublished";
}
