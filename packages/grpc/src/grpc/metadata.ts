/**
 * Metadata of a call: names in lower case, values as text, or as bytes where the name ends in `-bin`. A name may come
 * more than once; the order is kept.
 */
export class Metadata {
  /**
   * Names and values in turn: ten thousand calls with hundreds of fields each are better not made of small objects. Text
   * in a name that ends in `-bin` is as it came over the wire.
   */
  readonly #entries: (string | Buffer)[] = [];

  /** @throws TypeError for a name or a value that HTTP/2 cannot carry. */
  add(name: string, value: string | Uint8Array): this {
    this.#entries.push(checkedName(name), checkedValue(name, value));
    return this;
  }

  /** The last value of a name. */
  get(name: string): string | Buffer | undefined {
    for (let at = this.#entries.length - 2; at >= 0; at -= 2) {
      if (this.#entries[at] !== name) continue;
      const value = this.#entries[at + 1] as string | Buffer;
      if (typeof value !== "string" || !name.endsWith("-bin")) return value;
      return fromBase64(value.slice(value.lastIndexOf(",") + 1));
    }
    return undefined;
  }

  getAll(name: string): (string | Buffer)[] {
    const all: (string | Buffer)[] = [];
    for (const [own, value] of this) if (own === name) all.push(value);
    return all;
  }

  get size(): number {
    return [...this].length;
  }

  *[Symbol.iterator](): IterableIterator<readonly [name: string, value: string | Buffer]> {
    for (const [name, value] of this.#fields()) {
      if (typeof value !== "string" || !name.endsWith("-bin")) yield [name, value];
      // Several values of bytes may come joined by a comma (gRPC over HTTP/2, Requests, Binary-Header).
      else for (const part of value.split(",")) yield [name, fromBase64(part)];
    }
  }

  /**
   * As it came over the wire, the name known to be valid. Bytes are decoded for whoever asks for them: a head of a few
   * octets may refer to thousands of values.
   */
  received(name: string, value: string): void {
    this.#entries.push(name, value);
  }

  /** The fields that carry it. */
  *fields(): IterableIterator<[name: string, value: string]> {
    for (const [name, value] of this.#fields()) {
      yield [name, typeof value === "string" ? value : value.toString("base64").replace(/=+$/, "")];
    }
  }

  *#fields(): IterableIterator<readonly [name: string, value: string | Buffer]> {
    for (let at = 0; at < this.#entries.length; at += 2) {
      yield [this.#entries[at] as string, this.#entries[at + 1] as string | Buffer];
    }
  }
}

/** With or without padding. */
function fromBase64(text: string): Buffer {
  return Buffer.from(text.trim(), "base64");
}

/** Fields of HTTP and of gRPC itself; a call that carried one as metadata would be malformed, or mean something else. */
const RESERVED = new Set([
  "connection",
  "content-length",
  "content-type",
  "host",
  "keep-alive",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
]);

function checkedName(name: string): string {
  if (!/^[0-9a-z_.-]+$/.test(name)) {
    throw new TypeError(`metadata: '${name}' is not a name; use digits, lower-case letters, '_', '-' and '.'`);
  }
  if (name.startsWith("grpc-") || RESERVED.has(name)) {
    throw new TypeError(`metadata: '${name}' is reserved; it belongs to gRPC or HTTP`);
  }
  return name;
}

function checkedValue(name: string, value: string | Uint8Array): string | Buffer {
  if (name.endsWith("-bin")) {
    if (!(value instanceof Uint8Array)) {
      throw new TypeError(`metadata: '${name}' ends in '-bin' and takes bytes, not ${typeof value}`);
    }
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
  if (typeof value !== "string")
    throw new TypeError(`metadata: '${name}' takes text; bytes need a name ending in '-bin'`);
  if (!/^[\x20-\x7e]*$/.test(value)) throw new TypeError(`metadata: the value of '${name}' is not printable ASCII`);
  if (value !== value.trim()) throw new TypeError(`metadata: the value of '${name}' begins or ends with a blank`);
  return value;
}
