import { type Append, type Index, type MemberId, type Message, splitAppend } from "@nacre/core/raft";
import type { StorageLogger } from "../storage/logger.ts";
import type { NewRecord } from "../storage/records.ts";
import type { Storage } from "../storage/storage.ts";
import { ENTRY_HEAD_BYTES, type Packet } from "./codec.ts";
import { type Tail, termIn } from "./tail.ts";

/** Entries of one message that is sent, unless a single one is larger. */
const MESSAGE_BYTES_MAX = 768 * 1024;
const NOTHING = Buffer.alloc(0);

export interface OutboxParts {
  readonly storage: Pick<Storage<never, never>, "log" | "snapshots">;
  readonly tail: Tail;
  readonly logger: StorageLogger;
  send(to: MemberId, packet: Packet): void;
  snapshotLost(index: Index): void;
  /** A peer asks for all of it once more. */
  snapshotDoubted(index: Index): void;
}

interface Lane {
  readonly queue: Message[];
  isReading: boolean;
  /** Whose last part was sent last. */
  ended: Index | undefined;
}

/**
 * Fills messages with what they carry when they leave: entries from the end of the log in memory or from its file, parts
 * of snapshots from theirs. What waits for the disk holds up nothing but the messages of its kind to the same peer.
 */
export class Outbox {
  readonly #parts: OutboxParts;
  readonly #lanes = new Map<MemberId, Lane>();
  #isClosed = false;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
  }

  post(to: MemberId, message: Message): void {
    if (message.type !== "append" && message.type !== "chunk") return this.#send(to, message, [], NOTHING);
    let lane = this.#lanes.get(to);
    if (lane === undefined) {
      lane = { queue: [], isReading: false, ended: undefined };
      this.#lanes.set(to, lane);
    }
    lane.queue.push(message);
    this.#pump(to, lane);
  }

  /** What waits for a peer that is out of reach would be dropped anyway. */
  forget(to: MemberId): void {
    this.#lanes.delete(to);
  }

  close(): void {
    this.#isClosed = true;
    this.#lanes.clear();
  }

  #pump(to: MemberId, lane: Lane): void {
    if (lane.isReading) return;
    for (let message = lane.queue.shift(); message !== undefined; message = lane.queue.shift()) {
      if (message.type === "append" && this.#sendFromTail(to, message)) continue;
      lane.isReading = true;
      const reading =
        message.type === "chunk" ? this.#readChunk(lane, to, message) : this.#readEntries(lane, to, message as Append);
      reading.then(() => {
        lane.isReading = false;
        if (this.#isCurrent(to, lane)) this.#pump(to, lane);
      });
      return;
    }
  }

  #sendFromTail(to: MemberId, message: Append): boolean {
    const { tail } = this.#parts;
    const { prevIndex, lastIndex } = message;
    const records: NewRecord[] = [];
    let bytes = 0;
    for (let index = prevIndex + 1; index <= lastIndex; index++) {
      const entry = tail.get(index);
      // Another entry may have taken its place since the message was made.
      if (entry === undefined || entry.term !== termIn(message, index)) return false;
      bytes += entry.payload.length + ENTRY_HEAD_BYTES;
      if (bytes > MESSAGE_BYTES_MAX && records.length > 0) {
        const [head, rest] = splitAppend(message, index - 1);
        this.#send(to, head, records, NOTHING);
        return this.#sendFromTail(to, rest);
      }
      records.push(entry);
    }
    this.#send(to, message, records, NOTHING);
    return true;
  }

  /** Sends what one reading gives, and puts the rest first in the lane. */
  async #readEntries(lane: Lane, to: MemberId, message: Append): Promise<void> {
    const { storage, logger } = this.#parts;
    const { prevIndex, lastIndex } = message;
    try {
      const found = (await storage.log.read(prevIndex + 1, MESSAGE_BYTES_MAX)) ?? [];
      const records = found.slice(0, lastIndex - prevIndex);
      const isSame = records.every(({ index, term }) => term === termIn(message, index));
      // Cut, or dropped, since the message was made: it is lost, as others are.
      if (records.length === 0 || !isSame || !this.#isCurrent(to, lane)) return;
      const at = prevIndex + records.length;
      if (at === lastIndex) return this.#send(to, message, records, NOTHING);
      const [head, rest] = splitAppend(message, at);
      this.#send(to, head, records, NOTHING);
      lane.queue.unshift(rest);
    } catch (thrown) {
      logger.warn({ err: thrown, to }, "entries of the log could not be read for a member that lacks them");
    }
  }

  async #readChunk(lane: Lane, to: MemberId, message: Extract<Message, { readonly type: "chunk" }>): Promise<void> {
    const { storage, logger, snapshotLost, snapshotDoubted } = this.#parts;
    const { index, offset, bytes, total } = message;
    if (offset === 0 && lane.ended === index) snapshotDoubted(index);
    lane.ended = offset + bytes === total ? index : undefined;
    try {
      const chunk = await storage.snapshots.read(index, offset, bytes);
      if (chunk.length !== bytes) throw new Error(`snapshot ${index} is shorter than it was`);
      if (!this.#isClosed) this.#send(to, message, [], chunk);
    } catch (thrown) {
      if (this.#isClosed) return;
      logger.warn({ err: thrown, to }, "a snapshot could not be read for a member that lacks what it holds");
      snapshotLost(index);
    }
  }

  #isCurrent(to: MemberId, lane: Lane): boolean {
    return this.#lanes.get(to) === lane;
  }

  #send(to: MemberId, message: Message, entries: readonly NewRecord[], chunk: Buffer): void {
    this.#parts.send(to, { type: "raft", message, entries, chunk });
  }
}
