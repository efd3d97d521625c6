import type { MemberId } from "@nacre/core/raft";
import type { ForwardedProposal, Packet } from "./codec.ts";

/** Bytes of proposals that go to the leader together. */
const MESSAGE_BYTES_MAX = 768 * 1024;
/** Bytes that the leader was sent and does not say to have; one proposal in any case. What a link queues is more. */
const WINDOW_BYTES = 16 * 1024 * 1024;
/** So much reaches a leader in a second, and is read there, on a slow line: the answer is waited for in proportion. */
const BYTES_PER_MS = 2 * 1024;

/** What this member has sent to its leader, which has not said what becomes of it: large ones one after the other. */
export class Forwards {
  readonly #send: (to: MemberId, packet: Packet) => void;
  readonly #underWay = new Map<number, number>();
  #bytes = 0;

  constructor(send: (to: MemberId, packet: Packet) => void) {
    this.#send = send;
  }

  /** Whether another one of so many bytes may go. */
  hasRoom(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= WINDOW_BYTES;
  }

  /** How long the answer to what is under way may take beyond that to a short one. */
  get extraMs(): number {
    return Math.ceil(this.#bytes / BYTES_PER_MS);
  }

  /** @param proposals  for each of which there was room. */
  send(leader: MemberId, proposals: readonly ForwardedProposal[]): void {
    let batch: ForwardedProposal[] = [];
    let bytes = 0;
    for (const { number, payload } of proposals) {
      if (batch.length > 0 && bytes + payload.length > MESSAGE_BYTES_MAX) {
        this.#send(leader, { type: "forward", proposals: batch });
        batch = [];
        bytes = 0;
      }
      batch.push({ number, payload });
      bytes += payload.length;
    }
    if (batch.length > 0) this.#send(leader, { type: "forward", proposals: batch });
  }

  add(number: number, bytes: number): void {
    this.settled(number);
    this.#underWay.set(number, bytes);
    this.#bytes += bytes;
  }

  /** The leader has said what becomes of it, it is not waited for any more, or it was lost. */
  settled(number: number): void {
    this.#bytes -= this.#underWay.get(number) ?? 0;
    this.#underWay.delete(number);
  }
}
