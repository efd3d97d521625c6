import { type Credit, type Envelope, HEAD_BYTES, writeHead } from "./envelopes.ts";
import { costOf, Lane } from "./lane.ts";
import type { LinkLimits } from "./limits.ts";

/**
 * What waits to leave over one link, without I/O: frames and credit go first, then what Raft says, then calls and
 * answers, then Distro messages as far as the peer has given room for them.
 */
export class Outgoing {
  readonly #limits: LinkLimits;
  readonly #urgent = new Lane<Envelope>();
  readonly #raft = new Lane<Envelope>();
  readonly #calls = new Lane<Envelope>();
  readonly #messages = new Lane<Envelope>();
  /** Frames that are left of the messages that wait, message by message. */
  readonly #framesLeft: number[] = [];
  #given: Credit = { messages: 0, bytes: 0 };
  /** Of Distro messages that have left. */
  #sent = { messages: 0, bytes: 0 };
  /** The first message that waits has left in part. */
  #inMessage = false;

  constructor(limits: LinkLimits) {
    this.#limits = limits;
  }

  get bytes(): number {
    return this.#urgent.bytes + this.#raft.bytes + this.#calls.bytes + this.#messages.bytes;
  }

  get given(): Credit {
    return this.#given;
  }

  /** Distro messages that may be added and leave with the credit that there is. */
  get room(): number {
    const waiting = this.#framesLeft.length - Number(this.#inMessage);
    return Math.max(0, this.#given.messages - this.#sent.messages - waiting);
  }

  /** Distro messages wait because the peer has no room for them. */
  get waitsForCredit(): boolean {
    return this.#messages.first !== undefined && !this.#mayStart();
  }

  give(credit: Credit): void {
    this.#given = credit;
  }

  /** @returns false when so much waits already that the peer cannot be taking it. */
  urgent(kind: "frame" | "credit", body: Uint8Array): boolean {
    this.#urgent.add({ kind, body });
    return this.#urgent.bytes <= this.#limits.frameQueueBytesMax;
  }

  /** @returns false when there is no room: nothing is queued then, and Raft says it again. */
  raft(body: Uint8Array): boolean {
    if (this.#raft.bytes + costOf(body) > this.#limits.raftQueueBytesMax) return false;
    this.#raft.add({ kind: "raft", body });
    return true;
  }

  /** @returns false when there is no room: nothing is queued then. */
  call(kind: "call" | "answer", body: Uint8Array): boolean {
    if (this.#calls.bytes + costOf(body) > this.#limits.callQueueBytesMax) return false;
    this.#calls.add({ kind, body });
    return true;
  }

  /**
   * An answer that says in few bytes that there was no room for another one: it is queued all the same.
   * @returns false when so many wait that the peer cannot be taking them.
   */
  refusal(body: Uint8Array): boolean {
    this.#calls.add({ kind: "answer", body });
    return this.#calls.bytes <= 2 * this.#limits.callQueueBytesMax;
  }

  /** The frames of one Distro message. @returns false when there is no room: nothing is queued then. */
  message(frames: readonly Uint8Array[]): boolean {
    // Compared before it is added, so that the largest message can be sent at all.
    if (this.#messages.bytes > this.#limits.messageQueueBytesMax) return false;
    for (const body of frames) this.#messages.add({ kind: "message", body });
    if (frames.length > 0) this.#framesLeft.push(frames.length);
    return true;
  }

  /** What is to leave next, as one run of bytes; undefined when nothing may. */
  take(): Buffer | undefined {
    const parts: Envelope[] = [];
    let bytes = 0;
    for (let lane = this.#next(); lane !== undefined; lane = this.#next()) {
      const envelope = lane.first as Envelope;
      const size = HEAD_BYTES + envelope.body.length;
      // One that is larger than a batch is a batch by itself.
      if (bytes > 0 && bytes + size > this.#limits.batchBytesMax) break;
      bytes += size;
      parts.push(envelope);
      lane.shift();
      if (envelope.kind === "message") this.#countSent(envelope.body);
    }
    return parts.length === 0 ? undefined : batchOf(parts, bytes);
  }

  #next(): Lane<Envelope> | undefined {
    if (this.#urgent.first !== undefined) return this.#urgent;
    if (this.#raft.first !== undefined) return this.#raft;
    if (this.#calls.first !== undefined) return this.#calls;
    return this.#messages.first !== undefined && this.#mayStart() ? this.#messages : undefined;
  }

  #mayStart(): boolean {
    const { messages, bytes } = this.#given;
    return this.#sent.bytes < bytes && (this.#inMessage || this.#sent.messages < messages);
  }

  #countSent(body: Uint8Array): void {
    this.#sent.bytes += costOf(body);
    if (!this.#inMessage) this.#sent.messages++;
    const left = (this.#framesLeft[0] ?? 1) - 1;
    this.#inMessage = left > 0;
    if (left > 0) this.#framesLeft[0] = left;
    else this.#framesLeft.shift();
  }
}

export function batchOf(envelopes: readonly Envelope[], bytes: number): Buffer {
  const batch = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const { kind, body } of envelopes) {
    at = writeHead(batch, at, kind, body.length);
    batch.set(body, at);
    at += body.length;
  }
  return batch;
}
