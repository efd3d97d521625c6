import { type Millis, seconds } from "../lib/units.ts";

export interface RaftOptions {
  /** Who hears no leader campaigns after something between these. The shorter one is also what leases rest on. */
  readonly electionMinMs: Millis;
  readonly electionMaxMs: Millis;
  readonly heartbeatMs: Millis;
  /** Who knows that its leader is out of reach campaigns within so long after what it had promised to that one. */
  readonly spreadMs: Millis;
  /** Of the shortest election timeout, for clocks that run unlike: the lease is shorter by this share. */
  readonly leaseMargin: number;
  readonly leaseReads: boolean;
  /** What was sent and not answered for so long is sent again. */
  readonly retryMs: Millis;
  /** Entries of one message: about so many bytes, or one entry; and so many entries. */
  readonly messageBytesMax: number;
  readonly messageEntriesMax: number;
  /** More than that goes to a peer only when it is known to lack it, not with the question. */
  readonly probeBytesMax: number;
  /** Per peer, not answered yet. */
  readonly messagesInFlightMax: number;
  readonly bytesInFlightMax: number;
  readonly chunkBytes: number;
  readonly chunksInFlightMax: number;
  /** Proposals that are not applied yet, and bytes of those that are not committed yet. */
  readonly proposalsMax: number;
  readonly proposalBytesMax: number;
  readonly readsMax: number;
  /** A peer that was removed is told for so long at most. */
  readonly leavingMs: Millis;
}

export const RAFT_DEFAULTS: RaftOptions = {
  electionMinMs: seconds(1),
  electionMaxMs: seconds(2),
  heartbeatMs: 150,
  spreadMs: 100,
  leaseMargin: 0.1,
  leaseReads: true,
  retryMs: 400,
  messageBytesMax: 128 * 1024,
  messageEntriesMax: 1024,
  probeBytesMax: 128 * 1024,
  messagesInFlightMax: 64,
  bytesInFlightMax: 8 * 1024 * 1024,
  chunkBytes: 256 * 1024,
  chunksInFlightMax: 4,
  proposalsMax: 20_000,
  proposalBytesMax: 64 * 1024 * 1024,
  readsMax: 20_000,
  leavingMs: seconds(10),
};
