import type { FieldSink } from "../hpack/decoder.ts";

/** What a header block is: it decides which pseudo-fields it may have. */
export type HeadKind = "request" | "response" | "trailers";

/** The fields of one block; shared by all blocks that repeat it, so nobody changes it after it was read. */
export interface Head {
  readonly method: string;
  readonly scheme: string;
  readonly authority: string;
  readonly path: string;
  /** Of a response; 0 otherwise. */
  readonly status: number;
  /** -1 when not given. */
  readonly contentLength: number;
  /** Regular fields in order, names and values in turn. */
  readonly fields: readonly string[];
  /** Why the block breaks RFC 9113, section 8; undefined when it does not. */
  readonly malformed: string | undefined;
  /** More fields came than the limit allows; those over it are not in `fields`. */
  readonly tooLarge: boolean;
  /** Names, values and 32 bytes for each field (RFC 9113, section 6.5.2). */
  readonly listBytes: number;
  /** What the layer above made of it, kept so that an equal block costs nothing. */
  derived: unknown;
  /** The block that it came as, for connections that may get the same one. */
  remembered: Remembered | undefined;
}

/** A block that changed no table, and what it said. */
export interface Remembered {
  /** One character for each octet. */
  readonly block: string;
  /** How often the table had been changed. */
  readonly changes: number;
  readonly head: Head;
}

const FIELD_OVERHEAD = 32;
const CONNECTION_FIELDS = new Set(["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"]);
/** Lower-case tokens; RFC 9113, section 8.2.1 with RFC 9110, section 5.6.2. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** NUL, line feed, carriage return. */
const BAD_CHARACTER = /[\0\n\r]/;

/** Collects the fields of one block and checks them. */
export class HeadReader implements FieldSink, Head {
  method = "";
  scheme = "";
  authority = "";
  path = "";
  status = 0;
  contentLength = -1;
  readonly fields: string[] = [];
  malformed: string | undefined;
  tooLarge = false;
  derived: unknown;
  remembered: Remembered | undefined;
  readonly #kind: HeadKind;
  readonly #listBytesMax: number;
  listBytes = 0;
  #regular = false;
  /** Which pseudo-fields came. */
  #seen = 0;

  constructor(kind: HeadKind, listBytesMax: number) {
    this.#kind = kind;
    this.#listBytesMax = listBytesMax;
  }

  field(name: string, value: string): void {
    this.listBytes += name.length + value.length + FIELD_OVERHEAD;
    if (this.listBytes > this.#listBytesMax) this.tooLarge = true;
    // The block has to be decoded to its end, because later blocks depend on its table; its fields need not be kept.
    if (this.tooLarge || this.malformed !== undefined) return;
    if (name.charCodeAt(0) === 0x3a) this.#pseudo(name, value);
    else this.#plain(name, value);
  }

  /** After the last field. */
  finish(): void {
    if (this.malformed !== undefined || this.tooLarge) return;
    if (this.#kind === "response" && this.status === 0) this.malformed = "a response without :status";
    if (this.#kind !== "request") return;
    if (this.method === "") this.malformed = "a request without :method";
    else if (this.method === "CONNECT") {
      if (this.path !== "" || this.scheme !== "") this.malformed = "a CONNECT request with :path or :scheme";
    } else if (this.scheme === "" || this.path === "") this.malformed = "a request without :scheme or :path";
  }

  #pseudo(name: string, value: string): void {
    if (this.#regular) this.malformed = `${name} after a regular field`;
    else if (this.#kind === "trailers") this.malformed = `${name} among trailers`;
    else if (this.#kind === "request" && name === ":method") this.method = this.#once(1, name, value);
    else if (this.#kind === "request" && name === ":scheme") this.scheme = this.#once(2, name, value);
    else if (this.#kind === "request" && name === ":authority") this.authority = this.#once(4, name, value);
    else if (this.#kind === "request" && name === ":path") this.path = this.#once(8, name, value);
    else if (this.#kind === "response" && name === ":status") {
      this.status = Number(this.#once(16, name, value));
      if (!/^[1-9][0-9]{2}$/.test(value)) this.malformed = "a :status that is no number of three digits";
    } else this.malformed = `the unknown pseudo-field ${name}`;
    if (isBad(value)) this.malformed = `a forbidden character in ${name}`;
  }

  #once(bit: number, name: string, value: string): string {
    if ((this.#seen & bit) !== 0) this.malformed = `${name} twice`;
    this.#seen |= bit;
    return value;
  }

  #plain(name: string, value: string): void {
    this.#regular = true;
    if (!NAME.test(name)) this.malformed = "a field name that is no token in lower case";
    else if (isBad(value)) this.malformed = `a forbidden character in the value of ${name}`;
    else if (CONNECTION_FIELDS.has(name)) this.malformed = `the connection-specific field ${name}`;
    else if (name === "te" && value !== "trailers") this.malformed = "a te field other than trailers";
    else if (name === "content-length") this.#length(value);
    else this.fields.push(name, value);
  }

  #length(value: string): void {
    const length = /^[0-9]{1,15}$/.test(value) ? Number(value) : -1;
    if (length === -1 || (this.contentLength !== -1 && this.contentLength !== length)) {
      this.malformed = "a content-length that is no number, or several that differ";
    }
    this.contentLength = length;
  }
}

/** RFC 9113, section 8.2.1. A pattern for all of it would try each blank inside a value for the last one. */
function isBad(value: string): boolean {
  return isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(value.length - 1)) || BAD_CHARACTER.test(value);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
