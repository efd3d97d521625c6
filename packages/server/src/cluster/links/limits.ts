const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;

/** What one link may hold and how long it may take; per link unless it says otherwise. */
export interface LinkLimits {
  /** TCP, TLS and the peer's greeting together. */
  readonly connectMs: number;
  /** What is queued at the close of a link has so long to leave. */
  readonly closeMs: number;
  /** A link whose peer takes nothing that waits for it is closed after so long. */
  readonly stalledMs: number;
  /** So is one whose peer makes no room for the Distro messages that wait. */
  readonly creditMs: number;
  /** Several envelopes leave together up to this size. Bytes. */
  readonly batchBytesMax: number;
  /** Membership frames that wait to leave, or to be handled; above it the link is closed. Bytes. */
  readonly frameQueueBytesMax: number;
  /** Frames of Raft that wait to leave, or to be handled; what comes on top is dropped and counted. Bytes. */
  readonly raftQueueBytesMax: number;
  /** Distro messages that wait to leave; a message that finds more waiting is dropped and counted. Bytes. */
  readonly messageQueueBytesMax: number;
  /** Calls and answers that wait to leave, or to be handled; further ones fail at once. Bytes. */
  readonly callQueueBytesMax: number;
  /** Calls that wait for their answer, and calls of the peer that are being served; further ones fail at once. */
  readonly callsMax: number;
  /** Distro messages that a peer may send before one of them was handled. */
  readonly creditMessages: number;
  /** The same in bytes; one frame more may come. */
  readonly creditBytes: number;
  /** Handling what came gives way to others after so long. */
  readonly sliceMs: number;
  /** Connections to the cluster port, over all. */
  readonly connectionsMax: number;
}

export const LINK_LIMITS: LinkLimits = {
  connectMs: 2_000,
  closeMs: 1_000,
  stalledMs: 10_000,
  creditMs: 30_000,
  batchBytesMax: MEBIBYTE,
  frameQueueBytesMax: 4 * MEBIBYTE,
  raftQueueBytesMax: 32 * MEBIBYTE,
  messageQueueBytesMax: 16 * MEBIBYTE,
  callQueueBytesMax: 8 * MEBIBYTE,
  callsMax: 256,
  creditMessages: 16,
  creditBytes: 8 * MEBIBYTE,
  sliceMs: 5,
  connectionsMax: 1_000,
};

/** The body of one envelope: a whole frame of Distro, a frame of membership of some thousand members, a call. Bytes. */
export const BODY_BYTES_MAX: number = MEBIBYTE;

/**
 * Incarnations, counters, beats and sequence numbers grow from 0 in steps of at most a million: none comes near this. What
 * is counted on from the greatest that a peer may tell has as much room again.
 */
export const COUNT_MAX = 2 ** 52;
