import type { Limits } from "./limits.ts";
import { FrameType, WINDOW_BYTES_DEFAULT } from "./protocol.ts";
import type { Sender } from "./sender.ts";
import type { Stream } from "./stream.ts";

/** What the peer may send, over all streams of a connection and on each of them (RFC 9113, section 5.2). */
export class ReceiveWindow {
  readonly #limits: Limits;
  readonly #sender: Sender;
  #left: number;
  /** What has been taken since the last window update. */
  #taken = 0;
  #ended = false;

  constructor(limits: Limits, sender: Sender) {
    this.#limits = limits;
    this.#left = wholeBytes(limits);
    this.#sender = sender;
  }

  /** Content that has come and that the application has not taken; nothing once the connection has ended. */
  get untakenBytes(): number {
    return this.#ended ? 0 : wholeBytes(this.#limits) - this.#left - this.#taken;
  }

  /** Tells the peer what it may send beyond the default. */
  open(): void {
    const more = this.#left - WINDOW_BYTES_DEFAULT;
    if (more > 0) this.#sender.control(FrameType.WINDOW_UPDATE, 0, 0, more);
  }

  /** Content has come. @returns false when it is more than the peer may send. */
  receive(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }

  /** Content of a stream was used up: the peer may send as much more. */
  taken(stream: Stream, bytes: number): void {
    this.takenUnseen(bytes);
    if (stream.closed || stream.remoteEnded) return;
    stream.taken += bytes;
    if (stream.taken < this.#limits.streamWindowBytes / 2) return;
    this.#sender.control(FrameType.WINDOW_UPDATE, 0, stream.id, stream.taken);
    stream.receiveWindow += stream.taken;
    stream.taken = 0;
  }

  /** The same for content that no stream wants. */
  takenUnseen(bytes: number): void {
    if (this.#ended) return;
    this.#taken += bytes;
    if (this.#taken < this.#limits.connectionWindowBytes / 2) return;
    this.#sender.control(FrameType.WINDOW_UPDATE, 0, 0, this.#taken);
    this.#left += this.#taken;
    this.#taken = 0;
  }

  /** The connection has ended. */
  end(): void {
    this.#ended = true;
  }
}

function wholeBytes({ connectionWindowBytes }: Limits): number {
  return Math.max(connectionWindowBytes, WINDOW_BYTES_DEFAULT);
}
