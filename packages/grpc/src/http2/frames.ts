import { ConnectionFailure, ErrorCode, Flag, FRAME_HEADER_BYTES, FrameType, MAX_31, PREFACE } from "./protocol.ts";

/** What is read of a connection, in order. Whatever throws a ConnectionFailure ends the reading. */
export interface FrameSink {
  /** Before the payload of any frame is looked at: the rules that hold for all of them. */
  frameBegins(type: number, streamId: number, size: number): void;
  /** A whole frame of any type but DATA; its payload is `from` between `start` and `end`. */
  frame(type: number, flags: number, streamId: number, from: Buffer, start: number, end: number): void;
  /** A DATA frame begins; `size` counts its padding too. */
  dataBegins(streamId: number, size: number, padding: number): void;
  /** Content of it, without padding, in as many parts as it came. */
  dataPart(from: Buffer, start: number, end: number): void;
  dataEnds(endStream: boolean): void;
}

/**
 * Cuts bytes into frames (RFC 9113, section 4.1). Content goes up as it comes; other frames are kept until they are
 * whole, which is at most one frame of 16 KiB.
 */
export class FrameReader {
  readonly #sink: FrameSink;
  #prefaceLeft: number;
  /** The beginning of a frame whose rest has not come. */
  #rest: Buffer | undefined;
  #inData = false;
  #contentLeft = 0;
  #paddingLeft = 0;
  #endStream = false;
  #stopped = false;
  /** What is read now ends at the first border of frames behind it. */
  #stopAt = Number.POSITIVE_INFINITY;

  constructor(sink: FrameSink, expectsPreface: boolean) {
    this.#sink = sink;
    this.#prefaceLeft = expectsPreface ? PREFACE.length : 0;
  }

  /** Bytes that wait for the rest of their frame. */
  get heldBytes(): number {
    return this.#rest?.length ?? 0;
  }

  /** Stops at the next border of frames if it is to stop at any: what it told of has taken time. */
  giveWay(): void {
    if (this.#stopAt !== Number.POSITIVE_INFINITY) this.#stopAt = 0;
  }

  /** Nothing more is told, also not of the bytes that are being read. */
  stop(): void {
    this.#stopped = true;
    this.#rest = undefined;
  }

  /**
   * Reads on from `start`, and stops at the first border of frames that it comes to after `bytes` bytes.
   *
   * @returns where to read on: the end of the chunk when nothing is left of it.
   * @throws ConnectionFailure.
   */
  read(chunk: Buffer, start: number, bytes: number): number {
    const from = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk.subarray(start)]);
    // What is at `at` of it is at `at - shift` of the chunk.
    const shift = from === chunk ? 0 : from.length - chunk.length;
    this.#rest = undefined;
    const end = from.length;
    this.#stopAt = start + shift + bytes;
    let at = from === chunk ? start : 0;
    if (this.#prefaceLeft > 0) at = this.#preface(from, at);
    while (!this.#stopped) {
      if (this.#inData) {
        at = this.#data(from, at, end);
        if (this.#inData || this.#stopped) return chunk.length;
      }
      if (at >= this.#stopAt && at < end) return at - shift;
      if (end - at < FRAME_HEADER_BYTES) break;
      const next = this.#next(from, at, end);
      if (next === at) break;
      at = next;
    }
    if (at < end && !this.#stopped) this.#rest = at === 0 && from === chunk ? chunk : ownCopy(from, at, end);
    return chunk.length;
  }

  /** Reads one frame, or the beginning of a DATA frame. @returns `at` when not enough of it is there. */
  #next(from: Buffer, at: number, end: number): number {
    const size = ((from[at] as number) << 16) | ((from[at + 1] as number) << 8) | (from[at + 2] as number);
    const type = from[at + 3] as number;
    const flags = from[at + 4] as number;
    const streamId = readWord(from, at + 5) & MAX_31;
    const payload = at + FRAME_HEADER_BYTES;
    this.#sink.frameBegins(type, streamId, size);
    if (type === FrameType.DATA) return this.#dataHeader(from, at, end, flags, streamId, size);
    if (end - payload < size) return at;
    this.#sink.frame(type, flags, streamId, from, payload, payload + size);
    return payload + size;
  }

  #dataHeader(from: Buffer, at: number, end: number, flags: number, streamId: number, size: number): number {
    let payload = at + FRAME_HEADER_BYTES;
    let padding = 0;
    let content = size;
    if ((flags & Flag.PADDED) !== 0) {
      if (size === 0) throw new ConnectionFailure(ErrorCode.FRAME_SIZE_ERROR, "a padded DATA frame without a length");
      if (payload >= end) return at;
      padding = from[payload++] as number;
      content = size - 1 - padding;
      if (content < 0) throw new ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "padding longer than its DATA frame");
    }
    this.#inData = true;
    this.#contentLeft = content;
    this.#paddingLeft = padding;
    this.#endStream = (flags & Flag.END_STREAM) !== 0;
    this.#sink.dataBegins(streamId, size, size - content);
    return payload;
  }

  #data(from: Buffer, start: number, end: number): number {
    let at = start;
    const content = Math.min(this.#contentLeft, end - at);
    if (content > 0) {
      this.#contentLeft -= content;
      this.#sink.dataPart(from, at, at + content);
      at += content;
    }
    if (this.#contentLeft > 0) return at;
    const padding = Math.min(this.#paddingLeft, end - at);
    this.#paddingLeft -= padding;
    if (this.#paddingLeft === 0) {
      this.#inData = false;
      this.#sink.dataEnds(this.#endStream);
    }
    return at + padding;
  }

  #preface(from: Buffer, at: number): number {
    const start = PREFACE.length - this.#prefaceLeft;
    const size = Math.min(this.#prefaceLeft, from.length - at);
    if (PREFACE.compare(from, at, at + size, start, start + size) !== 0) {
      throw new ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "the connection did not begin with the HTTP/2 preface");
    }
    this.#prefaceLeft -= size;
    return at + size;
  }
}

/** Bytes that wait for others. Not from the pool of Node: nine of them would keep the 64 KiB that they share from being freed. */
export function ownCopy(from: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafeSlow(end - start);
  from.copy(copy, 0, start, end);
  return copy;
}

export function readWord(from: Buffer, at: number): number {
  const word =
    ((from[at] as number) << 24) |
    ((from[at + 1] as number) << 16) |
    ((from[at + 2] as number) << 8) |
    (from[at + 3] as number);
  return word >>> 0;
}
