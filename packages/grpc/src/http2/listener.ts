import type { Head } from "./head.ts";
import type { ErrorCode } from "./protocol.ts";
import type { Stream } from "./stream.ts";

/** What a connection tells the layer above, while `receive`, `tick` or an order runs. */
export interface ConnectionListener<Call> {
  /** A request came (server), or the head of an answer (client). */
  head(stream: Stream<Call>, head: Head): void;
  /** Content of a stream: `from` between `start` and `end`. Whoever has used it up says so by `taken`. */
  data(stream: Stream<Call>, from: Buffer, start: number, end: number): void;
  trailers(stream: Stream<Call>, head: Head): void;
  /** The peer has ended its side. */
  remoteEnded(stream: Stream<Call>): void;
  /** The queue of a stream that was slow is short again. */
  drained(stream: Stream<Call>): void;
  /** Once for each stream that `head` or `open` began. NO_ERROR when both sides came to their end. */
  closed(stream: Stream<Call>, code: ErrorCode, byPeer: boolean): void;
  /** The peer will not serve our streams above `lastId`. Those were closed with REFUSED_STREAM before this is told. */
  goaway(code: ErrorCode, text: string): void;
  /** The peer's settings have come, or others: `peerStreamsMax` may have changed. */
  settings?(): void;
  /** All that one `receive` brought has been told: whoever keeps a part of it may copy that now. */
  received?(): void;
}
