import type { MemberId } from "@nacre/core/raft";
import type { Packet } from "./codec.ts";
import { FRAME_BYTES_MAX, type FrameFailure, FrameReader, FrameWriter } from "./frames.ts";
import type { Peers } from "./port.ts";

/** A whole packet, and the life of the process that sent it. */
export interface Heard {
  readonly type: "heard";
  readonly life: number;
  readonly packet: Packet;
}

/** Packets to and from every other member, in frames. */
export class Wire {
  readonly #life: number;
  readonly #epoch: number;
  readonly #peers: Peers;
  readonly #writers = new Map<MemberId, FrameWriter>();
  readonly #readers = new Map<MemberId, FrameReader>();

  /**
   * @param life  of this process.
   * @param epoch  of the group.
   */
  constructor(life: number, epoch: number, peers: Peers) {
    this.#life = life;
    this.#epoch = epoch;
    this.#peers = peers;
  }

  send(to: MemberId, packet: Packet): void {
    let writer = this.#writers.get(to);
    if (writer === undefined) {
      writer = new FrameWriter(this.#life, FRAME_BYTES_MAX, this.#epoch);
      this.#writers.set(to, writer);
    }
    for (const frame of writer.frames(packet)) this.#peers.send(to, frame);
  }

  /** @returns undefined while more frames belong to a packet, or what came is of no use any more. */
  read(from: MemberId, frame: Uint8Array): Heard | FrameFailure | undefined {
    let reader = this.#readers.get(from);
    if (reader === undefined) {
      reader = new FrameReader(this.#epoch);
      this.#readers.set(from, reader);
    }
    const packet = reader.push(frame);
    if (packet === undefined || packet.type === "malformed") return packet;
    return { type: "heard", life: reader.life, packet };
  }
}
