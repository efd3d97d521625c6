import { type FieldSink, type HpackDecoder, HpackError } from "./decoder.ts";
import { HUFFMAN_CODES } from "./huffman.ts";
import { STATIC_TABLE } from "./static-table.ts";

/** An encoder with everything that RFC 7541 offers, plain rather than fast, for tests and fuzzers of the decoder. */

export type Field = readonly [name: string, value: string];

/** RFC 7541, 6: by index where a table holds it, a literal that enters the table, that does not, that never may. */
export type Representation = "indexed" | "incremental" | "without" | "never";

export interface FieldOptions {
  representation: Representation;
  /** Strings as Huffman codes. */
  huffman: boolean;
  /** A literal's name by index, where a table holds it. */
  nameByIndex: boolean;
}

const LITERALS = {
  incremental: { pattern: 0x40, bits: 6 },
  without: { pattern: 0x00, bits: 4 },
  never: { pattern: 0x10, bits: 4 },
} as const;

/** RFC 7541, 5.1. `pattern` is what stands before the prefix in the first octet. */
export function integer(value: number, bits: number, pattern = 0): number[] {
  const prefix = 2 ** bits - 1;
  if (value < prefix) return [pattern | value];
  const octets = [pattern | prefix];
  let rest = value - prefix;
  for (; rest >= 128; rest = Math.floor(rest / 128)) octets.push((rest % 128) + 128);
  return [...octets, rest];
}

/** RFC 7541, 5.2: the codes of the symbols, then ones up to the next octet. */
export function huffman(symbols: Iterable<number>): number[] {
  let bits = "";
  for (const symbol of symbols) {
    const code = HUFFMAN_CODES[symbol];
    if (code === undefined) throw new RangeError(`no symbol ${symbol}`);
    bits += code.code.toString(2).padStart(code.bits, "0");
  }
  return octetsOf(bits.padEnd(Math.ceil(bits.length / 8) * 8, "1"));
}

/** A text of ones and zeros as octets. */
export function octetsOf(bits: string): number[] {
  return (bits.match(/.{8}/g) ?? []).map((octet) => Number.parseInt(octet, 2));
}

export function string(text: string, coded: boolean): number[] {
  const octets = coded ? huffman(Buffer.from(text, "latin1")) : [...Buffer.from(text, "latin1")];
  return [...integer(octets.length, 7, coded ? 0x80 : 0), ...octets];
}

export class ReferenceEncoder {
  /** The dynamic table, newest first. */
  table: Field[] = [];
  #bytesMax = 4096;

  /** A dynamic table size update (RFC 7541, 6.3). */
  resize(bytes: number): number[] {
    this.#bytesMax = bytes;
    this.#evict();
    return integer(bytes, 5, 0x20);
  }

  field(field: Field, options: FieldOptions): number[] {
    const entries = [...STATIC_TABLE, ...this.table];
    const index = entries.findIndex(([name, value]) => name === field[0] && value === field[1]) + 1;
    if (options.representation === "indexed" && index > 0) return integer(index, 7, 0x80);

    const kind = options.representation === "indexed" ? "incremental" : options.representation;
    const nameIndex = options.nameByIndex ? entries.findIndex(([name]) => name === field[0]) + 1 : 0;
    const octets = integer(nameIndex, LITERALS[kind].bits, LITERALS[kind].pattern);
    if (nameIndex === 0) octets.push(...string(field[0], options.huffman));
    octets.push(...string(field[1], options.huffman));
    if (kind === "incremental") {
      this.table.unshift(field);
      this.#evict();
    }
    return octets;
  }

  /** An entry larger than the table goes too, after all others (RFC 7541, 4.4). */
  #evict(): void {
    while (tableBytes(this.table) > this.#bytesMax) this.table.pop();
  }
}

/** RFC 7541, 4.1. */
export function tableBytes(table: readonly Field[]): number {
  return table.reduce((bytes, [name, value]) => bytes + name.length + value.length + 32, 0);
}

export class FieldList implements FieldSink {
  readonly fields: Field[] = [];

  field(name: string, value: string): void {
    this.fields.push([name, value]);
  }
}

export function decoded(decoder: HpackDecoder, block: Uint8Array | readonly number[]): Field[] {
  const octets = Uint8Array.from(block);
  const list = new FieldList();
  decoder.decode(octets, 0, octets.length, list);
  return list.fields;
}

/** More than tables of tests can hold: a decoder that knows no end must not hang its tests. */
const TABLE_INDEX_MAX = 1000;

/** The dynamic table as a peer sees it, newest first: each index past the static table, until there is none. */
export function tableOf(decoder: HpackDecoder): Field[] {
  const table: Field[] = [];
  for (let index = STATIC_TABLE.length + 1; index < TABLE_INDEX_MAX; index += 1) {
    try {
      table.push(...decoded(decoder, integer(index, 7, 0x80)));
    } catch (error) {
      if (error instanceof HpackError) return table;
      throw error;
    }
  }
  throw new Error(`the dynamic table goes on beyond index ${TABLE_INDEX_MAX}`);
}
