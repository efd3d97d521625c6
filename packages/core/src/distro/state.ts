import type { Millis } from "../lib/units.ts";
import { ChangedClients } from "./changed-clients.ts";
import type { Effect, PeerState } from "./events.ts";
import type { Cursor, Outgoing } from "./messages.ts";
import type { Base, ClientId, Entry, Head, MemberId, Version } from "./model.ts";
import { type Orphan, OrphanTable } from "./orphan-table.ts";
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
  /** A load does not wait any longer for a peer to which no link stands, or of which nobody can say more, as for one that is dead. */
  readonly unlinkedMaxMs: Millis;
  /** Clients that one step looks at because of something that concerns all: more follow in the next steps. */
  readonly stepItemsMax: number;
}

export const DEFAULT_DISTRO_OPTIONS: DistroOptions = {
  batchMs: 25,
  batchItemsMax: 500,
  batchesInFlightMax: 4,
  pendingMax: 100_000,
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
  unlinkedMaxMs: 3_000,
  stepItemsMax: 2_000,
};

/** How long an address client may be silent before it is shown unhealthy, and before it goes; Infinity: for ever. */
export interface Patience {
  readonly timeoutMs: Millis;
  readonly deleteMs: Millis;
}

/** What another core knows and this one asks for while it decides. */
export interface NamingFacts {
  /** When an address client was last heard here: a registration or a heartbeat. Undefined: never. */
  heardAt(clientId: ClientId): Millis | undefined;
  /** Whether this member owns a client of a connection that is not open here: what another one has of it is newer. */
  isLeft?(clientId: ClientId): boolean;
  /** As its heartbeats were agreed on. Undefined: it is not held, or has none. */
  patienceOf?(clientId: ClientId): Patience | undefined;
  /** Whether what `superseded` said of a client still holds: the newer ones may have ended since. */
  isSuperseded?(clientId: ClientId): boolean;
}

/** A batch on its way. */
export interface Batch {
  readonly ids: readonly ClientId[];
  readonly sentAt: Millis;
  readonly retryAt: Millis;
}

/** How far a load has come with one peer. */
export type LoadStage = "unasked" | "notLoaded" | "offered" | "comparing" | "compared";

export interface Peer {
  readonly id: MemberId;
  state: PeerState;
  incarnation: number;
  /** Since when it is in this state, and since when this member knows of its present life. */
  stateAt: Millis;
  bornAt: Millis;
  /** Without contents: what is sent is what is held when it is sent. */
  readonly pending: ChangedClients<Base>;
  readonly inFlight: Map<number, Batch>;
  /** When batches left that were not acknowledged in time and went again: the newest few, which may still be. */
  readonly overdue: Map<number, Millis>;
  /** How long it takes for an acknowledgement, about the longest lately. */
  ackMs: Millis;
  credit: number;
  /** Since when no link to it stands, so that nothing can be asked of it; undefined while one does. */
  unlinkedAt: Millis | undefined;
  /** When it came in reach last: it was found to be up, or a link stood anew. */
  reachedAt: Millis;
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
  startedAt: Millis;
  source: MemberId | undefined;
  /** Where the next chunk begins; undefined when the last one has come. */
  cursor: Cursor | undefined;
  /** Whether the present source gave everything from the first chunk on. */
  wholly: boolean;
  /** Nobody in reach has loaded: they are compared with all the same. */
  cold: boolean;
  /** Most of the listed members refused this one since it began. */
  wasRefused: boolean;
  retryAt: Millis;
  retryMs: Millis;
  chunks: number;
  clients: number;
  /** Said last, so that it is said once. */
  reason: string;
}

/** Something that concerns many clients, and how far it has come: `at` is a place in the journal, or a bucket. */
export type Review =
  /** What this member published in its earlier life. */
  | { readonly type: "restore"; readonly journal: readonly Head[]; at: number }
  /** An owner came, went, or came back in another life. */
  | { readonly type: "owner"; readonly owner: MemberId; at: number }
  /** The ring names other members for some address clients. */
  | { readonly type: "ring"; at: number }
  /** Peers are told what of this member's earlier life has not come back. */
  | { readonly type: "unconfirmed"; at: number };

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
  startedAt: Millis;
  readonly table: ClientTable;
  readonly peers: Map<MemberId, Peer>;
  readonly orphans: OrphanTable;
  /** By `owner/incarnation`. */
  readonly lost: Map<string, LostOwner>;
  ownerOf: (clientId: ClientId) => MemberId | undefined;
  isolated: boolean;
  /** Nothing lost is removed before this moment. */
  keepUntil: Millis;
  /** When the next orphan is to be moved on. */
  orphansAt: Millis;
  /** All orphans are being looked at: those that are left, since when, and when the next of the others is due. */
  sweep: { readonly left: Iterator<Orphan>; nextAt: Millis } | undefined;
  sweptAt: Millis;
  /** By what they are about, oldest first. */
  readonly reviews: Map<string, Review>;
  /** Whether tombstones are left whose time is over. */
  expiring: boolean;
  seq: number;
  load: Load | undefined;
  readyHow: "loaded" | "cold" | "alone" | "late" | undefined;
  membersKnown: boolean;
  /** Why most of the listed members refuse this one. */
  refused: string | undefined;
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
    startedAt: 0,
    table: new ClientTable(all.tombstonesMax),
    peers: new Map(),
    orphans: new OrphanTable(),
    lost: new Map(),
    ownerOf: () => undefined,
    isolated: false,
    keepUntil: 0,
    orphansAt: Number.POSITIVE_INFINITY,
    sweep: undefined,
    sweptAt: Number.NEGATIVE_INFINITY,
    reviews: new Map(),
    expiring: false,
    seq: 0,
    load: undefined,
    readyHow: undefined,
    membersKnown: false,
    refused: undefined,
    started: false,
  };
}

/** A part with more services is no small message any more. */
const PART_SERVICES_MAX = 1_000;

export function newPeer(id: MemberId, now: Millis): Peer {
  return {
    id,
    state: "unknown",
    incarnation: 0,
    stateAt: now,
    bornAt: now,
    pending: new ChangedClients(PART_SERVICES_MAX),
    inFlight: new Map(),
    overdue: new Map(),
    ackMs: 0,
    credit: 0,
    unlinkedAt: now,
    reachedAt: now,
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
