import { RegistryError } from "./failures.ts";
import { decodeUtf8, encodeUtf8 } from "./utf8.ts";

/**
 * The one protobuf message of the gRPC wire, by hand: `Payload { Metadata metadata = 2; google.protobuf.Any body = 3; }`
 * with `Metadata { string type = 3; map<string,string> headers = 7; string clientIp = 8; }`.
 * `body.value` is the UTF-8 JSON of the message named by `metadata.type`; `body.type_url` is ignored.
 */
export interface Payload {
  readonly type: string;
  readonly clientIp: string;
  readonly headers: ReadonlyMap<string, string>;
  /** The JSON bytes; empty stands for `{}`. */
  readonly body: Uint8Array;
}

const NO_HEADERS: ReadonlyMap<string, string> = new Map();
const NO_BYTES = new Uint8Array(0);

/** Field tags: number shifted by three, or wire type. All fields of these messages are length-delimited (2). */
const TAG = {
  payloadMetadata: (2 << 3) | 2,
  payloadBody: (3 << 3) | 2,
  metadataType: (3 << 3) | 2,
  metadataHeaders: (7 << 3) | 2,
  metadataClientIp: (8 << 3) | 2,
  entryKey: (1 << 3) | 2,
  entryValue: (2 << 3) | 2,
  anyValue: (2 << 3) | 2,
} as const;

/** Reads a payload. The body is a view into `bytes`, not a copy. @throws RegistryError `badRequest`. */
export function decodePayload(bytes: Uint8Array): Payload {
  const reader = new Reader(bytes, 0, bytes.length);
  let type = "";
  let clientIp = "";
  let headers: Map<string, string> | undefined;
  let body: Uint8Array = NO_BYTES;
  while (reader.more()) {
    const tag = reader.varint();
    if (tag === TAG.payloadMetadata) {
      const metadata = reader.message();
      while (metadata.more()) {
        const field = metadata.varint();
        if (field === TAG.metadataType) type = metadata.text();
        else if (field === TAG.metadataClientIp) clientIp = metadata.text();
        else if (field === TAG.metadataHeaders) {
          headers ??= new Map();
          readHeader(metadata.message(), headers);
        } else metadata.skip(field);
      }
    } else if (tag === TAG.payloadBody) {
      const any = reader.message();
      while (any.more()) {
        const field = any.varint();
        if (field === TAG.anyValue) body = any.bytes();
        else any.skip(field);
      }
    } else reader.skip(tag);
  }
  return { type, clientIp, headers: headers ?? NO_HEADERS, body };
}

function readHeader(entry: Reader, into: Map<string, string>): void {
  let key = "";
  let value = "";
  while (entry.more()) {
    const field = entry.varint();
    if (field === TAG.entryKey) key = entry.text();
    else if (field === TAG.entryValue) value = entry.text();
    else entry.skip(field);
  }
  into.set(key, value);
}

/** Writes a payload in field order, leaving out what is empty, as every protobuf library does. */
export function encodePayload(payload: {
  readonly type: string;
  readonly clientIp?: string;
  readonly headers?: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}): Uint8Array {
  const type = encodeUtf8(payload.type);
  const clientIp = payload.clientIp ? encodeUtf8(payload.clientIp) : NO_BYTES;
  const headers: [Uint8Array, Uint8Array][] = [];
  for (const [key, value] of payload.headers ?? NO_HEADERS) headers.push([encodeUtf8(key), encodeUtf8(value)]);

  const metadataSize =
    fieldSize(type) +
    headers.reduce((sum, [key, value]) => sum + sized(entrySize(key, value)), 0) +
    fieldSize(clientIp);
  const anySize = fieldSize(payload.body);
  const out = new Writer(sized(metadataSize) + sized(anySize));

  out.header(TAG.payloadMetadata, metadataSize);
  out.field(TAG.metadataType, type);
  for (const [key, value] of headers) {
    out.header(TAG.metadataHeaders, entrySize(key, value));
    out.field(TAG.entryKey, key);
    out.field(TAG.entryValue, value);
  }
  out.field(TAG.metadataClientIp, clientIp);
  out.header(TAG.payloadBody, anySize);
  out.field(TAG.anyValue, payload.body);
  return out.bytes;
}

/** What stands before the body of a payload without headers: for a body of megabytes that exists in pieces. */
export function payloadHead(typeName: string, bodyBytes: number): Uint8Array {
  const type = encodeUtf8(typeName);
  const metadataSize = fieldSize(type);
  const anySize = sized(bodyBytes);
  const out = new Writer(sized(metadataSize) + sized(anySize) - bodyBytes);
  out.header(TAG.payloadMetadata, metadataSize);
  out.field(TAG.metadataType, type);
  out.header(TAG.payloadBody, anySize);
  out.header(TAG.anyValue, bodyBytes);
  return out.bytes;
}

function entrySize(key: Uint8Array, value: Uint8Array): number {
  return fieldSize(key) + fieldSize(value);
}

/** Bytes of an optional length-delimited field: none when it is empty. */
function fieldSize(value: Uint8Array): number {
  return value.length === 0 ? 0 : sized(value.length);
}

/** Bytes of a tag, a length and that many bytes. All tags of these messages fit into one byte. */
function sized(length: number): number {
  return 1 + varintSize(length) + length;
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

class Writer {
  readonly bytes: Uint8Array;
  #at = 0;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }

  header(tag: number, length: number): void {
    this.bytes[this.#at++] = tag;
    let rest = length;
    while (rest > 0x7f) {
      this.bytes[this.#at++] = (rest & 0x7f) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.bytes[this.#at++] = rest;
  }

  field(tag: number, value: Uint8Array): void {
    if (value.length === 0) return;
    this.header(tag, value.length);
    this.bytes.set(value, this.#at);
    this.#at += value.length;
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  more(): boolean {
    return this.#at < this.#end;
  }

  /** At most 32 bits of value: longer varints are read to their end, their high bits dropped, as protobuf prescribes. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#at >= this.#end) throw truncated();
      const byte = this.#bytes[this.#at++] as number;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new RegistryError("badRequest", "payload: a varint is longer than ten bytes");
  }

  bytes(): Uint8Array {
    const start = this.#advance(this.varint());
    return this.#bytes.subarray(start, this.#at);
  }

  message(): Reader {
    const start = this.#advance(this.varint());
    return new Reader(this.#bytes, start, this.#at);
  }

  text(): string {
    try {
      return decodeUtf8(this.bytes());
    } catch (cause) {
      if (cause instanceof RegistryError) throw cause;
      throw new RegistryError("badRequest", "payload: a text field is not UTF-8", { cause });
    }
  }

  skip(tag: number): void {
    const wireType = tag & 7;
    if (tag >>> 3 === 0) throw new RegistryError("badRequest", "payload: field number 0");
    if (wireType === 0) this.varint();
    else if (wireType === 1) this.#advance(8);
    else if (wireType === 2) this.#advance(this.varint());
    else if (wireType === 5) this.#advance(4);
    else throw new RegistryError("badRequest", `payload: wire type ${wireType} is not used by proto3`);
  }

  #advance(length: number): number {
    const start = this.#at;
    if (length > this.#end - start) throw truncated();
    this.#at = start + length;
    return start;
  }
}

function truncated(): RegistryError {
  return new RegistryError("badRequest", "payload: it ends inside a field");
}
