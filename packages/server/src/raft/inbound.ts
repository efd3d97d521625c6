import { contradiction, type Event, type MemberId, type Raft } from "@nacre/core/raft";
import type { Packet } from "./codec.ts";
import type { RaftPacket } from "./feeder.ts";
import type { Orders } from "./orders.ts";
import type { Proposer } from "./proposer.ts";
import type { Reads } from "./reads.ts";
import type { Receiver } from "./receiver.ts";
import type { Renewal } from "./renewal.ts";
import type { StateHashes } from "./state-hashes.ts";
import type { Wire } from "./wire.ts";

export interface InboundParts<C, R> {
  readonly core: Raft;
  readonly wire: Wire;
  readonly receiver: Receiver;
  readonly proposer: Proposer<C, R>;
  readonly reads: Reads;
  readonly orders: Orders;
  readonly hashes: StateHashes;
  readonly renewal: Renewal;
  feed(event: Event, packet: RaftPacket): void;
}

/** Gives what other members send to the part that it is for. */
export class Inbound<C, R> {
  readonly #parts: InboundParts<C, R>;

  constructor(parts: InboundParts<C, R>) {
    this.#parts = parts;
  }

  /** @returns why the link is to be closed, when a frame is not what any member sends. */
  received(from: MemberId, frame: Uint8Array): string | undefined {
    const heard = this.#parts.wire.read(from, frame);
    if (heard?.type === "malformed") return heard.reason;
    return heard && this.#take(from, heard.life, heard.packet);
  }

  #take(from: MemberId, life: number, packet: Packet): string | undefined {
    const { core, receiver, proposer, reads, orders, hashes, renewal, feed } = this.#parts;
    switch (packet.type) {
      case "raft": {
        const { message } = packet;
        const why = contradiction(core, message);
        if (why !== undefined) return why;
        // As if it had been lost: it comes again when the disk has caught up.
        if (message.type === "chunk" && receiver.isFull) return undefined;
        feed({ type: "received", from, message }, packet);
        return undefined;
      }
      case "forward":
        return proposer.forwarded(from, life, packet.proposals);
      case "taken":
      case "notTaken":
      case "notACommand":
        proposer.answered(from, packet);
        return undefined;
      case "askIndex":
      case "index":
        reads.received(from, packet);
        return undefined;
      case "stateHash":
        if (core.leading !== undefined) hashes.told(from, packet.index, packet.hash);
        return undefined;
      case "stateDiffers":
        if (core.leader === from) renewal.differs(packet.index);
        return undefined;
      case "order":
      case "orderEnded":
        orders.received(from, packet);
        return undefined;
    }
  }
}
