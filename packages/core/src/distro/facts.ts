import type { Millis } from "../lib/units.ts";
import type { ClientId, Head, MemberId } from "./model.ts";
import { lifeOf } from "./orphan-table.ts";
import { type DistroOptions, type DistroState, headOf, type LoadStage, type Peer, reachable } from "./state.ts";
import { bucketOf } from "./wide-map.ts";

/** What diagnosis, metrics and `converge` read. Reading changes nothing. */
export interface DistroFacts {
  readonly ready: "loaded" | "cold" | "alone" | "late" | undefined;
  /** Why not, in words; undefined when ready. */
  readonly waitingFor: string | undefined;
  readonly load: LoadFacts | undefined;
  readonly clients: number;
  readonly tombstones: number;
  /** Tombstones that had to go before their time. */
  readonly tombstonesDropped: number;
  readonly orphans: readonly OrphanFacts[];
  /** Clients of this member's own earlier life that have not come back. */
  readonly unconfirmed: number;
  readonly isolated: boolean;
  readonly peers: readonly PeerFacts[];
  readonly times: Pick<DistroOptions, "digestMs" | "loadMaxMs" | "expiryMs">;
}

export interface LoadFacts {
  readonly forMs: Millis;
  readonly source: MemberId | undefined;
  readonly clients: number;
  /** Of the source, when it answered; 0 before. */
  readonly clientsExpected: number;
  readonly chunks: number;
  /** Why most of the listed members refuse this one: it is not ready until they do not. */
  readonly refused?: string | undefined;
}

/** The clients of one life of one owner. */
export interface OrphanFacts {
  readonly owner: MemberId;
  readonly incarnation: number;
  readonly clients: number;
  readonly probing: number;
  readonly unhealthy: number;
  readonly answering: number;
  readonly lostForMs: Millis | undefined;
  /** Whether removals of it are held back. */
  readonly held: boolean;
}

export interface PeerFacts {
  readonly id: MemberId;
  readonly reachable: boolean;
  readonly loadStage: LoadStage;
  readonly pending: number;
  readonly inFlight: number;
  /** How long ago the oldest change was made that this member has not acknowledged; undefined: there is none. */
  readonly waitsForMs: Millis | undefined;
  readonly credit: number;
  readonly overflows: number;
  /** How long ago its digest equalled ours; undefined: never. */
  readonly equalForMs: Millis | undefined;
  /** How long its digests have differed; undefined: they do not. */
  readonly differsForMs: Millis | undefined;
  /** How long they have differed by exactly the same: nothing is repaired, and nothing else is under way. */
  readonly sameDifferenceForMs: Millis | undefined;
  /** Per owner: clients that it holds more than this member; 0 when only contents differ. */
  readonly differences: readonly { readonly owner: MemberId; readonly more: number }[];
}

export function distroFacts(state: DistroState, now: Millis): DistroFacts {
  const { load, table } = state;
  const orphans = orphanFacts(state, now);
  return {
    ready: state.readyHow,
    waitingFor: load?.reason,
    load: load && {
      forMs: now - load.startedAt,
      source: load.source,
      clients: load.clients,
      clientsExpected: state.peers.get(load.source ?? "")?.loadClients ?? 0,
      chunks: load.chunks,
      refused: state.refused,
    },
    clients: table.size,
    tombstones: table.graves,
    tombstonesDropped: table.droppedGraves,
    orphans,
    unconfirmed: orphans.reduce((sum, { owner, clients }) => sum + (owner === state.self ? clients : 0), 0),
    isolated: state.isolated,
    times: state.options,
    peers: [...state.peers.values()].map((peer) => ({
      id: peer.id,
      reachable: reachable(peer),
      loadStage: peer.loadStage,
      pending: peer.pending.size,
      inFlight: peer.inFlight.size,
      waitsForMs: waitsFor(state, peer, now),
      credit: peer.credit,
      overflows: peer.overflows,
      equalForMs: peer.equalAt === undefined ? undefined : now - peer.equalAt,
      differsForMs: peer.differsSince === undefined ? undefined : now - peer.differsSince,
      sameDifferenceForMs: peer.differenceSince === undefined ? undefined : now - peer.differenceSince,
      differences: [...peer.differences].map(([owner, more]) => ({ owner, more })),
    })),
  };
}

/** Ids wait in the order in which they first changed; a client that changed again since looks younger than its wait. */
function waitsFor({ table }: DistroState, { pending, inFlight }: Peer, now: Millis): Millis | undefined {
  const [oldest] = pending.ids();
  const ids = [oldest, ...[...inFlight.values()].map((batch) => batch.ids[0])];
  const ages = ids.flatMap((id) => {
    const entry = id === undefined ? undefined : table.get(id);
    return entry === undefined ? [] : [now - entry.madeAt];
  });
  return ages.length === 0 ? undefined : Math.max(0, ...ages);
}

function orphanFacts(state: DistroState, now: Millis): OrphanFacts[] {
  return [...state.orphans.lives()].map((life) => {
    const lost = state.lost.get(lifeOf(life));
    return { ...life, lostForMs: lost && now - lost.since, held: lost?.held === true };
  });
}

/** Hash over everything that is held, equal on two members exactly when they hold the same. */
export function stateHash(state: DistroState): string {
  return state.table
    .digest()
    .map(({ owner, count, hash }) => `${owner}:${count}:${hash}`)
    .sort()
    .join(" ");
}

/** What is held of one owner, in order of ids: two members' lists side by side show which clients differ. */
export function holdings(state: DistroState, owner: MemberId, now: Millis): Head[] {
  const heads: Head[] = [];
  for (const bucket of state.table.owned(owner)?.buckets ?? [])
    for (const entry of bucket?.values() ?? []) heads.push(headOf(entry, now));
  return heads.sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** The order of `headsAfter`. */
export function compareHeads(a: { readonly id: ClientId }, b: { readonly id: ClientId }): number {
  return bucketOf(a.id) - bucketOf(b.id) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** A place in the order in which `headsAfter` goes through the clients of one owner. */
export interface HeadPlace {
  readonly bucket: number;
  readonly id: ClientId;
}

/** What is held of one owner, in an order that is the same on all members, from the place that follows `after` on. */
export function* headsAfter(
  state: DistroState,
  owner: MemberId,
  after: HeadPlace | undefined,
  now: Millis,
): Iterable<HeadPlace & { readonly head: Head }> {
  const { buckets = [] } = state.table.owned(owner) ?? {};
  for (let bucket = after?.bucket ?? 0; bucket < buckets.length; bucket++) {
    const entries = [...(buckets[bucket]?.values() ?? [])].sort((a, b) => (a.id < b.id ? -1 : 1));
    for (const entry of entries)
      if (after === undefined || bucket > after.bucket || entry.id > after.id)
        yield { bucket, id: entry.id, head: headOf(entry, now) };
  }
}
