import { encodeFields } from "../hpack/encoder.ts";
import type { Metadata } from "./metadata.ts";
import { Status } from "./status.ts";
import { timeoutText } from "./timeout.ts";

/** Header blocks. Those that say the same each time are encoded once and shared by all connections. */
type Field = readonly [name: string, value: string];

const OPENING: readonly Field[] = [
  [":status", "200"],
  ["content-type", "application/grpc"],
];
const ACCEPTS_GZIP: Field = ["grpc-accept-encoding", "identity,gzip"];
const GZIPPED: Field = ["grpc-encoding", "gzip"];

/** The head of an answer without metadata. */
export const HEAD = encodeFields(OPENING);
/** The same from a side that takes compressed messages and compresses its own. */
export const HEAD_GZIP = encodeFields([...OPENING, GZIPPED, ACCEPTS_GZIP]);
/** The end of a call that went well. */
export const TRAILERS_OK = encodeFields([["grpc-status", "0"]]);

const CALL: readonly Field[] = [
  ["te", "trailers"],
  ["content-type", "application/grpc"],
];
const CALL_FIELDS = encodeFields(CALL);
const CALL_FIELDS_GZIP = encodeFields([...CALL, ACCEPTS_GZIP]);

/** The beginning of each call to one path; `callWith` completes it. @throws TypeError when it is no path. */
export function callTo(scheme: "http" | "https", authority: string, path: string): Buffer {
  if (!/^\/[\x21-\x7e]*$/.test(path)) {
    throw new TypeError(`'${path}' is no path of a method; it is /package.Service/Method`);
  }
  return encodeFields([
    [":method", "POST"],
    [":scheme", scheme],
    [":path", path],
    [":authority", authority],
  ]);
}

/** Blocks without the dynamic table may be put together from parts: the same parts serve all calls. */
export function callWith(begin: Buffer, gzip: boolean, timeoutMs: number, metadata: Metadata | undefined): Buffer {
  const parts = [begin];
  // Behind the pseudo-fields and before all others, as the specification of gRPC advises.
  if (timeoutMs !== Number.POSITIVE_INFINITY) parts.push(encodeFields([["grpc-timeout", timeoutText(timeoutMs)]]));
  parts.push(gzip ? CALL_FIELDS_GZIP : CALL_FIELDS);
  if (metadata !== undefined) parts.push(encodeFields(metadata.fields()));
  return Buffer.concat(parts);
}

export function headWith(metadata: Metadata, gzip: boolean): Buffer {
  return encodeFields([...OPENING, ...(gzip ? [GZIPPED, ACCEPTS_GZIP] : []), ...metadata.fields()]);
}

export function trailersWith(status: Status, message: string, metadata: Metadata | undefined): Buffer {
  if (status === Status.OK && message === "" && metadata === undefined) return TRAILERS_OK;
  return encodeFields([...statusFields(status, message), ...(metadata?.fields() ?? [])]);
}

/** A whole answer in one block: a status without any message before it. */
export function trailersOnly(status: Status, message: string, metadata: Metadata | undefined, gzip: boolean): Buffer {
  const fields = [...OPENING, ...(gzip ? [ACCEPTS_GZIP] : []), ...statusFields(status, message)];
  return encodeFields([...fields, ...(metadata?.fields() ?? [])]);
}

/** An answer to whoever does not speak gRPC. */
export function plainHead(status: number, bodyBytes: number): Buffer {
  return encodeFields([
    [":status", String(status)],
    ["content-type", "text/plain; charset=utf-8"],
    ["content-length", String(bodyBytes)],
    ...(status === 405 ? [["allow", "POST"] as const] : []),
  ]);
}

function statusFields(status: Status, message: string): Field[] {
  const fields: Field[] = [["grpc-status", String(status)]];
  if (message !== "") fields.push(["grpc-message", percentEncoded(message)]);
  return fields;
}

/** UTF-8 with everything but printable ASCII escaped, and `%` too (gRPC over HTTP/2, Responses, Percent-Encoded). */
export function percentEncoded(text: string): string {
  if (/^[\x20-\x24\x26-\x7e]*$/.test(text)) return text;
  let encoded = "";
  for (const byte of Buffer.from(text, "utf8")) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}

/** The reverse; what is no valid escape stays as it is. */
export function percentDecoded(text: string): string {
  if (!text.includes("%")) return text;
  const bytes = text.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1").toString("utf8");
}
