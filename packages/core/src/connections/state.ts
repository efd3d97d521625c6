import type { TextMap } from "@nacre/protocol";
import { Deadlines } from "../lib/deadlines.ts";
import { type Millis, minutes, seconds } from "../lib/units.ts";

/** `<epochMillis>_<remoteIp>_<remotePort>`: one TCP connection. */
export type ConnectionId = string;

/**
 * `opened`: the TCP connection stands, no setup yet. `live`: registered. `probed`: idle, asked whether it is there.
 * `leaving`: told to go elsewhere, still registered, closed when its time is up. A connection that is none of these is
 * not in the table.
 */
export type Phase = "opened" | "live" | "probed" | "leaving";

/** A connection as features see it. The setup's fields are blank while the phase is `opened`. */
export interface Connection {
  readonly id: ConnectionId;
  readonly phase: Phase;
  /** The TCP peer. */
  readonly remoteIp: string;
  readonly remotePort: number;
  readonly localPort: number;
  readonly tls: boolean;
  /** What the client says its address is; the TCP peer's when it says nothing. */
  readonly clientIp: string;
  readonly clientVersion: string;
  readonly tenant: string;
  readonly labels: TextMap;
  /** Label `AppName`; `-` when absent. */
  readonly appName: string;
  /** Label `module`: naming, config, lock, ai; blank when absent. */
  readonly module: string;
  /** Label `source`. Anything but `cluster` counts as an SDK, because some SDKs leave it out. */
  readonly source: "sdk" | "cluster";
  /** Whether the setup carried `abilityTable`, and what was in it. */
  readonly abilities: Readonly<Record<string, boolean>> | undefined;
  readonly createdAt: Millis;
  readonly lastActiveAt: Millis;
}

/** The mutable record behind a `Connection`. Written by `step` alone. */
export interface Held extends Connection {
  phase: Phase;
  clientIp: string;
  clientVersion: string;
  tenant: string;
  labels: TextMap;
  appName: string;
  module: string;
  source: "sdk" | "cluster";
  abilities: Readonly<Record<string, boolean>> | undefined;
  lastActiveAt: Millis;
  tls: boolean;
  /** When it is next looked at for idleness; a deadline of any other moment is stale (C3). */
  checkAt: Millis | undefined;
  /** When the queue went over its limit; undefined while it is below. */
  blockedAt: Millis | undefined;
  /** What was sent and not yet acknowledged, oldest first. */
  readonly pending: Map<RequestId, PendingPush>;
  /** The last few pushes that were given up: their late acknowledgements must not settle a later push (C6). */
  givenUp: Set<RequestId> | undefined;
}

/** Decimal text; unique among the pushes that are pending. */
export type RequestId = string;

/** One push to many connections: one record and one deadline, however many there are. */
export interface PendingPush {
  readonly requestId: RequestId;
  /** The response type that acknowledges it. */
  readonly expects: string;
  /** Who has not settled yet. */
  readonly waiting: Set<ConnectionId>;
}

export interface ConnectionOptions {
  /** Without activity for this long, a registered connection is probed. */
  readonly idleMs: Millis;
  /** An answer, or any activity, within this time after a probe keeps it. */
  readonly probeMs: Millis;
  /** A connection without setup and without calls for this long is closed. */
  readonly unregisteredMs: Millis;
  /** How long a connection that was told to leave may stay. */
  readonly leaveMs: Millis;
  /** How long the send queue may stay over its limit. */
  readonly blockedMs: Millis;
  /** Pushes that may wait for their acknowledgement per connection; further ones are `busy`. */
  readonly pendingMax: number;
  readonly connectionsMax: number;
  /** Registered connections per client address. */
  readonly connectionsPerIpMax: number;
}

export const CONNECTION_DEFAULTS: ConnectionOptions = {
  idleMs: seconds(20),
  probeMs: seconds(5),
  unregisteredMs: minutes(1),
  leaveMs: seconds(3),
  blockedMs: minutes(1),
  pendingMax: 1024,
  connectionsMax: 100_000,
  connectionsPerIpMax: Number.POSITIVE_INFINITY,
};

/** What the deadlines are about. Each is looked at when it comes out and dropped if it no longer applies. */
export type Due =
  | { readonly type: "check"; readonly id: ConnectionId; readonly at: Millis }
  | { readonly type: "blocked"; readonly id: ConnectionId; readonly since: Millis }
  | { readonly type: "leave"; readonly id: ConnectionId }
  | { readonly type: "push"; readonly push: PendingPush };

/** Deadlines are kept to this grain: something is up to this much late, never early. */
export const GRAIN_MS: Millis = 100;

/** Given-up pushes that a connection remembers. */
export const GIVEN_UP_MAX = 32;

/**
 * The life cycle numbers its own requests from here. Naming numbers its own below and configuration far above, so that
 * an acknowledgement of a probe can never settle a feature's push.
 */
export const OWN_REQUEST_IDS_FROM = 1_000_000_000_000_000;

export interface ConnectionTable {
  readonly options: ConnectionOptions;
  readonly byId: Map<ConnectionId, Held>;
  /** Registered connections. */
  registered: number;
  /** Registered connections that are SDKs and not leaving: those that the loader counts and moves. */
  sdks: number;
  readonly registeredByIp: Map<string, number>;
  readonly pushes: Map<RequestId, PendingPush>;
  readonly deadlines: Deadlines<Due>;
  nextRequestId: number;
  /** Set once the member stops. `perSecond` connections are told to leave each second until `until`. */
  drain: { readonly until: Millis; readonly perSecond: number; nextAt: Millis } | undefined;
  lastTickAt: Millis | undefined;
  /** After a pause of the process nobody is silent before this: what was said meanwhile is still in the sockets. */
  readingUntil: Millis;
}

export function newConnectionTable(options: Partial<ConnectionOptions> = {}): ConnectionTable {
  return {
    options: { ...CONNECTION_DEFAULTS, ...options },
    byId: new Map(),
    registered: 0,
    sdks: 0,
    registeredByIp: new Map(),
    pushes: new Map(),
    deadlines: new Deadlines(GRAIN_MS),
    nextRequestId: OWN_REQUEST_IDS_FROM,
    drain: undefined,
    lastTickAt: undefined,
    readingUntil: 0,
  };
}

export function takeRequestId(table: ConnectionTable): RequestId {
  return String(table.nextRequestId++);
}
