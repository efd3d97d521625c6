import { type ServiceName, serviceKey } from "@nacre/protocol";
import { hashNumber, hashText } from "../lib/hash.ts";
import { type Refusal, refusal } from "../lib/refusal.ts";
import type { Cause } from "./causes.ts";
import type { InstanceInput } from "./events.ts";
import { noteExistence } from "./fuzzy.ts";
import { inputKey, instanceKey, instanceOf, instanceRefused, sameInstance } from "./instance.ts";
import { isOwn } from "./lives.ts";
import type { Client, Entry, Instance, InstanceKey, Publication, Service } from "./model.ts";
import { touch } from "./push.ts";
import { list, setInstance, uncount, unlist } from "./stack.ts";
import {
  CHANGED_SERVICES_MAX,
  ensureService,
  forgetClient,
  forgetIdle,
  type NamingState,
  noteEmpty,
  type Turn,
  wallAt,
} from "./state.ts";

/** Why something goes away: for the journal, and whether older copies under it go too. */
export interface Removal {
  readonly cause: Cause;
  readonly from: string;
  readonly detail: string;
}

/** Why a publication is refused before anything changes, or undefined. `service` is what is found under `name`. */
export function publishRefused(
  state: NamingState,
  client: Client | undefined,
  name: ServiceName,
  service: Service | undefined,
  instances: readonly InstanceInput[],
  what: "register" | "batch register",
): Refusal | undefined {
  const persistent = client?.kind === "persistent";
  if (service?.listed && service.ephemeral === persistent)
    return refusal(
      "invalidParameter",
      persistent
        ? `Current service ${serviceKey(name)} is ephemeral service, can't register persistent instance.`
        : `Current service ${serviceKey(name)} is persistent service, can't ${what} ephemeral instance.`,
    );
  for (const instance of instances) {
    const refused = instanceRefused(instance, state.options);
    if (refused !== undefined) return refused;
  }
  const held = (client !== undefined && service?.publications.get(client)?.entries.length) || 0;
  if (state.instanceCount - held + instances.length > state.options.instancesMax)
    return refusal(
      "overThreshold",
      `this member holds the most instances it may (nacre.naming.instances.max = ${state.options.instancesMax})`,
    );
  if (service === undefined && state.services.size >= state.options.servicesMax)
    return refusal(
      "overThreshold",
      `this member holds the most services it may (nacre.naming.services.max = ${state.options.servicesMax})`,
    );
  return undefined;
}

/**
 * Makes `instances` the whole of what the client publishes for the service. What is equal stays untouched: publishing
 * the same again changes no version and pushes nothing. Publishing nothing is taking everything back.
 *
 * @param found  the service under `name`, undefined when there is none.
 * @param newId  the next id of the snowflake generator, for instances that ask for one.
 * @returns what the client publishes there now; undefined when that is nothing.
 */
export function publish(
  turn: Turn,
  client: Client,
  name: ServiceName,
  found: Service | undefined,
  inputs: readonly InstanceInput[],
  from: string,
  newId: () => string = () => nextSnowflake(turn),
): Publication | undefined {
  const ephemeral = client.kind !== "persistent";
  if (inputs.length === 0) {
    if (found !== undefined) withdraw(turn, client, found, { cause: "deregistered", from, detail: "" });
    return undefined;
  }
  const publication = publicationOf(turn, client, name, found);
  const { service } = publication;
  publication.beatAt = turn.now;

  const before = entriesByKey(publication);
  const wanted = new Map<InstanceKey, Instance>();
  let like: Instance | undefined;
  for (const input of inputs) {
    const key = inputKey(input);
    const held = before.get(key);
    like = held?.instance ?? like ?? neighbourIn(service);
    like = instanceOf(name, input, ephemeral, () => heldSnowflake(held) ?? newId(), like);
    wanted.set(key, like);
  }
  const change = replaceEntries(turn, publication, before, wanted, { cause: "replaced", from, detail: "" }, true);
  if (change === "none") return publication;
  advance(turn, publication);
  noteExistence(turn, service);
  if (change === "visible") touch(turn, service);
  return publication;
}

/** What the client publishes for the service, begun when there is nothing yet. */
export function publicationOf(turn: Turn, client: Client, name: ServiceName, found: Service | undefined): Publication {
  const ephemeral = client.kind !== "persistent";
  const service = ensureService(turn, name, ephemeral, found);
  if (service.publications.size === 0 && service.metadata === undefined) service.ephemeral = ephemeral;
  let publication = service.publications.get(client);
  if (publication === undefined) {
    publication = { client, service, entries: [], counter: 0, beatAt: turn.now, checkAt: 0 };
    service.publications.set(client, publication);
    client.publications.set(service, publication);
  }
  return publication;
}

/** Any instance of the service: what a new one has in common with it is kept once. */
function neighbourIn({ hosts }: Service): Instance | undefined {
  for (const { instance } of hosts.values()) return instance;
  return undefined;
}

export function entriesByKey({ entries }: Publication): ReadonlyMap<InstanceKey, Entry> {
  if (entries.length === 0) return NO_ENTRIES;
  const byKey = new Map<InstanceKey, Entry>();
  for (const entry of entries) byKey.set(instanceKey(entry.instance), entry);
  return byKey;
}

/** Of everything that is published for the first time. */
const NO_ENTRIES: ReadonlyMap<InstanceKey, Entry> = new Map();

/**
 * Makes `wanted` the entries of a publication; what is equal stays untouched.
 *
 * @param before  its entries by key.
 * @param dropsOlder  whether what is left out takes older copies with it, as what somebody took back does.
 */
export function replaceEntries(
  turn: Turn,
  publication: Publication,
  before: ReadonlyMap<InstanceKey, Entry>,
  wanted: Map<InstanceKey, Instance>,
  removal: Removal,
  dropsOlder: boolean,
): "none" | "hidden" | "visible" {
  const { service } = publication;
  let changed = false;
  let visible = false;
  const kept: Entry[] = [];
  for (const [key, entry] of before) {
    const next = wanted.get(key);
    wanted.delete(key);
    if (next === undefined) {
      if (dropsOlder) dropUnder(turn, service, key, entry, removal);
      visible = takeOut(turn, service, key, entry, removal) || visible;
      changed = true;
      continue;
    }
    kept.push(entry);
    const { healthy } = entry.instance;
    if (sameInstance(entry.instance, next)) continue;
    changed = true;
    if (!setInstance(service, key, entry, next)) continue;
    visible = true;
    // What a client says of its own health is no news to it; of a copy, its owner has judged.
    if (removal.cause === "toldByMember" && healthy !== next.healthy)
      record(turn, service, key, entry, next.healthy ? "healthy" : "unhealthy", removal);
  }
  for (const [key, instance] of wanted) {
    const entry: Entry = { publication, instance, under: undefined };
    kept.push(entry);
    visible = list(turn, service, key, entry) || visible;
    changed = true;
  }
  if (!changed) return "none";
  // A copy of its exact length: an array that grew by `push` keeps room for sixteen.
  publication.entries = kept.slice();
  return visible ? "visible" : "hidden";
}

/** An instance that its client publishes again keeps the id that was generated for it. */
function heldSnowflake(entry: Entry | undefined): string | undefined {
  return /^(\d+)#/.exec(entry?.instance.instanceId ?? "")?.[1];
}

/**
 * Takes back what the client publishes for the service. A deregistration that somebody asked for also removes older
 * copies of the same instances: they belong to connections of the same process that nobody has noticed to be dead.
 */
export function withdraw(turn: Turn, client: Client, service: Service, removal: Removal): void {
  const publication = service.publications.get(client);
  if (publication === undefined) return;
  const visible = takeBack(turn, publication, removal, removal.cause === "deregistered");
  advance(turn, publication);
  if (visible) touch(turn, service);
}

/** A client ends, and nobody asked for it. */
export function removeClient(turn: Turn, client: Client, cause: string): void {
  for (const service of [...client.publications.keys()])
    withdraw(turn, client, service, { cause: "connectionClosed", from: client.ip, detail: cause });
  forgetClient(turn.state, client);
}

/** @returns whether consumers can see the difference; whoever calls this tells them. */
export function takeBack(turn: Turn, publication: Publication, removal: Removal, dropsOlder: boolean): boolean {
  const { service, client } = publication;
  service.publications.delete(client);
  client.publications.delete(service);
  let visible = false;
  for (const entry of publication.entries) {
    const key = instanceKey(entry.instance);
    if (dropsOlder) dropUnder(turn, service, key, entry, removal);
    visible = takeOut(turn, service, key, entry, removal) || visible;
  }
  publication.entries = [];
  noteExistence(turn, service);
  noteEmpty(turn, service);
  return visible;
}

/** Removes the copies of an instance that older clients publish under `top`. A persistent one speaks for no other. */
function dropUnder(turn: Turn, service: Service, key: InstanceKey, top: Entry, { from, detail }: Removal): void {
  if (service.hosts.get(key) !== top || !top.instance.ephemeral) return;
  let older = top.under;
  top.under = undefined;
  for (let next: Entry | undefined; older !== undefined; older = next) {
    next = older.under;
    older.under = undefined;
    const dropped = older;
    const { publication } = dropped;
    publication.entries = publication.entries.filter((entry) => entry !== dropped);
    uncount(turn.state, dropped);
    advance(turn, publication);
    record(turn, service, key, dropped, "removed", { cause: "superseded", from, detail });
    if (publication.entries.length > 0) continue;
    service.publications.delete(publication.client);
    publication.client.publications.delete(service);
    forgetIdle(turn.state, publication.client);
  }
}

/**
 * Takes an entry out. The journal records it when the instance no longer shows at all.
 *
 * @returns whether consumers can see the difference.
 */
function takeOut(turn: Turn, service: Service, key: InstanceKey, entry: Entry, removal: Removal): boolean {
  const seen = unlist(turn.state, service, key, entry);
  if (seen !== "last") return seen;
  record(turn, service, key, entry, "removed", removal);
  noteVanished(turn, service, key);
  return true;
}

/** An operator's record outlives its instance for a while, so that a restart keeps "taken offline". */
export function noteVanished(turn: Turn, service: Service, key: InstanceKey): void {
  if (service.overrides?.has(key) !== true) return;
  service.vanished ??= new Map();
  service.vanished.set(key, turn.now);
  turn.state.tasks.add(turn.now + turn.state.options.expiredMetadataMs, { type: "override", service, instance: key });
}

/**
 * A change of what a client publishes: its version grows, and the publication remembers at which count. A copy keeps the
 * version that its owner gave it.
 */
export function advance(turn: Turn, publication: Publication): void {
  const { client } = publication;
  if (isOwn(turn.state, client)) publication.counter = ++client.counter;
  note(turn, client, publication.service.name);
}

/** Peers are told of the client when the step is done: of what it publishes for this service, or of all of it. */
export function note(turn: Turn, client: Client, service?: ServiceName): void {
  if (!turn.state.tellsPeers || client.kind === "persistent") return;
  turn.changed ??= new Map();
  const held = turn.changed.get(client);
  if (held === "many") return;
  if (service === undefined || (held !== undefined && held.size >= CHANGED_SERVICES_MAX))
    turn.changed.set(client, "many");
  else if (held === undefined) turn.changed.set(client, new Set([service]));
  else held.add(service);
}

export function record(
  turn: Turn,
  service: Service,
  instance: InstanceKey,
  entry: Entry,
  what: "removed" | "unhealthy" | "healthy" | "disabled" | "enabled",
  { cause, from, detail }: Removal,
): void {
  turn.state.journal.add({
    at: wallAt(turn.state, turn.now),
    what,
    service: service.key,
    instance,
    clientId: entry.publication.client.id,
    // Written out: what is spread behind others lies in a second object, and thousands of these are kept.
    cause,
    from,
    detail,
  });
}

const SNOWFLAKE_EPOCH = 1_288_834_974_657n;

/** 41 bits of time, 10 of the member and its incarnation, 12 of sequence; time runs ahead rather than a sequence repeating. */
function nextSnowflake(turn: Turn): string {
  const { snowflake, self } = turn.state;
  const at = Math.max(wallAt(turn.state, turn.now), snowflake.at);
  snowflake.sequence = at === snowflake.at ? snowflake.sequence + 1 : 0;
  snowflake.at = snowflake.sequence > 4095 ? at + 1 : at;
  if (snowflake.sequence > 4095) snowflake.sequence = 0;
  return snowflakeOf(
    snowflake.at,
    ((hashNumber(self.incarnation, hashText(self.memberId)) & 1023) << 12) | snowflake.sequence,
  );
}

/** @param low  22 bits that tell ids of one millisecond apart. */
export function snowflakeOf(at: number, low: number): string {
  return String(((BigInt(at) - SNOWFLAKE_EPOCH) << 22n) | BigInt(low));
}
