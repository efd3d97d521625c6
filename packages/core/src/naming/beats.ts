import type { Millis } from "../lib/units.ts";
import { heartbeatOf, instanceKey, mergedText, withHealth } from "./instance.ts";
import type { Entry, Publication, Service } from "./model.ts";
import { advance, record, setInstance, withdraw } from "./publish.ts";
import { touch } from "./push.ts";
import type { NamingState, Turn } from "./state.ts";

/** A wake-up that comes this late means that the process did not run, and heartbeats wait unread in the sockets. */
const PAUSE_MS = 3_000;

/** The heartbeat of a published instance: it lives on, and is healthy again if it was not. */
export function beat(turn: Turn, publication: Publication, from: string): void {
  publication.beatAt = turn.now;
  publication.client.activeAt = turn.now;
  for (const entry of publication.entries) {
    if (entry.instance.healthy) continue;
    changeHealth(turn, publication.service, entry, true, { cause: "heartbeatBack", from, detail: "" });
    scheduleBeatCheck(turn.state, publication);
  }
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
  setInstance(service, key, entry, withHealth(entry.instance, healthy));
  advance(entry.publication);
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
export function scheduleBeatCheck(state: NamingState, publication: Publication): void {
  const [entry] = publication.entries;
  if (entry === undefined) return;
  const { timeoutMs, deleteMs } = heartbeatOf(metadataOf(publication.service, entry));
  lookAt(state, publication, publication.beatAt + (entry.instance.healthy ? Math.min(timeoutMs, deleteMs) : deleteMs));
}

function lookAt(state: NamingState, publication: Publication, at: Millis): void {
  if (publication.checkAt !== 0 && publication.checkAt <= at) return;
  publication.checkAt = at;
  state.beats.add(at, publication);
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
  if (now < state.holdExpiryUntil) return lookAt(state, publication, state.holdExpiryUntil);
  const metadata = metadataOf(service, entry);
  const { timeoutMs, deleteMs } = heartbeatOf(metadata);
  if (metadata.enableClientBeat === "true" || service.metadata?.metadata.enableClientBeat === "true")
    return lookAt(state, publication, now + timeoutMs);
  const silentMs = now - publication.beatAt;
  const detail = `no heartbeat for ${(silentMs / 1000).toFixed(1)} s`;
  const why = { cause: "heartbeatExpired", from: "", detail } as const;
  if (silentMs >= timeoutMs) changeHealth(turn, service, entry, false, why);
  if (silentMs >= deleteMs && state.options.expireInstances) return withdraw(turn, client, service, why);
  const next = publication.beatAt + (entry.instance.healthy ? timeoutMs : deleteMs);
  // Instances that are kept although their delete time is over are only looked at again for a change of the rules.
  lookAt(state, publication, next > now ? next : now + timeoutMs);
}

/** Called with every tick: after a pause of the process nobody is judged until the beats of the pause have been read. */
export function notePause(state: NamingState, now: Millis): void {
  const pausedMs = state.lastTickAt === undefined ? 0 : now - state.lastTickAt;
  state.lastTickAt = now;
  if (pausedMs > PAUSE_MS) state.holdExpiryUntil = now + Math.min(pausedMs, 30_000);
}
