import type { Effect, Event } from "@nacre/core/naming";
import {
  bool,
  type FailureName,
  integer,
  number,
  object,
  optional,
  RegistryError,
  text,
  textMap,
} from "@nacre/protocol";

/** Writes that belong to the owner of the address that they name. */
export type AddressEvent = Extract<Event, { type: "publishAddress" | "withdrawAddress" | "beat" }>;
export type BeatAnswer = Extract<Effect, { type: "beatAnswer" }>;

/** A write on its way to the owner. */
export type ForwardedWrite = AddressEvent & {
  /** Beat of the owner up to which somebody waits for it. */
  readonly until: number;
};

/** What the owner answers: for a heartbeat what naming says, for the others that it is done. */
export interface Forwarded {
  readonly beat?: { readonly known: boolean; readonly intervalMs: number };
  /** Of a deregistration: the owner held nothing that it could take back. */
  readonly isUnknown?: true;
}

export interface ForwardingFailure {
  readonly since: number;
  /** The last failure. */
  at: number;
  error: string;
  readonly clients: Set<string>;
}

/** By member: since when forwarding to it fails, why, and of which clients. */
export type ForwardingFailures = Map<string, ForwardingFailure>;

/** Two heartbeats: what has not failed again by then may have gone by way of another member, and fails no more. */
const FAILS_MS = 10_000;

export function stillFails({ at }: ForwardingFailure, now: number): boolean {
  return now - at < FAILS_MS;
}

/** Clients of one failing owner that are told apart; more need no figure. */
const CLIENTS_MAX = 10_000;

export function noteForwarded(
  failures: ForwardingFailures,
  to: string,
  clientId: string,
  error: string | undefined,
  now: number,
): void {
  if (error === undefined) {
    failures.delete(to);
    return;
  }
  const held = failures.get(to);
  const failure =
    held !== undefined && stillFails(held, now) ? held : { since: now, at: now, error, clients: new Set<string>() };
  failure.at = now;
  failure.error = error;
  if (failure.clients.size < CLIENTS_MAX) failure.clients.add(clientId);
  failures.set(to, failure);
}

/** The client of a caller waits meanwhile; after this the member that was asked serves the write itself. */
export const FORWARD_TIMEOUT_MS = 1_000;

export interface ForwardingSetup {
  readonly memberId: string;
  /** Who owns an address client; undefined while the ring is empty. */
  readonly ownerOf: (clientId: string) => string | undefined;
  /** How far the beats of a member have come at least; undefined when it has not shown itself here since its start. */
  readonly beatOf: (memberId: string) => number | undefined;
  /** Feeds naming of this member. */
  readonly submit: (event: AddressEvent) => BeatAnswer | undefined;
  /**
   * @throws RegistryError: that of the owner; `peerUnreachable` when it is not known whether the owner did it;
   * `overThreshold` when so many calls wait for it that this one was not made, or not taken.
   */
  readonly call: (to: string, write: ForwardedWrite) => Promise<Forwarded>;
  /** Whether the owner could be reached. */
  readonly settled: (to: string, clientId: string, error: string | undefined) => void;
}

/** Failures of the way to an owner, and not of the write: naming has neither. */
const NOT_THERE: ReadonlySet<FailureName> = new Set(["peerUnreachable", "overThreshold"]);

/**
 * Brings a write to the member that owns its address, whatever API it came by; one member alone judges its heartbeats.
 * An owner that does not answer, or has as much to answer as it may, is replaced at once: the write is made here with a
 * version above what is known, and should the owner have made it as well, the two are equal or the newer one wins. The
 * owner makes it while it is waited for here, or not at all: later, it would take the place of what came after it.
 *
 * @throws RegistryError when naming refuses it.
 */
export async function forwardWrite(setup: ForwardingSetup, event: AddressEvent): Promise<BeatAnswer | undefined> {
  const { ip, port } = event.type === "publishAddress" ? event.instance : event;
  const clientId = `${ip.trim()}:${port}#true`;
  const owner = setup.ownerOf(clientId);
  if (owner === undefined || owner === setup.memberId) return setup.submit(event);
  try {
    const ownersBeat = setup.beatOf(owner);
    if (ownersBeat === undefined) throw new RegistryError("peerUnreachable", "it has not shown itself here");
    const { beat, isUnknown } = await setup.call(owner, { ...event, until: ownersBeat + FORWARD_TIMEOUT_MS });
    setup.settled(owner, clientId, undefined);
    // Who publishes it may be out of the owner's reach: what is held here is taken back here, and told.
    if (isUnknown) return setup.submit(event);
    return beat && { type: "beatAnswer", ...beat };
  } catch (thrown) {
    if (!(thrown instanceof RegistryError) || !NOT_THERE.has(thrown.failure)) throw thrown;
    setup.settled(owner, clientId, thrown.message);
    return setup.submit(event);
  }
}

const service = object({ namespace: text(), group: text(), name: text() });
const caller = object({ ip: text(), app: text(), agent: text() });
const instance = object({
  ip: text(),
  port: integer(0),
  weight: number(1),
  healthy: bool(true),
  enabled: bool(true),
  clusterName: text(),
  metadata: textMap(),
  instanceId: text(),
});
const published = object({ service, caller, instance });
const withdrawn = object({ service, caller, ip: text(), port: integer(0) });
/** Members of before it was told wait for ever. */
const limit = object({ until: number(Number.POSITIVE_INFINITY) });
const beaten = object({ service, caller, ip: text(), port: integer(0), instance: optional(instance) });

/** A write as another member sent it. It is made here, also when the rings of the two differ. @throws RegistryError. */
export function readForwarded(payload: unknown): ForwardedWrite {
  return { ...readWrite(payload), ...limit.read(payload, "") };
}

function readWrite(payload: unknown): AddressEvent {
  const type = (payload as { type?: unknown } | null)?.type;
  switch (type) {
    case "publishAddress":
      return { type, ...published.read(payload, "") };
    case "withdrawAddress":
      return { type, ...withdrawn.read(payload, "") };
    case "beat":
      return { type, ...beaten.read(payload, "") };
    default:
      throw new RegistryError("invalidParameter", `a member forwarded a write of an unknown type: '${String(type)}'`);
  }
}
