/** Bytes that are not what a member of this version writes. Never leaves the codec. */
export class Malformed extends Error {
  override readonly name = "Malformed";
}

const SCRATCH_BYTES = 512;

/** Writes numbers one after the other, and takes long parts as they are. Big endian. */
export class Writer {
  readonly #parts: Uint8Array[] = [];
  #scratch = Buffer.allocUnsafe(SCRATCH_BYTES);
  #from = 0;
  #at = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** In this order. */
  parts(): readonly Uint8Array[] {
    this.#flush();
    return this.#parts;
  }

  byte(value: number): void {
    const at = this.#room(1);
    this.#scratch[at] = value;
  }

  hash(value: number): void {
    const at = this.#room(4);
    this.#scratch.writeUInt32BE(value, at);
  }

  /** A whole number from 0 to 2^48 - 1. */
  count(value: number): void {
    const at = this.#room(6);
    this.#scratch.writeUIntBE(value, at, 6);
  }

  real(value: number): void {
    const at = this.#room(8);
    this.#scratch.writeDoubleBE(value, at);
  }

  blob(bytes: Uint8Array): void {
    this.hash(bytes.length);
    if (bytes.length === 0) return;
    this.#flush();
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }

  text(value: string): void {
    this.blob(Buffer.from(value));
  }

  #room(bytes: number): number {
    if (this.#at + bytes > this.#scratch.length) {
      this.#flush();
      this.#scratch = Buffer.allocUnsafe(SCRATCH_BYTES * 8);
      this.#from = 0;
      this.#at = 0;
    }
    const at = this.#at;
    this.#at += bytes;
    this.#length += bytes;
    return at;
  }

  #flush(): void {
    if (this.#at > this.#from) this.#parts.push(this.#scratch.subarray(this.#from, this.#at));
    this.#from = this.#at;
  }
}

/** @throws Malformed from every read that meets something else than was to be there. */
export class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  byte(): number {
    return this.#bytes[this.#skip(1)] as number;
  }

  hash(): number {
    return this.#bytes.readUInt32BE(this.#skip(4));
  }

  count(): number {
    return this.#bytes.readUIntBE(this.#skip(6), 6);
  }

  real(): number {
    const value = this.#bytes.readDoubleBE(this.#skip(8));
    if (!Number.isFinite(value)) throw new Malformed("a time is no number");
    return value;
  }

  /** A part of the bytes that are read, not a copy. */
  blob(): Buffer {
    const length = this.hash();
    const at = this.#skip(length);
    return this.#bytes.subarray(at, at + length);
  }

  text(): string {
    return this.blob().toString();
  }

  flag(): boolean {
    return this.one([false, true]);
  }

  /** One of a few values, written as its index. */
  one<T>(values: readonly T[]): T {
    const index = this.byte();
    if (index >= values.length) throw new Malformed("a value is not one of those that there are");
    return values[index] as T;
  }

  /** @param bytes of the smallest one, so that a length that is made up costs nothing. */
  list<T>(bytes: number, read: () => T): T[] {
    const length = this.hash();
    if (length * bytes > this.left) throw new Malformed("a list is longer than its message");
    return Array.from({ length }, read);
  }

  end(): void {
    if (this.left > 0) throw new Malformed("something follows its end");
  }

  #skip(length: number): number {
    const at = this.#at;
    if (length > this.left) throw new Malformed("it ends too early");
    this.#at = at + length;
    return at;
  }
}
