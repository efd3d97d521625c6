import { type ServiceName, serviceKey } from "@nacre/protocol";
import { addToSet, hashNumber, hashText, takeFromSet } from "../lib/hash.ts";
import { type Refusal, refusal } from "../lib/refusal.ts";
import type { Cause } from "./causes.ts";
import type { InstanceInput } from "./events.ts";
import { noteExistence } from "./fuzzy.ts";
import { inputKey, instanceKey, instanceOf, instanceRefused, sameInstance } from "./instance.ts";
import type { Client, Entry, Instance, InstanceKey, Publication, Service } from "./model.ts";
import { touch } from "./push.ts";
import { ensureService, forgetIdle, type NamingState, noteEmpty, type Turn, wallAt } from "./state.ts";

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
  const { state, now } = turn;
  const ephemeral = client.kind !== "persistent";
  if (inputs.length === 0) {
    if (found !== undefined) withdraw(turn, client, found, { cause: "deregistered", from, detail: "" });
    return undefined;
  }
  const service = ensureService(turn, name, ephemeral, found);
  if (service.publications.size === 0 && service.metadata === undefined) service.ephemeral = ephemeral;
  let publication = service.publications.get(client);
  if (publication === undefined) {
    publication = { client, service, entries: [], counter: 0, beatAt: now, checkAt: 0 };
    service.publications.set(client, publication);
    client.publications.set(service, publication);
  }
  publication.beatAt = now;

  const before = new Map(publication.entries.map((entry) => [instanceKey(entry.instance), entry]));
  const wanted = new Map<InstanceKey, Instance>();
  const [neighbour] = service.hosts.values();
  let like = neighbour?.instance;
  for (const input of inputs) {
    const key = inputKey(input);
    const held = before.get(key);
    like = instanceOf(name, input, ephemeral, () => heldSnowflake(held) ?? newId(), held?.instance ?? like);
    wanted.set(key, like);
  }
  let changed = false;
  let visible = false;
  const kept: Entry[] = [];
  for (const [key, entry] of before) {
    const next = wanted.get(key);
    wanted.delete(key);
    if (next === undefined) {
      dropUnder(turn, service, key, entry, from);
      visible = unlist(turn, service, key, entry, { cause: "replaced", from, detail: "" }) || visible;
      changed = true;
      continue;
    }
    kept.push(entry);
    if (sameInstance(entry.instance, next)) continue;
    visible = setInstance(service, key, entry, next) || visible;
    changed = true;
  }
  for (const [key, instance] of wanted) {
    const entry: Entry = { publication, instance, under: undefined };
    kept.push(entry);
    visible = list(state, service, key, entry) || visible;
    changed = true;
  }
  if (!changed) return publication;
  // A copy of its exact length: an array that grew by `push` keeps room for sixteen.
  publication.entries = kept.slice();
  advance(publication);
  noteExistence(turn, service);
  if (visible) touch(turn, service);
  return publication;
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
  service.publications.delete(client);
  client.publications.delete(service);
  let visible = false;
  for (const entry of publication.entries) {
    const key = instanceKey(entry.instance);
    if (removal.cause === "deregistered") dropUnder(turn, service, key, entry, removal.from);
    visible = unlist(turn, service, key, entry, removal) || visible;
  }
  publication.entries = [];
  advance(publication);
  noteExistence(turn, service);
  noteEmpty(turn, service);
  if (visible) touch(turn, service);
}

/**
 * Removes the copies of an instance that older clients publish under `top`. A persistent one stays: the two kinds meet
 * only when a registration overtook the log, and neither speaks for the other.
 */
function dropUnder(turn: Turn, service: Service, key: InstanceKey, top: Entry, from: string): void {
  if (service.hosts.get(key) !== top || !top.instance.ephemeral) return;
  let older = top.under;
  top.under = undefined;
  for (let next: Entry | undefined; older !== undefined; older = next) {
    next = older.under;
    older.under = undefined;
    if (!older.instance.ephemeral) {
      top.under = older;
      continue;
    }
    const dropped = older;
    const { publication } = dropped;
    publication.entries = publication.entries.filter((entry) => entry !== dropped);
    uncount(turn.state, dropped);
    advance(publication);
    record(turn, service, key, dropped, "removed", { cause: "superseded", from, detail: "" });
    if (publication.entries.length > 0) continue;
    service.publications.delete(publication.client);
    publication.client.publications.delete(service);
    forgetIdle(turn.state, publication.client);
  }
}

/**
 * Shows an entry under its key; what showed before waits under it.
 *
 * @returns whether consumers can see the difference.
 */
function list(state: NamingState, service: Service, key: InstanceKey, entry: Entry): boolean {
  const shown = service.hosts.get(key);
  entry.under = shown;
  service.hosts.set(key, entry);
  service.healthyCount += health(entry) - health(shown);
  state.instanceCount++;
  const { client } = entry.publication;
  client.contentHash = addToSet(client.contentHash, contentOf(entry));
  service.vanished?.delete(key);
  return shown === undefined || !sameInstance(shown.instance, entry.instance);
}

/**
 * Takes an entry out. The journal records it when the instance no longer shows at all.
 *
 * @returns whether consumers can see the difference.
 */
function unlist(turn: Turn, service: Service, key: InstanceKey, entry: Entry, removal: Removal): boolean {
  uncount(turn.state, entry);
  const shown = service.hosts.get(key);
  if (shown !== entry) {
    for (let above = shown; above !== undefined; above = above.under)
      if (above.under === entry) above.under = entry.under;
    return false;
  }
  service.healthyCount += health(entry.under) - health(entry);
  if (entry.under !== undefined) {
    service.hosts.set(key, entry.under);
    return !sameInstance(entry.instance, entry.under.instance);
  }
  service.hosts.delete(key);
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

/** @returns whether the instance shows, so that consumers can see the difference. */
export function setInstance(service: Service, key: InstanceKey, entry: Entry, next: Instance): boolean {
  const { client } = entry.publication;
  client.contentHash = takeFromSet(client.contentHash, contentOf(entry));
  const before = health(entry);
  entry.instance = next;
  client.contentHash = addToSet(client.contentHash, contentOf(entry));
  if (service.hosts.get(key) !== entry) return false;
  service.healthyCount += health(entry) - before;
  return true;
}

function uncount(state: NamingState, entry: Entry): void {
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

/** An instance as part of its client's content: which service, and everything of the instance. */
function contentOf(entry: Entry): number {
  return hashNumber(entry.instance.hash, hashText(entry.publication.service.key));
}

function health(entry: Entry | undefined): number {
  return entry?.instance.healthy === true ? 1 : 0;
}

/** A change of what a client publishes: its version grows, and the publication remembers at which count. */
export function advance(publication: Publication): void {
  publication.client.counter++;
  publication.counter = publication.client.counter;
}

export function record(
  turn: Turn,
  service: Service,
  instance: InstanceKey,
  entry: Entry,
  what: "removed" | "unhealthy" | "healthy" | "disabled" | "enabled",
  removal: Removal,
): void {
  turn.state.journal.add({
    at: wallAt(turn.state, turn.now),
    what,
    service: service.key,
    instance,
    clientId: entry.publication.client.id,
    ...removal,
  });
}

const SNOWFLAKE_EPOCH = 1_288_834_974_657n;

/** 41 bits of time, 10 of the member's incarnation, 12 of sequence; time runs ahead rather than a sequence repeating. */
function nextSnowflake(turn: Turn): string {
  const { snowflake, self } = turn.state;
  const at = Math.max(wallAt(turn.state, turn.now), snowflake.at);
  snowflake.sequence = at === snowflake.at ? snowflake.sequence + 1 : 0;
  snowflake.at = snowflake.sequence > 4095 ? at + 1 : at;
  if (snowflake.sequence > 4095) snowflake.sequence = 0;
  return snowflakeOf(snowflake.at, ((self.incarnation & 1023) << 12) | snowflake.sequence);
}

/** @param low  22 bits that tell ids of one millisecond apart. */
export function snowflakeOf(at: number, low: number): string {
  return String(((BigInt(at) - SNOWFLAKE_EPOCH) << 22n) | BigInt(low));
}
