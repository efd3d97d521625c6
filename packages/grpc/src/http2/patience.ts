import { Budget } from "./budget.ts";
import type { Limits } from "./limits.ts";
import { ConnectionFailure, ErrorCode } from "./protocol.ts";

/** A window update for each kilobyte of content is normal. */
const BYTES_PER_IDLE_FRAME = 1024;
/**
 * So are a ping to measure the bandwidth and two window updates for a message, however short. Frames of content earn
 * nothing: a peer with a window of one byte would pay with the frames that it makes us send.
 */
const IDLE_FRAMES_PER_MESSAGE = 3;

/** What one peer may do that brings nothing, and what makes up for it. */
export class Patience {
  readonly #resets: Budget;
  readonly #idleFrames: Budget;
  /** Sent content that has paid for idle frames. */
  #paidBytes = 0;
  /** Calls of the peer and messages to it that have not paid for idle frames. */
  #unpaidMessages = 0;

  constructor(limits: Limits, now: number) {
    this.#resets = new Budget(limits.resets, now);
    this.#idleFrames = new Budget(limits.idleFrames, now);
  }

  /** A call came, or a message was sent. */
  message(): void {
    this.#unpaidMessages++;
  }

  /** A stream ended before it was done. @throws ConnectionFailure when too many did. */
  reset(now: number): void {
    if (this.#resets.spend(now)) return;
    throw new ConnectionFailure(ErrorCode.ENHANCE_YOUR_CALM, "too many streams that end before they are done");
  }

  /** A frame that brings nothing came. @throws ConnectionFailure when too many did. */
  idleFrame(what: string, sentBytes: number, now: number): void {
    if (this.#idleFrames.spend(now)) return;
    const earned = (sentBytes - this.#paidBytes) / BYTES_PER_IDLE_FRAME;
    this.#idleFrames.earn(earned + this.#unpaidMessages * IDLE_FRAMES_PER_MESSAGE);
    this.#paidBytes = sentBytes;
    this.#unpaidMessages = 0;
    if (this.#idleFrames.spend(now)) return;
    // By these very words gRPC's clients know that they have to ping less often (grpc/doc/keepalive.md).
    const text = what === "PING" ? "too_many_pings" : `too many ${what} frames`;
    throw new ConnectionFailure(ErrorCode.ENHANCE_YOUR_CALM, text);
  }
}
