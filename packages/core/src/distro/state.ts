import type { Millis } from "../lib/units.ts";
import type { Effect, PeerState } from "./events.ts";
import type { Cursor, Outgoing } from "./messages.ts";
import type { ClientId, Entry, Head, MemberId, Version } from "./model.ts";
import { ClientTable } from "./table.ts";

export interface DistroOptions {
  /** A change after quiet goes out at once; under load, batches are as far apart as this at most. */
  readonly batchMs: Millis;
  /** Clients per batch, per chunk of a load, and per message of marks. */
  readonly batchItemsMax: number;
  /** Batches to one peer that are not acknowledged yet. */
  readonly batchesInFlightMax: number;
  /** Ids that wait for one peer. At the bound they are all dropped, and the next digests repair what that left out. */
  readonly pendingMax: number;
  readonly retryMs: Millis;
  readonly retryMaxMs: Millis;
  readonly digestMs: Millis;
  /** Clients per listing. */
  readonly listingMax: number;
  readonly graceMs: Millis;
  /** Probes of orphans start this long before the grace ends. */
  readonly probeMs: Millis;
  readonly expiryMs: Millis;
  /** Once this member is no longer isolated, what is overdue is kept this long, because its owner may be back. */
  readonly settleMs: Millis;
  /** At least twice the longest expiry, so that nothing that is still on its way is older. */
  readonly tombstoneMs: Millis;
  /** At the bound the oldest are dropped early. */
  readonly tombstonesMax: number;
  readonly loadMaxMs: Millis;
  readonly loadRetryMs: Millis;
}

export const DEFAULT_DISTRO_OPTIONS: DistroOptions = {
  batchMs: 100,
  batchItemsMax: 500,
  batchesInFlightMax: 4,
  pendingMax: 200_000,
  retryMs: 200,
  retryMaxMs: 5_000,
  digestMs: 2_000,
  listingMax: 5_000,
  graceMs: 15_000,
  probeMs: 5_000,
  // From when the owner is found to be lost, which takes 3 s: nothing of it shows longer than 45 s.
  expiryMs: 41_000,
  settleMs: 5_000,
  tombstoneMs: 360_000,
  tombstonesMax: 200_000,
  loadMaxMs: 30_000,
  loadRetryMs: 500,
};

/** What another core knows and this one asks for while it decides. */
export interface NamingFacts {
  /** When an address client was last heard here: a registration or a heartbeat. Undefined: never. */
  heardAt(clientId: ClientId): Millis | undefined;
}

/** A batch on its way. */
export interface Batch {
  readonly ids: readonly ClientId[];
  readonly retryAt: Millis;
}

/** How far a load has come with one peer. */
export type LoadStage = "unasked" | "notLoaded" | "offered" | "comparing" | "compared";

export interface Peer {
  readonly id: MemberId;
  state: PeerState;
  incarnation: number;
  /** Ids only: what is sent is what is held when it is sent. */
  readonly pending: Set<ClientId>;
  readonly inFlight: Map<number, Batch>;
  credit: number;
  backoffMs: Millis;
  lastBatchAt: Millis;
  lastBatchItems: number;
  digestAt: Millis;
  /** When its digest last equalled ours. */
  equalAt: Millis | undefined;
  /** Since when its digests have differed. */
  differsSince: Millis | undefined;
  /** Digests of both sides that were unequal last, as text, and since when they have been just these. */
  difference: string;
  differenceSince: Millis | undefined;
  /** By owner: how many clients it holds more (or, below 0, less) than this member. */
  readonly differences: Map<MemberId, number>;
  /** Times that `pending` was dropped at its bound. */
  overflows: number;
  loadStage: LoadStage;
  loadClients: number;
  loadAskAt: Millis;
  /** While comparing: owners whose listing is not complete, and clients that were asked for. */
  readonly listing: Set<MemberId>;
  readonly fetching: Set<ClientId>;
}

export interface Load {
  readonly startedAt: Millis;
  source: MemberId | undefined;
  /** Where the next chunk begins; undefined when the last one has come. */
  cursor: Cursor | undefined;
  /** Whether the present source gave everything from the first chunk on. */
  wholly: boolean;
  retryAt: Millis;
  retryMs: Millis;
  chunks: number;
  clients: number;
  /** Said last, so that it is said once. */
  reason: string;
}

/** A client whose owner does not speak for it any more. */
export interface Orphan {
  readonly entry: Entry;
  readonly since: Millis;
  stage: "grace" | "probing" | "unhealthy";
}

export interface LostOwner {
  readonly since: Millis;
  /** Its removals are announced as held back. */
  held: boolean;
}

export interface DistroState {
  readonly options: DistroOptions;
  readonly self: MemberId;
  readonly incarnation: number;
  readonly naming: NamingFacts;
  readonly table: ClientTable;
  readonly peers: Map<MemberId, Peer>;
  readonly orphans: Map<ClientId, Orphan>;
  /** By `owner/incarnation`. */
  readonly lost: Map<string, LostOwner>;
  ownerOf: (clientId: ClientId) => MemberId | undefined;
  isolated: boolean;
  /** Nothing lost is removed before this moment. */
  keepUntil: Millis;
  /** When the next orphan is to be moved on. */
  orphansAt: Millis;
  seq: number;
  load: Load | undefined;
  readyHow: "loaded" | "cold" | "alone" | "late" | undefined;
  membersKnown: boolean;
  started: boolean;
}

export function newDistro(
  self: MemberId,
  incarnation: number,
  naming: NamingFacts,
  options: Partial<DistroOptions> = {},
): DistroState {
  const all = { ...DEFAULT_DISTRO_OPTIONS, ...options };
  return {
    options: all,
    self,
    incarnation,
    naming,
    table: new ClientTable(all.tombstonesMax),
    peers: new Map(),
    orphans: new Map(),
    lost: new Map(),
    ownerOf: () => undefined,
    isolated: false,
    keepUntil: 0,
    orphansAt: Number.POSITIVE_INFINITY,
    seq: 0,
    load: undefined,
    readyHow: undefined,
    membersKnown: false,
    started: false,
  };
}

export function newPeer(id: MemberId): Peer {
  return {
    id,
    state: "unknown",
    incarnation: 0,
    pending: new Set(),
    inFlight: new Map(),
    credit: 0,
    backoffMs: 0,
    lastBatchAt: Number.NEGATIVE_INFINITY,
    lastBatchItems: 0,
    digestAt: 0,
    equalAt: undefined,
    differsSince: undefined,
    difference: "",
    differenceSince: undefined,
    differences: new Map(),
    overflows: 0,
    loadStage: "unasked",
    loadClients: 0,
    loadAskAt: 0,
    listing: new Set(),
    fetching: new Set(),
  };
}

/** One step in progress. */
export interface Turn {
  readonly state: DistroState;
  readonly now: Millis;
  readonly effects: Effect[];
  /** Told to naming at the end of the step, as few effects. */
  readonly marks: Map<ClientId, "unconfirmed" | "unhealthy" | "trusted">;
}

export function send({ effects }: Turn, to: MemberId, message: Outgoing): void {
  effects.push({ type: "send", to, message });
}

export function headOf(entry: Entry, now: Millis): Head {
  const { id, kind, version, contentHash, gone, asked, answers, after, madeAt } = entry;
  const ageMs = Math.max(0, Math.round(now - madeAt));
  const head: Head = { id, kind, version, contentHash, gone, answers, after, ageMs };
  return gone === "removed" && asked ? { ...head, asked } : head;
}

/** Whether the member is in the life in which it wrote that, and not down. */
export function speaks(state: DistroState, { owner, incarnation }: Version): boolean {
  if (owner === state.self) return incarnation === state.incarnation;
  const peer = state.peers.get(owner);
  return peer !== undefined && peer.state !== "down" && (peer.incarnation === incarnation || peer.incarnation === 0);
}

/** Whether the owner can be asked directly, so that nobody else has to speak for it. */
export function inReach(state: DistroState, version: Version): boolean {
  return speaks(state, version) && (version.owner === state.self || state.peers.get(version.owner)?.state === "up");
}

export function isOwn(state: DistroState, version: Version): boolean {
  return version.owner === state.self && version.incarnation === state.incarnation;
}

/** Whether the client is live, and this member is the one that changes it. */
export function isOwnLive(state: DistroState, entry: Entry | undefined): entry is Entry & { gone: undefined } {
  return entry !== undefined && entry.gone === undefined && isOwn(state, entry.version);
}

export function reachable(peer: Peer): boolean {
  return peer.state === "up" || peer.state === "suspicious";
}
