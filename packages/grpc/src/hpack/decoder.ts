import { decodeHuffman, huffmanDecodedMax } from "./huffman.ts";
import { latin1, sharedLatin1 } from "./latin1.ts";
import { SENSITIVE_NAMES, STATIC_TABLE } from "./static-table.ts";

/** A breach of RFC 7541. The tables of both sides may differ from here on: the connection ends with COMPRESSION_ERROR. */
export class HpackError extends Error {
  override readonly name = "HpackError";
}

/** Takes the fields of a block in their order. The strings hold one character per octet (latin1). */
export interface FieldSink {
  field(name: string, value: string): void;
}

const STATIC_NAMES = STATIC_TABLE.map(([name]) => name);
const STATIC_VALUES = STATIC_TABLE.map(([, value]) => value);
const STATIC_COUNT = STATIC_TABLE.length;

/** What SETTINGS_HEADER_TABLE_SIZE is until a peer is told otherwise (RFC 9113, 6.5.2). */
const TABLE_BYTES_DEFAULT = 4096;
/** What an entry counts beyond its octets (RFC 7541, 4.1). */
const ENTRY_OVERHEAD_BYTES = 32;
/** The limits of an integer (RFC 7541, 5.1 asks for some): no length, index or size that makes sense comes near. */
const INTEGER_MAX = 2 ** 28;
const CONTINUATIONS_MAX = 5;
/** A table can shrink and grow again between two blocks, and both may be told (RFC 7541, 4.2). */
const SIZE_UPDATES_MAX = 2;
const RING_ENTRIES_START = 8;
/** Of all decoders whose table is empty; an idle connection should weigh little. */
const EMPTY_RING: string[] = [];

/** Holds a decoded string until it is one; longer ones get memory of their own. */
const SCRATCH = Buffer.alloc(4096);

/** Reads header blocks (RFC 7541). One for each direction of a connection: blocks depend on those before them. */
export class HpackDecoder {
  /**
   * Grows with every change of the dynamic table (insertion, eviction, size update): equal blocks mean equal fields
   * while it stays.
   */
  changes = 0;

  /** Where `decode` reads next. */
  #at = 0;
  readonly #tableBytesMax: number;
  /** What the peer's encoder keeps to: at most `tableBytesMax`. */
  #tableBytesAllowed: number;
  #tableBytes = 0;
  /**
   * The dynamic table: name and value in turn, entry `n` since the beginning at slot `2 * n`, modulo the length, which
   * is a power of two.
   */
  #ring = EMPTY_RING;
  #inserted = 0;
  #count = 0;

  /**
   * @param tableBytesMax what SETTINGS_HEADER_TABLE_SIZE says. The table has this size from the start, 4096 at most: a
   *   peer that was told of more says with a size update when it uses more. Below 4096, blocks that a peer sent before
   *   it read the setting may not decode.
   */
  constructor(tableBytesMax: number = TABLE_BYTES_DEFAULT) {
    this.#tableBytesMax = tableBytesMax;
    this.#tableBytesAllowed = Math.min(tableBytesMax, TABLE_BYTES_DEFAULT);
  }

  /**
   * Reads the header block from `start` to `end`: all of it, frames' borders removed.
   *
   * @throws HpackError for a breach, and whatever `sink.field` throws. The decoder is of no use after either.
   */
  decode(block: Uint8Array, start: number, end: number, sink: FieldSink): void {
    let sizeUpdates = 0;
    let fields = 0;
    this.#at = start;
    while (this.#at < end) {
      const first = block[this.#at] as number;
      if (first >= 0x80) {
        fields += 1;
        this.#indexed(this.#integer(block, end, 0x7f), sink);
      } else if (first >= 0x40) {
        fields += 1;
        const index = this.#integer(block, end, 0x3f);
        const name = index === 0 ? this.#string(block, end, true) : this.#nameAt(index);
        // What a table holds for long is shared; a secret is not, since it would outlive its connection.
        const value = this.#string(block, end, !SENSITIVE_NAMES.has(name));
        this.#insert(name, value);
        sink.field(name, value);
      } else if (first >= 0x20) {
        sizeUpdates += 1;
        if (fields > 0 || sizeUpdates > SIZE_UPDATES_MAX) {
          throw new HpackError("a size update stands only at the beginning of a block, twice at most (RFC 7541, 4.2)");
        }
        this.#resize(this.#integer(block, end, 0x1f));
      } else {
        // Without indexing (0000) and never indexed (0001) differ only for those who pass a field on.
        fields += 1;
        const index = this.#integer(block, end, 0x0f);
        const name = index === 0 ? this.#string(block, end, true) : this.#nameAt(index);
        sink.field(name, this.#string(block, end, false));
      }
    }
  }

  #indexed(index: number, sink: FieldSink): void {
    if (index > STATIC_COUNT) {
      const slot = this.#slotAt(index);
      sink.field(this.#ring[slot] as string, this.#ring[slot + 1] as string);
    } else {
      if (index === 0) throw new HpackError("index 0 stands for no field (RFC 7541, 6.1)");
      sink.field(STATIC_NAMES[index - 1] as string, STATIC_VALUES[index - 1] as string);
    }
  }

  #nameAt(index: number): string {
    return (index > STATIC_COUNT ? this.#ring[this.#slotAt(index)] : STATIC_NAMES[index - 1]) as string;
  }

  #slotAt(index: number): number {
    const age = index - STATIC_COUNT - 1;
    if (age >= this.#count) {
      throw new HpackError(
        `index ${index} is beyond the tables, which end at ${STATIC_COUNT + this.#count} (RFC 7541, 2.3.3)`,
      );
    }
    return (2 * (this.#inserted - 1 - age)) & (this.#ring.length - 1);
  }

  /** RFC 7541, 5.1: what the prefix holds, or what follows it once all its bits are ones. */
  #integer(block: Uint8Array, end: number, prefix: number): number {
    let value = (block[this.#at] as number) & prefix;
    this.#at += 1;
    if (value < prefix) return value;
    let scale = 1;
    for (let continuation = 0; continuation < CONTINUATIONS_MAX; continuation += 1) {
      if (this.#at >= end) throw new HpackError("the block ends inside an integer (RFC 7541, 5.1)");
      const octet = block[this.#at] as number;
      this.#at += 1;
      value += (octet & 0x7f) * scale;
      if (value > INTEGER_MAX) break;
      if (octet < 0x80) return value;
      scale *= 128;
    }
    throw new HpackError(
      `an integer is above ${INTEGER_MAX} or has more than ${CONTINUATIONS_MAX} octets (RFC 7541, 5.1)`,
    );
  }

  /** RFC 7541, 5.2. */
  #string(block: Uint8Array, end: number, share: boolean): string {
    if (this.#at >= end) throw new HpackError("the block ends before a string (RFC 7541, 5.2)");
    const coded = (block[this.#at] as number) >= 0x80;
    const length = this.#integer(block, end, 0x7f);
    const start = this.#at;
    if (length > end - start) throw new HpackError("a string is longer than the rest of the block (RFC 7541, 5.2)");
    this.#at = start + length;
    if (!coded) return share ? sharedLatin1(block, start, start + length) : latin1(block, start, start + length);
    const needed = huffmanDecodedMax(length) + 1;
    const target = needed <= SCRATCH.length ? SCRATCH : Buffer.allocUnsafeSlow(needed);
    const decoded = decodeHuffman(block, start, start + length, target);
    if (decoded < 0)
      throw new HpackError("a string's Huffman code holds EOS or ends in a wrong padding (RFC 7541, 5.2)");
    return share ? sharedLatin1(target, 0, decoded) : latin1(target, 0, decoded);
  }

  #insert(name: string, value: string): void {
    this.changes += 1;
    const bytes = name.length + value.length + ENTRY_OVERHEAD_BYTES;
    this.#evictTo(this.#tableBytesAllowed - bytes);
    // An entry larger than the table empties it, and is no error (RFC 7541, 4.4).
    if (bytes > this.#tableBytesAllowed) return;
    if (2 * this.#count === this.#ring.length) this.#grow();
    const slot = (2 * this.#inserted) & (this.#ring.length - 1);
    this.#ring[slot] = name;
    this.#ring[slot + 1] = value;
    this.#inserted += 1;
    this.#count += 1;
    this.#tableBytes += bytes;
  }

  #resize(bytes: number): void {
    if (bytes > this.#tableBytesMax) {
      throw new HpackError(
        `a size update to ${bytes} is above the table's limit of ${this.#tableBytesMax} (RFC 7541, 6.3)`,
      );
    }
    this.changes += 1;
    this.#tableBytesAllowed = bytes;
    this.#evictTo(bytes);
  }

  #evictTo(bytes: number): void {
    while (this.#tableBytes > bytes && this.#count > 0) {
      const slot = (2 * (this.#inserted - this.#count)) & (this.#ring.length - 1);
      this.#tableBytes -=
        (this.#ring[slot] as string).length + (this.#ring[slot + 1] as string).length + ENTRY_OVERHEAD_BYTES;
      this.#ring[slot] = "";
      this.#ring[slot + 1] = "";
      this.#count -= 1;
    }
    if (this.#count === 0 && this.#ring.length > 0) this.#ring = EMPTY_RING;
  }

  #grow(): void {
    const entries = Math.max(RING_ENTRIES_START, this.#count * 2);
    const ring = new Array<string>(entries * 2).fill("");
    for (let nth = this.#inserted - this.#count; nth < this.#inserted; nth += 1) {
      const from = (2 * nth) & (this.#ring.length - 1);
      const to = (2 * nth) & (ring.length - 1);
      ring[to] = this.#ring[from] as string;
      ring[to + 1] = this.#ring[from + 1] as string;
    }
    this.#ring = ring;
  }
}
