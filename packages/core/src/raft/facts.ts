import type { Millis } from "../lib/units.ts";
import type { Index, MemberId, Trust } from "./model.ts";
import type { Peer } from "./peer.ts";
import type { Raft } from "./state.ts";

/** A peer that was not heard for so long is fetching a snapshot when it is back. */
const IN_REACH_MS: Millis = 30_000;

/**
 * The first entry that the log has to keep: what the newest snapshot does not hold, and what a peer in reach lacks as
 * long as that is less than the snapshot.
 */
export function keepFrom(state: Raft, now: Millis): Index {
  const { snapshot, log, leading } = state;
  let first = snapshot.index + 1;
  for (const peer of leading?.peers.values() ?? []) {
    const needs = peer.transfer === undefined ? peer.match + 1 : peer.transfer.index + 1;
    if (needs <= log.baseIndex || needs >= first || now - peer.heardAt > IN_REACH_MS) continue;
    if (log.bytes(needs, snapshot.index) <= snapshot.bytes) first = needs;
  }
  return first;
}

/** Snapshots that peers are being sent: their files are kept. */
export function snapshotsInUse({ leading }: Raft): readonly Index[] {
  return [...(leading?.peers.values() ?? [])].flatMap(({ transfer }) =>
    transfer === undefined ? [] : [transfer.index],
  );
}

/** A peer waits for a snapshot that holds more than the newest one, and that can be taken now. */
export function needsSnapshot({ leading, snapshot, applied }: Raft): boolean {
  for (const { renewAt, mode } of leading?.peers.values() ?? [])
    if (renewAt !== undefined && mode !== "snapshot" && snapshot.index < renewAt && applied >= renewAt) return true;
  return false;
}

export interface PeerStatus {
  readonly id: MemberId;
  readonly mode: Peer["mode"];
  readonly match: Index;
  readonly heardAt: Millis;
  readonly trust: Trust;
  readonly snapshot: { readonly sent: number; readonly total: number } | undefined;
}

/** What a leader knows of the others; nobody else knows anything. */
export function peerStatuses({ leading }: Raft): readonly PeerStatus[] {
  return [...(leading?.peers.values() ?? [])].map(({ id, mode, match, heardAt, trust, transfer }) => ({
    id,
    mode,
    match,
    heardAt,
    trust,
    snapshot: transfer === undefined ? undefined : { sent: transfer.acked, total: transfer.total },
  }));
}
