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

/** A frame of content is as much work as so many bytes, and costs as much when it has less. */
export const FRAME_COST_BYTES = 256;

/** Patience is being tried when less than this is left of it. */
const UNTRIED_SHARE = 0.9;

/** What one peer may do that brings nothing, and what makes up for it. */
export class Patience {
  readonly #limits: Limits;
  /** Whole until there is a first reset. */
  #resets: Budget | undefined;
  readonly #idleFrames: Budget;
  readonly #costlyBytes: Budget;
  /** Sent content that has paid for idle frames. */
  #paidBytes = 0;
  /** Calls of the peer and messages to it that have not paid for idle frames. */
  #unpaidMessages = 0;
  /** Messages that have not paid for the frames that brought them. */
  #unpaidFrames = 0;

  constructor(limits: Limits, now: number) {
    this.#limits = limits;
    this.#idleFrames = new Budget(limits.idleFrames, now);
    this.#costlyBytes = new Budget(limits.costlyBytes, now);
  }

  /** Work that a peer may ask for without end, but others go first. */
  cost(bytes: number, now: number): void {
    this.#costlyBytes.earn(this.#unpaidFrames * FRAME_COST_BYTES);
    this.#unpaidFrames = 0;
    this.#costlyBytes.charge(bytes, now);
  }

  /** Whether it is being tried: others go first before it is lost. */
  isTried(sentBytes: number, now: number): boolean {
    if (this.#costlyBytes.lacks(-this.#unpaidFrames * FRAME_COST_BYTES, now)) return true;
    const { resets, idleFrames } = this.#limits;
    if (this.#resets?.lacks(resets.burst * UNTRIED_SHARE, now) === true) return true;
    return this.#idleFrames.lacks(idleFrames.burst * UNTRIED_SHARE - this.#earned(sentBytes), now);
  }

  /** A message was whole: it makes up for the frame that brought it. */
  messageCame(): void {
    this.#unpaidFrames++;
  }

  /** A call came, or a message was sent. */
  message(): void {
    this.#unpaidMessages++;
  }

  /** A stream ended before it was done. @throws ConnectionFailure when too many did. */
  reset(now: number): void {
    this.#resets ??= new Budget(this.#limits.resets, now);
    if (this.#resets.spend(now)) return;
    throw new ConnectionFailure(ErrorCode.ENHANCE_YOUR_CALM, "too many streams that end before they are done");
  }

  /** A frame that brings nothing came. @throws ConnectionFailure when too many did. */
  idleFrame(what: string, sentBytes: number, now: number): void {
    if (this.#idleFrames.spend(now)) return;
    this.#idleFrames.earn(this.#earned(sentBytes));
    this.#paidBytes = sentBytes;
    this.#unpaidMessages = 0;
    if (this.#idleFrames.spend(now)) return;
    // By these very words gRPC's clients know that they have to ping less often (grpc/doc/keepalive.md).
    const text = what === "PING" ? "too_many_pings" : `too many ${what} frames`;
    throw new ConnectionFailure(ErrorCode.ENHANCE_YOUR_CALM, text);
  }

  /** Idle frames that are paid for when they are needed. */
  #earned(sentBytes: number): number {
    return (sentBytes - this.#paidBytes) / BYTES_PER_IDLE_FRAME + this.#unpaidMessages * IDLE_FRAMES_PER_MESSAGE;
  }
}
