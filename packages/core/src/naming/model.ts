import type { ServiceKey, ServiceName, TextMap } from "@nacre/protocol";
import type { Checker } from "../health/checker.ts";
import type { SmallMap } from "../lib/small-map.ts";
import type { Millis } from "../lib/units.ts";
import type { Selector } from "./selector.ts";

export type ClientId = string;
export type MemberId = string;

/** One published instance. Values never change in place: a change makes a new one. */
export interface Instance {
  readonly ip: string;
  readonly port: number;
  readonly weight: number;
  readonly healthy: boolean;
  readonly enabled: boolean;
  readonly ephemeral: boolean;
  readonly cluster: string;
  readonly metadata: TextMap;
  /** Undefined stands for the derived id `ip#port#cluster#group@@name`. */
  readonly instanceId: string | undefined;
  /** Over everything above, so that equal content has equal hashes on every member: 32 bits, with a sign. */
  readonly hash: number;
}

/** `ip:port:cluster`: what an instance is known by inside its service. */
export type InstanceKey = string;

/** An instance where it is published. Several clients may publish one instance key: the newest shows, the rest wait under it (N17). */
export interface Entry {
  readonly publication: Publication;
  instance: Instance;
  under: Entry | undefined;
}

/** What one client publishes for one service: a single instance or a batch. */
export interface Publication {
  readonly client: Client;
  readonly service: Service;
  entries: Entry[];
  /** The client's counter when this publication last changed. */
  counter: number;
  /** Last heartbeat of an address client; the registration counts as one. */
  beatAt: Millis;
  /** When its heartbeat is looked at next; 0 when nobody will. */
  checkAt: Millis;
}

/**
 * A member between a start and a stop, and how what it owns is shown here. One object per life and kind of showing is
 * shared by all its clients, so that a client knows all of this at the price of one word.
 */
export interface Life {
  memberId: MemberId;
  readonly incarnation: number;
  /** `unconfirmed`: as published, although nobody speaks for it; `unhealthy`: whatever is published. */
  readonly shown: "asPublished" | "unconfirmed" | "unhealthy";
}

/**
 * Who publishes and subscribes. A connection client lives as long as its gRPC connection, an address client
 * (`ip:port#true`) as long as its heartbeats, a persistent one (`ip:port#false`) until it is deregistered.
 */
export interface Client {
  readonly id: ClientId;
  readonly kind: "connection" | "address" | "persistent";
  /** Version of everything this client publishes: the life of its owner, and a counter of changes. */
  life: Life;
  counter: number;
  /** Set hash over the client's instances, for digests. */
  contentHash: number;
  ip: string;
  port: number;
  app: string;
  agent: string;
  /** Epoch milliseconds on the clock of its owner: shown to people, and decides which of two clients is the newer. */
  createdAt: Millis;
  activeAt: Millis;
  readonly publications: SmallMap<Service, Publication>;
  subscriptions: SmallMap<Service, Subscription> | undefined;
}

export interface Subscription {
  readonly client: Client;
  readonly service: Service;
  /** The comma list as the client wrote it: it is echoed, and part of the cache key of several SDKs. */
  clusters: string;
  /** Revision of the service that was last sent; -1 before the first push. */
  sentRevision: number;
  /** Request id of the push that waits for its acknowledgement, 0 when there is none. One at a time. */
  inFlight: number;
  /** When that push was sent. */
  sentAt: Millis;
  /** Pushes in a row without an acknowledgement. */
  misses: number;
  /** Not pushed before this moment, after a failed push. */
  retryAt: Millis;
  /** UDP subscribers only: forgotten when not renewed until then; Infinity otherwise. */
  expiresAt: Millis;
}

export interface ClusterMetadata {
  readonly healthChecker: Checker;
  readonly healthyCheckPort: number;
  readonly useInstancePort: boolean;
  readonly metadata: TextMap;
}

/** Set by an operator; present exactly when a service was created or edited by hand, which also keeps it when empty. */
export interface ServiceMetadata {
  readonly ephemeral: boolean;
  readonly protectThreshold: number;
  readonly selector: Selector;
  readonly metadata: TextMap;
  readonly clusters: Readonly<Record<string, ClusterMetadata>>;
}

/** What an operator set for one instance: it wins over what the client publishes, key by key in `metadata`. */
export interface Override {
  readonly weight: number | undefined;
  readonly enabled: boolean | undefined;
  readonly metadata: TextMap;
}

export interface Service {
  readonly key: ServiceKey;
  readonly name: ServiceName;
  /** Decided by the first publisher, or by the operator who created it. */
  ephemeral: boolean;
  metadata: ServiceMetadata | undefined;
  overrides: Map<InstanceKey, Override> | undefined;
  readonly publications: SmallMap<Client, Publication>;
  /** The entry that shows for each instance key. */
  readonly hosts: Map<InstanceKey, Entry>;
  healthyCount: number;
  subscribers: Map<Client, Subscription> | undefined;
  /** Grows with every change that a consumer could see. */
  revision: number;
  /** Epoch milliseconds, strictly growing with the revisions that anybody was shown; clients drop what is not newer. */
  lastRefTime: number;
  /** Whether anybody was shown the present revision. */
  shown: boolean;
  /** Has a publisher or was made by hand: only then is the service listed and seen by fuzzy watches. */
  listed: boolean;
  /** When this service last had neither publisher nor subscriber. */
  emptySince: Millis;
  /** Whether a look at it as an empty service is on its way: one at a time. */
  emptyCheck: boolean;
  /** Operators' records whose instance is gone, and since when: they outlive it for a while. */
  vanished: Map<InstanceKey, Millis> | undefined;
  /** Changes counted for the top list of the metrics. */
  changes: number;
  /** Set while a push is scheduled: the moment of the first change that it will carry. */
  dirtySince: Millis | undefined;
  scheduledAt: Millis | undefined;
  /** No fan-out before this moment. */
  pauseUntil: Millis;
  /** When the last list of this service was made, on the clock of the view cache. */
  viewMadeAt: number | undefined;
}
