/**
 * Metadata of a call: names in lower case, values as text, or as bytes where the name ends in `-bin`. A name may come
 * more than once; the order is kept.
 */
export class Metadata {
  readonly #entries: [name: string, value: string | Buffer][] = [];

  /** @throws TypeError for a name or a value that HTTP/2 cannot carry. */
  add(name: string, value: string | Uint8Array): this {
    this.#entries.push([checkedName(name), checkedValue(name, value)]);
    return this;
  }

  /** The last value of a name. */
  get(name: string): string | Buffer | undefined {
    return this.#entries.findLast(([own]) => own === name)?.[1];
  }

  getAll(name: string): (string | Buffer)[] {
    return this.#entries.flatMap(([own, value]) => (own === name ? [value] : []));
  }

  get size(): number {
    return this.#entries.length;
  }

  [Symbol.iterator](): IterableIterator<readonly [name: string, value: string | Buffer]> {
    return this.#entries[Symbol.iterator]();
  }

  /** As it came over the wire, the name known to be valid. Bytes may come in base64 with or without padding. */
  received(name: string, value: string): void {
    if (!name.endsWith("-bin")) this.#entries.push([name, value]);
    // Several values may be joined by a comma (gRPC over HTTP/2, Requests, Binary-Header).
    else for (const part of value.split(",")) this.#entries.push([name, Buffer.from(part.trim(), "base64")]);
  }

  /** The fields that carry it. */
  *fields(): IterableIterator<[name: string, value: string]> {
    for (const [name, value] of this.#entries) {
      yield [name, typeof value === "string" ? value : value.toString("base64").replace(/=+$/, "")];
    }
  }
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
    if (typeof value === "string") throw new TypeError(`metadata: '${name}' ends in '-bin' and takes bytes, not text`);
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
  if (typeof value !== "string")
    throw new TypeError(`metadata: '${name}' takes text; bytes need a name ending in '-bin'`);
  if (!/^[\x20-\x7e]*$/.test(value)) throw new TypeError(`metadata: the value of '${name}' is not printable ASCII`);
  if (value !== value.trim()) throw new TypeError(`metadata: the value of '${name}' begins or ends with a blank`);
  return value;
}
