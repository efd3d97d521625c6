import { type ServiceName, serviceKey } from "@nacre/protocol";
import { addToSet, hashNumber, hashText, takeFromSet } from "../lib/hash.ts";
import type { Cause } from "./causes.ts";
import type { Caller, InstanceInput } from "./events.ts";
import { noteExistence } from "./fuzzy.ts";
import { instanceKey, instanceOf, instanceRefused, sameInstance } from "./instance.ts";
import type { Client, Entry, Instance, InstanceKey, Publication, Service } from "./model.ts";
import { touch } from "./push.ts";
import { type Refusal, refusal } from "./refusal.ts";
import { ensureService, findService, type NamingState, noteEmpty, type Turn, wallAt } from "./state.ts";

/** Why something goes away: for the journal, and whether older copies under it go too. */
export interface Removal {
  readonly cause: Cause;
  readonly from: string;
  readonly detail: string;
}

/** Why a publication is refused before anything changes, or undefined. */
export function publishRefused(
  state: NamingState,
  client: Client | undefined,
  name: ServiceName,
  instances: readonly InstanceInput[],
  what: "register" | "batch register",
): Refusal | undefined {
  const persistent = client?.kind === "persistent";
  const service = findService(state, name);
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
 * the same again changes no version and pushes nothing.
 */
export function publish(
  turn: Turn,
  client: Client,
  name: ServiceName,
  inputs: readonly InstanceInput[],
  caller: Caller,
): void {
  const { state, now } = turn;
  const ephemeral = client.kind !== "persistent";
  const service = ensureService(turn, name, ephemeral);
  if (service.publications.size === 0 && service.metadata === undefined) service.ephemeral = ephemeral;
  let publication = service.publications.get(client);
  if (publication === undefined) {
    publication = { client, service, entries: [], counter: 0, beatAt: now, checkAt: 0 };
    service.publications.set(client, publication);
    client.publications.set(service, publication);
  }
  publication.beatAt = now;

  const wanted = new Map<InstanceKey, Instance>();
  for (const input of inputs) {
    const instance = instanceOf(name, input, ephemeral, () => nextSnowflake(turn));
    wanted.set(instanceKey(instance), instance);
  }
  let changed = false;
  const kept: Entry[] = [];
  for (const entry of publication.entries) {
    const key = instanceKey(entry.instance);
    const next = wanted.get(key);
    wanted.delete(key);
    if (next === undefined) {
      unlist(turn, service, key, entry, { cause: "replaced", from: caller.ip, detail: "" });
      changed = true;
      continue;
    }
    kept.push(entry);
    if (unchanged(entry.instance, next)) continue;
    setInstance(service, key, entry, next);
    changed = true;
  }
  for (const [key, instance] of wanted) {
    kept.push(list(state, service, key, { publication, instance, under: undefined }));
    changed = true;
  }
  if (!changed) return;
  publication.entries = kept;
  advance(publication);
  noteExistence(turn, service);
  touch(turn, service);
}

/** A generated snowflake id is new at every registration, so it does not count as a difference. */
function unchanged(held: Instance, next: Instance): boolean {
  if (held.instanceId === next.instanceId) return sameInstance(held, next);
  const generated = next.instanceId !== undefined && /^\d+#/.test(next.instanceId) && held.instanceId !== undefined;
  return (
    generated && sameInstance({ ...held, instanceId: undefined, hash: 0 }, { ...next, instanceId: undefined, hash: 0 })
  );
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
  for (const entry of publication.entries) {
    const key = instanceKey(entry.instance);
    if (removal.cause === "deregistered") dropUnder(turn, service, key, entry, removal.from);
    unlist(turn, service, key, entry, removal);
  }
  publication.entries = [];
  advance(publication);
  noteExistence(turn, service);
  noteEmpty(turn, service);
  touch(turn, service);
}

/** Removes the copies of an instance that older clients publish under `top`. */
function dropUnder(turn: Turn, service: Service, key: InstanceKey, top: Entry, from: string): void {
  if (service.hosts.get(key) !== top) return;
  for (let older = top.under; older !== undefined; older = older.under) {
    const { publication } = older;
    publication.entries = publication.entries.filter((entry) => entry !== older);
    uncount(turn.state, older);
    advance(publication);
    record(turn, service, key, older, "removed", { cause: "superseded", from, detail: "" });
    if (publication.entries.length > 0) continue;
    service.publications.delete(publication.client);
    publication.client.publications.delete(service);
  }
  top.under = undefined;
}

/** Shows an entry under its key; what showed before waits under it. */
function list(state: NamingState, service: Service, key: InstanceKey, entry: Entry): Entry {
  const shown = service.hosts.get(key);
  entry.under = shown;
  service.hosts.set(key, entry);
  service.healthyCount += health(entry) - health(shown);
  state.instanceCount++;
  const { client } = entry.publication;
  client.contentHash = addToSet(client.contentHash, contentOf(entry));
  service.vanished?.delete(key);
  return entry;
}

/** Takes an entry out. The journal records it when the instance no longer shows at all. */
function unlist(turn: Turn, service: Service, key: InstanceKey, entry: Entry, removal: Removal): void {
  uncount(turn.state, entry);
  const shown = service.hosts.get(key);
  if (shown !== entry) {
    for (let above = shown; above !== undefined; above = above.under)
      if (above.under === entry) above.under = entry.under;
    return;
  }
  service.healthyCount += health(entry.under) - health(entry);
  if (entry.under !== undefined) {
    service.hosts.set(key, entry.under);
    return;
  }
  service.hosts.delete(key);
  record(turn, service, key, entry, "removed", removal);
  noteVanished(turn, service, key);
}

/** An operator's record outlives its instance for a while, so that a restart keeps "taken offline". */
export function noteVanished(turn: Turn, service: Service, key: InstanceKey): void {
  if (service.overrides?.has(key) !== true) return;
  service.vanished ??= new Map();
  service.vanished.set(key, turn.now);
  turn.state.tasks.add(turn.now + turn.state.options.expiredMetadataMs, { type: "override", service, instance: key });
}

export function setInstance(service: Service, key: InstanceKey, entry: Entry, next: Instance): void {
  const { client } = entry.publication;
  client.contentHash = takeFromSet(client.contentHash, contentOf(entry));
  const before = health(entry);
  entry.instance = next;
  if (service.hosts.get(key) === entry) service.healthyCount += health(entry) - before;
  client.contentHash = addToSet(client.contentHash, contentOf(entry));
}

function uncount(state: NamingState, entry: Entry): void {
  const { client } = entry.publication;
  client.contentHash = takeFromSet(client.contentHash, contentOf(entry));
  state.instanceCount--;
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
  const id = ((BigInt(snowflake.at) - SNOWFLAKE_EPOCH) << 22n) | (BigInt(self.incarnation & 1023) << 12n);
  return String(id | BigInt(snowflake.sequence));
}
