import { decodeUtf8, encodeUtf8 } from "@nacre/protocol";

/** Bytes that are not what a peer of this version writes. Never leaves the codec: callers get a `FrameFailure`. */
export class Malformed extends Error {
  override readonly name = "Malformed";
}

/** Writes numbers and texts one after the other. Words that repeat within a message are written once. */
export class Writer {
  #bytes = new Uint8Array(256);
  #length = 0;
  readonly #words = new Map<string, number>();

  get length(): number {
    return this.#length;
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  byte(value: number): void {
    this.#room(1);
    this.#bytes[this.#length++] = value;
  }

  /** A whole number from 0 to 2^53 - 1, seven bits per byte, lowest first. */
  count(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.byte((rest % 128) + 128);
      rest = Math.floor(rest / 128);
    }
    this.byte(rest);
  }

  real(value: number): void {
    this.#room(8);
    new DataView(this.#bytes.buffer).setFloat64(this.#length, value);
    this.#length += 8;
  }

  /** A hash of 32 bits. */
  hash(value: number): void {
    this.#room(4);
    new DataView(this.#bytes.buffer).setUint32(this.#length, value >>> 0);
    this.#length += 4;
  }

  text(value: string): void {
    const bytes = encodeUtf8(value);
    this.count(bytes.length);
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** A text that is likely to come again: its second time costs a byte or two. */
  word(value: string): void {
    const known = this.#words.get(value);
    this.count(known ?? 0);
    if (known !== undefined) return;
    this.#words.set(value, this.#words.size + 1);
    this.text(value);
  }

  #room(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const wider = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    wider.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = wider;
  }
}

/** @throws Malformed from every read that meets something else than was to be there. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  readonly #words: string[] = [];

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  byte(): number {
    const value = this.#bytes[this.#at++];
    if (value === undefined) throw new Malformed("it ends too early");
    return value;
  }

  count(): number {
    let value = this.byte();
    if (value < 128) return value;
    value -= 128;
    for (let factor = 128; ; factor *= 128) {
      const byte = this.byte();
      value += (byte % 128) * factor;
      if (!Number.isSafeInteger(value)) throw new Malformed("a number is too large");
      if (byte < 128) return value;
      if (factor >= 2 ** 49) throw new Malformed("a number is too long");
    }
  }

  real(): number {
    return this.#view.getFloat64(this.#skip(8));
  }

  hash(): number {
    return this.#view.getUint32(this.#skip(4));
  }

  text(): string {
    const length = this.count();
    const at = this.#skip(length);
    try {
      return decodeUtf8(this.#bytes.subarray(at, at + length));
    } catch {
      throw new Malformed("a text is not UTF-8");
    }
  }

  word(): string {
    const index = this.count();
    if (index > 0) {
      const known = this.#words[index - 1];
      if (known === undefined) throw new Malformed("a word is not known");
      return known;
    }
    const word = this.text();
    this.#words.push(word);
    return word;
  }

  /** One of a few values, written as its index. */
  one<T>(values: readonly T[]): T {
    const index = this.byte();
    if (index >= values.length) throw new Malformed("a value is not one of those that there are");
    return values[index] as T;
  }

  end(): void {
    if (this.#at < this.#bytes.length) throw new Malformed("something follows its end");
  }

  /** @returns where the part begins that is read. */
  #skip(length: number): number {
    const at = this.#at;
    if (at + length > this.#bytes.length) throw new Malformed("it ends too early");
    this.#at = at + length;
    return at;
  }
}
