import { encodeFields } from "../hpack/encoder.ts";
import { ErrorCode, Flag, FRAME_HEADER_BYTES, FrameType, PREFACE } from "./protocol.ts";

/** Frames written and read without the machine, plain rather than fast, for its tests and fuzzers. */

export interface WireFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

const NOTHING = Buffer.alloc(0);
const { END_STREAM, END_HEADERS, ACK, PADDED } = Flag;

export { PREFACE };

/** RFC 9113, section 4.1. The reserved bit of the stream id is what `streamId` says. */
export function frame(type: number, flags: number, streamId: number, payload: Uint8Array = NOTHING): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(streamId >>> 0, 5);
  bytes.set(payload, FRAME_HEADER_BYTES);
  return bytes;
}

export function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [at, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, at * 4);
  return bytes;
}

export const data = (streamId: number, content: string | Uint8Array, flags = 0): Buffer =>
  frame(FrameType.DATA, flags, streamId, Buffer.from(content as string));
export const lastData = (streamId: number, content: string | Uint8Array): Buffer => data(streamId, content, END_STREAM);
export const paddedData = (streamId: number, content: Uint8Array, padding: number, flags = 0): Buffer =>
  frame(FrameType.DATA, flags | PADDED, streamId, Buffer.concat([Buffer.of(padding), content, Buffer.alloc(padding)]));
export const headers = (streamId: number, block: Uint8Array, flags = 0): Buffer =>
  frame(FrameType.HEADERS, flags | END_HEADERS, streamId, block);
export const lastHeaders = (streamId: number, block: Uint8Array): Buffer => headers(streamId, block, END_STREAM);
export const continuation = (streamId: number, part: Uint8Array, flags = 0): Buffer =>
  frame(FrameType.CONTINUATION, flags, streamId, part);
export const rstStream = (streamId: number, code: number = ErrorCode.CANCEL): Buffer =>
  frame(FrameType.RST_STREAM, 0, streamId, words(code));
export const priority = (streamId: number, parent = 0): Buffer =>
  frame(FrameType.PRIORITY, 0, streamId, Buffer.concat([words(parent), Buffer.of(15)]));
export const ping = (text = "12345678", flags = 0): Buffer => frame(FrameType.PING, flags, 0, Buffer.from(text));
export const windowUpdate = (streamId: number, bytes: number): Buffer =>
  frame(FrameType.WINDOW_UPDATE, 0, streamId, words(bytes));
export const goaway = (lastId: number, code: number = ErrorCode.NO_ERROR, text = ""): Buffer =>
  frame(FrameType.GOAWAY, 0, 0, Buffer.concat([words(lastId, code), Buffer.from(text)]));
export const settingsAck = (): Buffer => frame(FrameType.SETTINGS, ACK, 0);

export function settings(...entries: (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(entries.length * 6);
  for (const [at, [id, value]] of entries.entries()) {
    payload.writeUInt16BE(id, at * 6);
    payload.writeUInt32BE(value, at * 6 + 2);
  }
  return frame(FrameType.SETTINGS, 0, 0, payload);
}

/** A message of gRPC (gRPC over HTTP/2, Length-Prefixed-Message). */
export function message(content: string | Uint8Array, compressed = 0): Buffer {
  const bytes = Buffer.from(content as string);
  return Buffer.concat([Buffer.of(compressed), words(bytes.length), bytes]);
}

export type Fields = readonly (readonly [name: string, value: string])[];

export const REQUEST: Fields = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/a.B/C"],
  [":authority", "a"],
  ["content-type", "application/grpc"],
  ["te", "trailers"],
];

/** The fields of a gRPC call, some of them changed, left out (undefined) or added. */
export function request(changes: Readonly<Record<string, string | undefined>> = {}): Buffer {
  const own = REQUEST.flatMap(([name, value]) => {
    const changed = name in changes ? changes[name] : value;
    return changed === undefined ? [] : [[name, changed] as const];
  });
  const known = new Set(REQUEST.map(([name]) => name));
  const added = Object.entries(changes).flatMap(([name, value]) =>
    known.has(name) || value === undefined ? [] : [[name, value] as const],
  );
  return encodeFields([...own, ...added]);
}

export const TRAILERS = encodeFields([["a", "b"]]);

/** @throws RangeError when the bytes do not end with a frame. */
export function frames(bytes: Buffer): WireFrame[] {
  const all: WireFrame[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = bytes.readUIntBE(at, 3);
    const end = at + FRAME_HEADER_BYTES + size;
    if (end > bytes.length) throw new RangeError("the output ends inside a frame");
    all.push({
      type: bytes[at + 3] as number,
      flags: bytes[at + 4] as number,
      streamId: bytes.readUInt32BE(at + 5),
      payload: bytes.subarray(at + FRAME_HEADER_BYTES, end),
    });
    at = end;
  }
  return all;
}

const TYPES = Object.fromEntries(Object.entries(FrameType).map(([name, type]) => [type, name]));
const CODES = Object.fromEntries(Object.entries(ErrorCode).map(([name, code]) => [code, name]));

/** A frame in words, for example `DATA 1 5 bytes END_STREAM`, `RST_STREAM 3 CANCEL`, `GOAWAY 3 NO_ERROR`. */
export function said({ type, flags, streamId, payload }: WireFrame): string {
  const end = (flags & END_STREAM) !== 0 ? " END_STREAM" : "";
  const whole = (flags & END_HEADERS) !== 0 ? "" : " unfinished";
  switch (type) {
    case FrameType.DATA:
      return `DATA ${streamId} ${payload.length} bytes${end}`;
    case FrameType.HEADERS:
      return `HEADERS ${streamId}${end}${whole}`;
    case FrameType.CONTINUATION:
      return `CONTINUATION ${streamId}${whole}`;
    case FrameType.RST_STREAM:
      return `RST_STREAM ${streamId} ${CODES[payload.readUInt32BE(0)]}`;
    case FrameType.GOAWAY:
      return `GOAWAY ${payload.readUInt32BE(0)} ${CODES[payload.readUInt32BE(4)]}`;
    case FrameType.WINDOW_UPDATE:
      return `WINDOW_UPDATE ${streamId} ${payload.readUInt32BE(0)}`;
    case FrameType.SETTINGS:
    case FrameType.PING:
      return `${TYPES[type]}${(flags & ACK) !== 0 ? " ACK" : ""}${type === FrameType.PING ? ` ${payload}` : ""}`;
    default:
      return `type ${type} on ${streamId}`;
  }
}
