import { HpackDecoder, HpackError } from "../hpack/decoder.ts";
import { ownCopy } from "./frames.ts";
import { type Head, type HeadKind, HeadReader } from "./head.ts";
import type { Limits } from "./limits.ts";
import { ConnectionFailure, ErrorCode } from "./protocol.ts";

/** A block whose frames have not all come. */
interface Unfinished {
  readonly streamId: number;
  readonly endsStream: boolean;
  readonly startedAt: number;
  readonly parts: Buffer[];
  bytes: number;
  continuations: number;
}

/** A block that changed no table, and what it said. The memory is used again for the next one. */
interface Remembered {
  bytes: Buffer;
  length: number;
  changes: number;
  head: Head;
}

const REMEMBERED_BYTES_MIN = 64;
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
  readonly #decoder = new HpackDecoder();
  #opening: Remembered | undefined;
  #trailing: Remembered | undefined;

  constructor(limits: Limits) {
    this.#limits = limits;
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
    if (known !== undefined && known.changes === this.#decoder.changes && equal(known, from, start, end)) {
      this.changes = 0;
      this.decodedBytes = 0;
      return known.head;
    }
    if (end - start > this.#limits.headerBlockBytesMax) throw tooLarge(this.#limits);
    const before = this.#decoder.changes;
    const head = new HeadReader(kind, this.#limits.headerListBytesMax);
    try {
      this.#decoder.decode(from, start, end, head);
    } catch (error) {
      if (!(error instanceof HpackError)) throw error;
      throw new ConnectionFailure(ErrorCode.COMPRESSION_ERROR, error.message);
    }
    head.finish();
    this.changes = this.#decoder.changes - before;
    this.decodedBytes = head.listBytes;
    const isShort = end - start <= REMEMBERED_BYTES_MAX && head.listBytes <= REMEMBERED_BYTES_MAX;
    if (isShort && this.changes === 0) this.#remember(kind, known, from, start, end, head);
    return head;
  }

  #remember(kind: HeadKind, held: Remembered | undefined, from: Buffer, start: number, end: number, head: Head): void {
    const length = end - start;
    const fits = held !== undefined && held.bytes.length >= length;
    const bytes = fits ? held.bytes : Buffer.allocUnsafeSlow(Math.max(length, REMEMBERED_BYTES_MIN));
    from.copy(bytes, 0, start, end);
    const remembered = { bytes, length, changes: this.#decoder.changes, head };
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

function equal({ bytes, length }: Remembered, from: Buffer, start: number, end: number): boolean {
  if (length !== end - start) return false;
  for (let at = 0; at < length; at++) if (bytes[at] !== from[start + at]) return false;
  return true;
}
