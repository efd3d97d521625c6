import type { TextMap } from "@nacre/protocol";
import type { Millis } from "../lib/units.ts";
import { adopt } from "./copies.ts";
import { heartbeatOf, instanceKey, mergedText, withHealth } from "./instance.ts";
import { isOwn } from "./lives.ts";
import type { Client, ClientId, Entry, Publication, Service } from "./model.ts";
import { advance, record, withdraw } from "./publish.ts";
import { touch } from "./push.ts";
import { setInstance } from "./stack.ts";
import type { NamingState, Turn } from "./state.ts";

/** While nobody is to judge heartbeats, an instance is looked at this often, because that may change. */
const UNCHECKED_MS = 15_000;
/** No check is further ahead, so that a client with heartbeats once a year leaves nothing behind for a year. */
const LOOK_AHEAD_MAX_MS = 60_000;

/**
 * The heartbeat of a published instance: it lives on, and is healthy again if it was not. Where it is heard, it is owned
 * and judged.
 */
export function beat(turn: Turn, publication: Publication, from: string): void {
  hear(turn, publication.client);
  publication.beatAt = turn.now;
  publication.client.activeAt = turn.now;
  for (const entry of publication.entries) {
    if (entry.instance.healthy) continue;
    changeHealth(turn, publication.service, entry, true, { cause: "heartbeatBack", from, detail: "" });
    scheduleBeatCheck(turn, publication);
  }
}

/** An address client speaks here. */
export function hear(turn: Turn, client: Client): void {
  const { state } = turn;
  if (isJudged(state, client) && isOwn(state, client)) return;
  adopt(turn, client);
  state.beatsAt.delete(client);
  for (const publication of client.publications.values()) scheduleBeatCheck(turn, publication);
}

/** Whether silence of an address client means anything here: at its owner, or where the ring says that it is to beat. */
function isJudged({ beatsAt, self }: NamingState, client: Client): boolean {
  const at = beatsAt.size === 0 ? undefined : beatsAt.get(client);
  return at === undefined ? client.life === self : at === "here";
}

/** From now on they have the time of a whole heartbeat: until the first one they stay copies. */
export function takeOver(turn: Turn, clientIds: readonly ClientId[]): void {
  const { state, now } = turn;
  for (const id of clientIds) {
    const client = state.clients.get(id);
    if (client?.kind !== "address" || isJudged(state, client)) continue;
    if (isOwn(state, client)) state.beatsAt.delete(client);
    else state.beatsAt.set(client, "here");
    for (const publication of client.publications.values()) {
      if (!isOwn(state, client)) publication.beatAt = now;
      scheduleBeatCheck(turn, publication);
    }
  }
}

/** A copy came anew: where it is to beat here, it may be due at another moment than before. */
export function checkExpected(turn: Turn, clientId: ClientId): void {
  const { beatsAt, clients } = turn.state;
  const client = beatsAt.size === 0 ? undefined : clients.get(clientId);
  if (client === undefined || beatsAt.get(client) !== "here") return;
  for (const publication of client.publications.values()) scheduleBeatCheck(turn, publication);
}

export function handOver(state: NamingState, clientIds: readonly ClientId[]): void {
  for (const id of clientIds) {
    const client = state.clients.get(id);
    if (client?.kind !== "address") continue;
    if (isOwn(state, client)) state.beatsAt.set(client, "elsewhere");
    else state.beatsAt.delete(client);
  }
}

/** When an address client that is owned here was last heard: a registration or a heartbeat. */
export function heardAt(state: NamingState, clientId: ClientId): Millis | undefined {
  const client = state.clients.get(clientId);
  if (client?.kind !== "address" || !isOwn(state, client)) return undefined;
  let at: Millis | undefined;
  for (const { beatAt } of client.publications.values()) at = Math.max(at ?? beatAt, beatAt);
  return at;
}

/**
 * How long an address client may be silent before it is shown unhealthy, and before it is removed: of all that it
 * publishes the longest, and Infinity where nothing follows from silence. Undefined for others.
 */
export function patienceOf(
  state: NamingState,
  clientId: ClientId,
): { readonly timeoutMs: Millis; readonly deleteMs: Millis } | undefined {
  const client = state.clients.get(clientId);
  if (client?.kind !== "address") return undefined;
  const longest = { timeoutMs: 0, deleteMs: 0 };
  for (const { service, entries } of client.publications.values())
    for (const entry of entries) {
      const metadata = metadataOf(service, entry);
      const { timeoutMs, deleteMs } = heartbeatOf(metadata);
      const isChecked = !isUnchecked(state, service, metadata);
      const expires = isChecked && state.options.expireInstances;
      longest.timeoutMs = Math.max(longest.timeoutMs, isChecked ? timeoutMs : Number.POSITIVE_INFINITY);
      longest.deleteMs = Math.max(longest.deleteMs, expires ? deleteMs : Number.POSITIVE_INFINITY);
    }
  return longest;
}

function isUnchecked({ switches }: NamingState, service: Service, metadata: TextMap): boolean {
  const says = (given: TextMap | undefined): boolean => given?.enableClientBeat === "true";
  return says(metadata) || says(service.metadata?.metadata) || !switches.healthCheckEnabled;
}

export function changeHealth(
  turn: Turn,
  service: Service,
  entry: Entry,
  healthy: boolean,
  why: Parameters<typeof record>[5],
): void {
  if (entry.instance.healthy === healthy) return;
  const key = instanceKey(entry.instance);
  const visible = setInstance(service, key, entry, withHealth(entry.instance, healthy));
  advance(turn, entry.publication);
  if (!visible) return;
  record(turn, service, key, entry, healthy ? "healthy" : "unhealthy", why);
  touch(turn, service);
}

/** How often the client of an instance is to beat: the operator's record, then the instance, then the switch. */
export function beatIntervalOf(state: NamingState, service: Service, entry: Entry): Millis {
  const metadata = metadataOf(service, entry);
  return Object.hasOwn(metadata, "preserved.heart.beat.interval")
    ? heartbeatOf(metadata).intervalMs
    : state.switches.clientBeatInterval;
}

function metadataOf(service: Service, entry: Entry): Readonly<Record<string, string>> {
  const over = service.overrides?.get(instanceKey(entry.instance))?.metadata;
  return over === undefined ? entry.instance.metadata : mergedText(entry.instance.metadata, over);
}

/** Sees to it that the publication is looked at when its heartbeat would be overdue, or earlier. */
export function scheduleBeatCheck(turn: Turn, publication: Publication): void {
  const { client } = publication;
  if (client.kind !== "address" || !isJudged(turn.state, client)) return;
  const at = isOwn(turn.state, client) ? overdueAt(turn.state, publication) : lostAt(turn.state, client);
  if (at !== undefined) lookAt(turn, publication, at);
}

/** When the silence of an address client next changes something, or undefined when it no longer can. */
function overdueAt(state: NamingState, publication: Publication): Millis | undefined {
  const [entry] = publication.entries;
  if (entry === undefined) return undefined;
  const { timeoutMs, deleteMs } = heartbeatOf(metadataOf(publication.service, entry));
  const unhealthyAt = entry.instance.healthy ? publication.beatAt + timeoutMs : Number.POSITIVE_INFINITY;
  const removedAt = state.options.expireInstances ? publication.beatAt + deleteMs : Number.POSITIVE_INFINITY;
  const at = Math.min(unhealthyAt, removedAt);
  return Number.isFinite(at) ? at : undefined;
}

/**
 * When a client that never spoke here has been silent for too long, or undefined. It goes as a whole: a part of a copy
 * has no version. That it is shown unhealthy before is not for naming to say.
 */
function lostAt(state: NamingState, client: Client): Millis | undefined {
  if (!state.options.expireInstances) return undefined;
  let at: Millis | undefined;
  for (const publication of client.publications.values())
    for (const entry of publication.entries) {
      const { deleteMs } = heartbeatOf(metadataOf(publication.service, entry));
      at = Math.max(at ?? 0, publication.beatAt + deleteMs);
    }
  return at;
}

function lookAt(turn: Turn, publication: Publication, wanted: Millis): void {
  const at = Math.min(wanted, turn.now + LOOK_AHEAD_MAX_MS);
  if (publication.checkAt !== 0 && publication.checkAt <= at) return;
  publication.checkAt = at;
  turn.state.beats.add(at, publication);
}

/** Looks at an address client whose heartbeat may be overdue: unhealthy after its timeout, removed after its delete time. */
export function checkBeat(turn: Turn, publication: Publication): void {
  const { state, now } = turn;
  const { service, client } = publication;
  // A check that was moved to an earlier moment leaves its old entry behind; that one finds a later `checkAt`.
  if (publication.checkAt === 0 || publication.checkAt > now) return;
  publication.checkAt = 0;
  const [entry] = publication.entries;
  if (entry === undefined || service.publications.get(client) !== publication) return;
  if (!isJudged(state, client)) return;
  if (now < state.holdExpiryUntil) return lookAt(turn, publication, state.holdExpiryUntil);
  const metadata = metadataOf(service, entry);
  const { timeoutMs, deleteMs } = heartbeatOf(metadata);
  if (isUnchecked(state, service, metadata)) return lookAt(turn, publication, now + UNCHECKED_MS);
  if (!isOwn(state, client)) return checkSilence(turn, publication);
  const silentMs = now - publication.beatAt;
  const detail = `no heartbeat for ${(silentMs / 1000).toFixed(1)} s`;
  const why = { cause: "heartbeatExpired", from: "", detail } as const;
  if (silentMs >= deleteMs && state.options.expireInstances) return withdraw(turn, client, service, why);
  if (silentMs >= timeoutMs) changeHealth(turn, service, entry, false, why);
  scheduleBeatCheck(turn, publication);
}

/** Looks at a copy that is expected to beat here. */
function checkSilence(turn: Turn, { client, beatAt }: Publication): void {
  const { state, now } = turn;
  const at = lostAt(state, client);
  if (at === undefined || at > now) {
    for (const publication of client.publications.values()) scheduleBeatCheck(turn, publication);
    return;
  }
  const detail = `no heartbeat for ${((now - beatAt) / 1000).toFixed(1)} s at the member that expects them`;
  for (const service of [...client.publications.keys()])
    withdraw(turn, client, service, { cause: "heartbeatExpired", from: "", detail });
}
