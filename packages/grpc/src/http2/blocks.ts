import { HpackDecoder, HpackError } from "../hpack/decoder.ts";
import { isLatin1, latin1 } from "../hpack/latin1.ts";
import { ownCopy } from "./frames.ts";
import { type Head, type HeadKind, HeadReader, type Remembered } from "./head.ts";
import type { Limits } from "./limits.ts";
import { ConnectionFailure, ErrorCode } from "./protocol.ts";
import type { SharedHeads } from "./shared-heads.ts";

/** A block whose frames have not all come. */
interface Unfinished {
  readonly streamId: number;
  readonly endsStream: boolean;
  readonly startedAt: number;
  readonly parts: Buffer[];
  bytes: number;
  continuations: number;
}

/** What repeats itself is short. A connection keeps this as long as it lives, so a block and its fields have a bound. */
const REMEMBERED_BYTES_MAX = 8 * 1024;

/** Header blocks as they come in: put together, decoded, and remembered, because clients repeat theirs byte for byte. */
export class HeaderBlocks {
  unfinished: Unfinished | undefined;
  /** How often the latest block changed the table. */
  changes = 0;
  /** What the latest block has cost: its fields, or nothing when they were known. */
  decodedBytes = 0;
  readonly #limits: Limits;
  readonly #heads: SharedHeads | undefined;
  readonly #decoder = new HpackDecoder();
  #opening: Remembered | undefined;
  #trailing: Remembered | undefined;

  constructor(limits: Limits, heads?: SharedHeads) {
    this.#limits = limits;
    this.#heads = heads;
  }

  begin(streamId: number, endsStream: boolean, part: Buffer, now: number): void {
    this.unfinished = { streamId, endsStream, startedAt: now, parts: [], bytes: 0, continuations: 0 };
    this.#add(this.unfinished, part);
  }

  /** @returns the whole block once it is complete. */
  continue(part: Buffer, last: boolean): Buffer | undefined {
    const block = this.unfinished;
    if (block === undefined) {
      throw new ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "CONTINUATION without a header block before it");
    }
    if (++block.continuations > this.#limits.continuationsMax) {
      throw new ConnectionFailure(
        ErrorCode.ENHANCE_YOUR_CALM,
        `a header block in more than ${this.#limits.continuationsMax} CONTINUATION frames`,
      );
    }
    this.#add(block, part);
    if (!last) return undefined;
    this.unfinished = undefined;
    return Buffer.concat(block.parts);
  }

  /** Decodes one whole block. Every block has to be decoded, wanted or not: later ones depend on its table. */
  decode(kind: HeadKind, from: Buffer, start: number, end: number): Head {
    const known = kind === "trailers" ? this.#trailing : this.#opening;
    if (known !== undefined && known.changes === this.#decoder.changes && isLatin1(known.block, from, start, end)) {
      this.changes = 0;
      this.decodedBytes = 0;
      return known.head;
    }
    if (end - start > this.#limits.headerBlockBytesMax) throw tooLarge(this.#limits);
    const before = this.#decoder.changes;
    const reader = new HeadReader(kind, this.#limits.headerListBytesMax);
    try {
      this.#decoder.decode(from, start, end, reader);
    } catch (error) {
      if (!(error instanceof HpackError)) throw error;
      throw new ConnectionFailure(ErrorCode.COMPRESSION_ERROR, error.message);
    }
    reader.finish();
    this.changes = this.#decoder.changes - before;
    this.decodedBytes = reader.listBytes;
    const head = kind === "request" && this.#heads !== undefined ? this.#heads.shared(reader) : reader;
    const isShort = end - start <= REMEMBERED_BYTES_MAX && head.listBytes <= REMEMBERED_BYTES_MAX;
    if (isShort && this.changes === 0) this.#remember(kind, from, start, end, head);
    return head;
  }

  #remember(kind: HeadKind, from: Buffer, start: number, end: number, head: Head): void {
    const { changes } = this.#decoder;
    let { remembered } = head;
    if (remembered?.changes !== changes || !isLatin1(remembered.block, from, start, end)) {
      remembered = { block: latin1(from, start, end), changes, head };
      head.remembered = remembered;
    }
    if (kind === "trailers") this.#trailing = remembered;
    else this.#opening = remembered;
  }

  #add(block: Unfinished, part: Buffer): void {
    block.bytes += part.length;
    if (block.bytes > this.#limits.headerBlockBytesMax) throw tooLarge(this.#limits);
    // A copy: the rest of what was read with this part must not stay in memory because of it.
    block.parts.push(ownCopy(part, 0, part.length));
  }
}

function tooLarge(limits: Limits): ConnectionFailure {
  return new ConnectionFailure(
    ErrorCode.ENHANCE_YOUR_CALM,
    `a header block of more than ${limits.headerBlockBytesMax} bytes`,
  );
}
