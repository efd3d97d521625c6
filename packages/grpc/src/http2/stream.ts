/** One message or body on its way out; the same for all streams that wait to send it. */
export interface Outgoing {
  readonly bytes: Uint8Array;
  /** Whether it is a message, which has a prefix, or a bare body. */
  readonly prefixed: boolean;
  /** First byte of the prefix: 1 when the message is compressed. */
  readonly compressed: boolean;
  /** Others wait to send the same bytes. */
  readonly shared: boolean;
}

/** A stream of a connection, in one of the states open, half-closed (local), half-closed (remote) or closed. */
export class Stream<Call = unknown> {
  readonly id: number;
  /** What the layer above keeps for it. */
  call: Call | undefined;
  /** The peer has sent END_STREAM. */
  remoteEnded = false;
  /** We have sent END_STREAM. */
  localEnded = false;
  closed = false;
  /** The layer above has heard of it. */
  announced = false;
  /** The head of the answer has come (client). */
  answered = false;

  /**
   * What the peer has added to its initial window for this stream, less what was sent. The initial one stands for itself,
   * so that a change of it touches no stream.
   */
  credit = 0;
  /** What the peer may send. */
  receiveWindow: number;
  /** What has been taken since the last window update. */
  taken = 0;
  /** Bytes of content still to come; -1 when the peer did not say. */
  contentLeft = -1;

  /** Messages that wait for a window; in most streams it stays undefined. */
  queue: Outgoing[] | undefined;
  /** What has left of the first of them, its prefix included. */
  partSent = 0;
  queuedBytes = 0;
  /** Those of them that lie in memory once for many streams. */
  sharedBytes = 0;
  /** Above its budget, until the queue has fallen below half of it. */
  slow = false;
  /** The block that ends the stream, waiting behind the queue. */
  trailers: Buffer | undefined;
  /** END_STREAM follows the queue without trailers. */
  endsWithData = false;
  /** When bytes last left while others waited. Monotonic milliseconds. */
  progressAt = 0;

  constructor(id: number, receiveWindow: number) {
    this.id = id;
    this.receiveWindow = receiveWindow;
  }

  /** Whether the end has been ordered, sent or not. */
  get ending(): boolean {
    return this.localEnded || this.trailers !== undefined || this.endsWithData;
  }
}
