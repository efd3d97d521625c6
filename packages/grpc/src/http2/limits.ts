const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;

/** What one peer may make this side hold or do. Every limit is per connection unless it says otherwise. */
export interface Limits {
  /** Streams that are open at a time; more are answered REFUSED_STREAM, which clients may repeat safely. */
  readonly streamsMax: number;
  /** Names, values and 32 bytes for each field (RFC 9113, 6.5.2); a call with more is answered RESOURCE_EXHAUSTED. */
  readonly headerListBytesMax: number;
  /** Encoded bytes of one header block over all its frames; more ends the connection. */
  readonly headerBlockBytesMax: number;
  /** CONTINUATION frames of one header block; more ends the connection. */
  readonly continuationsMax: number;
  /** How long a header block may take from its first to its last frame. Milliseconds. */
  readonly headerBlockMs: number;
  /**
   * What a peer may send on one stream before the application has taken it. Not below 65,535, which peers may use before
   * they have read what is allowed (RFC 9113, 6.9.2).
   */
  readonly streamWindowBytes: number;
  /** The same over all streams. */
  readonly connectionWindowBytes: number;
  /** Answers and messages that wait for the peer's windows, over all streams; above it the connection ends. */
  readonly queuedBytesMax: number;
  /** Queued bytes above which one stream counts as slow: `send` answers false, and `drained` follows at half of it. */
  readonly streamQueuedBytes: number;
  /** A stream whose last bytes the peer's window has kept from leaving for this long is reset. Milliseconds. */
  readonly stalledMs: number;
  /** Streams that end before they are done, by the peer or through its fault: at once, and again for each second. */
  readonly resets: Allowance;
  /**
   * Frames that bring nothing: pings, settings (each sixteen in a frame count as one more), window updates, priorities,
   * empty and unknown frames. Calls, messages and bytes that are sent earn more of them.
   */
  readonly idleFrames: Allowance;
  /**
   * Work that is dear for what it brings, in bytes: heads over 2 KiB, when they differ from the one before; messages that
   * were unpacked; 256 for each short frame that ends no message. A peer that has used them up is not ended: it is read in
   * a small share of the time while there are others.
   */
  readonly costlyBytes: Allowance;
}

/** A bucket: `burst` at once, refilled with `perSecond`. */
export interface Allowance {
  readonly burst: number;
  readonly perSecond: number;
}

export const LIMITS: Limits = {
  // Nobody runs ten thousand calls on one connection, and some clients open a second connection at a low limit.
  streamsMax: 10_000,
  headerListBytesMax: 16 * KIBIBYTE,
  headerBlockBytesMax: 64 * KIBIBYTE,
  continuationsMax: 8,
  headerBlockMs: 10_000,
  streamWindowBytes: MEBIBYTE,
  connectionWindowBytes: 4 * MEBIBYTE,
  queuedBytesMax: 64 * MEBIBYTE,
  streamQueuedBytes: MEBIBYTE,
  stalledMs: 60_000,
  // A client that gives up on a thousand calls at once is unlucky; one that does it every second is not.
  resets: { burst: 1000, perSecond: 50 },
  // Data that flows earns more: a window update for each kilobyte is normal.
  idleFrames: { burst: 2000, perSecond: 100 },
  // About a millisecond of work, and eight for each second.
  costlyBytes: { burst: 512 * KIBIBYTE, perSecond: 4 * MEBIBYTE },
};
