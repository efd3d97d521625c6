import { type Arrived, type Credit, Malformed } from "./envelopes.ts";
import { costOf, Lane } from "./lane.ts";
import type { LinkLimits } from "./limits.ts";

/** Answers are expected, so much more of them may wait than of calls; beyond that nobody has asked for them. */
const ANSWERS_FACTOR = 8;

/**
 * What has come over one link and is to be handled, without I/O: frames and credit first, then what Raft says, then calls and
 * answers, then Distro messages, and the end of the link at last. It keeps the credit that was given to the peer.
 */
export class Inbox {
  readonly #limits: LinkLimits;
  readonly #urgent = new Lane<Arrived>();
  readonly #raft = new Lane<Arrived>();
  readonly #calls = new Lane<Arrived>();
  readonly #messages = new Lane<Arrived>();
  #given: Credit = { messages: 0, bytes: 0 };
  #came = { messages: 0, bytes: 0 };
  #handled = { messages: 0, bytes: 0 };

  constructor(limits: LinkLimits) {
    this.#limits = limits;
  }

  get bytes(): number {
    return this.#urgent.bytes + this.#raft.bytes + this.#calls.bytes + this.#messages.bytes;
  }

  get empty(): boolean {
    return this.bytes === 0;
  }

  /**
   * @returns false for a call, or a frame of Raft, for which there is no room: it is not kept.
   * @throws Malformed when the peer sends more than it may.
   */
  add(envelope: Arrived): boolean {
    switch (envelope.kind) {
      case "call":
        if (this.#calls.bytes + costOf(envelope.body) > this.#limits.callQueueBytesMax) return false;
        this.#calls.add(envelope);
        return true;
      case "answer":
        this.#calls.add(envelope);
        if (this.#calls.bytes > ANSWERS_FACTOR * this.#limits.callQueueBytesMax)
          throw new Malformed("it sends more answers than there were calls");
        return true;
      case "raft":
        if (this.#raft.bytes + costOf(envelope.body) > this.#limits.raftQueueBytesMax) return false;
        this.#raft.add(envelope);
        return true;
      case "message":
        this.#count(envelope.body);
        this.#messages.add(envelope);
        return true;
      case "end":
        // Nothing follows it, and everything else goes before it.
        this.#messages.add(envelope);
        return true;
      default:
        this.#urgent.add(envelope);
        if (this.#urgent.bytes > this.#limits.frameQueueBytesMax)
          throw new Malformed("it sends frames of membership faster than they can be handled");
        return true;
    }
  }

  /** What is to be handled next. A Distro frame counts as handled from here on. */
  take(): Arrived | undefined {
    const urgent = this.#urgent.shift() ?? this.#raft.shift() ?? this.#calls.shift();
    if (urgent !== undefined) return urgent;
    const message = this.#messages.shift();
    if (message?.kind !== "message") return message;
    this.#handled.bytes += costOf(message.body);
    if (!isPartial(message.body)) this.#handled.messages++;
    return message;
  }

  /** What is to be told to the peer now: not with each message, but before it has used up what it was given. */
  newCredit(): Credit | undefined {
    const { creditMessages, creditBytes } = this.#limits;
    const messages = this.#handled.messages + creditMessages;
    const bytes = this.#handled.bytes + creditBytes;
    const due =
      messages - this.#given.messages >= creditMessages / 4 ||
      bytes - this.#given.bytes >= creditBytes / 4 ||
      (this.#messages.first === undefined && bytes > this.#given.bytes);
    if (!due) return undefined;
    this.#given = { messages, bytes };
    return this.#given;
  }

  /** Calls that nobody could answer any more. */
  dropCalls(): void {
    this.#calls.clear();
  }

  clear(): void {
    for (const lane of [this.#urgent, this.#raft, this.#calls, this.#messages]) lane.clear();
  }

  #count(body: Uint8Array): void {
    const { messages, bytes } = this.#given;
    if (this.#came.bytes >= bytes || this.#came.messages >= messages)
      throw new Malformed("it sends Distro messages for which it was given no room");
    this.#came.bytes += costOf(body);
    if (!isPartial(body)) this.#came.messages++;
  }
}

/** Whether further frames of Distro belong to the same message: `core/distro` says so in the first byte. */
export function isPartial(frame: Uint8Array): boolean {
  return frame[0] === 1;
}
