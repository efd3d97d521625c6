import { TABLE_SIZE_ZERO } from "../hpack/encoder.ts";
import { framedFor } from "./framed.ts";
import { Output } from "./output.ts";
import { Flag, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, FrameType, MAX_31, WINDOW_BYTES_DEFAULT } from "./protocol.ts";
import type { Outgoing, Stream } from "./stream.ts";

/** Messages up to this size are copied beside their frame header; larger ones are referenced. */
const COPY_BYTES_MAX = 4096;
/** How much is gathered before it is handed to the socket. */
const GATHERED_BYTES_MAX = 256 * 1024;
/** What one stream may send before the next one has its turn. */
const TURN_BYTES_MAX = 64 * 1024;
const PREFIX_BYTES = 5;
/** The default of SETTINGS_HEADER_TABLE_SIZE, below which a lowered size has to be confirmed. */
const TABLE_BYTES_DEFAULT = 4096;

/** What was queued last, on whichever connection. */
let latestQueued: Outgoing | undefined;

/** Told when a stream's end has left, or its queue has become short again. */
export interface SenderListener {
  sentEnd(stream: Stream): void;
  drained(stream: Stream): void;
}

/** The way out of a connection: frames, flow control (RFC 9113, section 5.2) and fair turns among streams. */
export class Sender {
  readonly output = new Output();
  /** What the peer lets us send over all streams. */
  window = WINDOW_BYTES_DEFAULT;
  /** SETTINGS_INITIAL_WINDOW_SIZE of the peer. */
  initialWindow = WINDOW_BYTES_DEFAULT;
  /** Bytes that wait in the queues of streams. */
  queuedBytes = 0;
  /** Those of them that lie in memory once for many streams. */
  sharedBytes = 0;
  /** Such bytes that were handed to the socket. Whoever sees it empty sets this to 0. */
  sharedOut = 0;
  /** The socket has as much as it should hold: content waits, control frames do not. */
  backlogged = false;
  /** Content sent so far; it pays for the window updates that it causes. */
  sentBytes = 0;
  /** At least the largest credit of any stream. */
  #creditMax = 0;
  readonly #listener: SenderListener;
  readonly #streamQueuedBytes: number;
  /** Streams with something to send and a window to send it, in the order of their turns; made when there is one. */
  #waiting: Set<Stream> | undefined;
  /** The peer lowered the size of the table for our blocks: the next one has to confirm it. */
  #tableSizeDue = false;

  constructor(listener: SenderListener, streamQueuedBytes: number) {
    this.#listener = listener;
    this.#streamQueuedBytes = streamQueuedBytes;
  }

  /** SETTINGS_HEADER_TABLE_SIZE of the peer. We never use the table, but a lowered size must be confirmed. */
  tableSize(bytes: number): void {
    if (bytes < TABLE_BYTES_DEFAULT) this.#tableSizeDue = true;
  }

  /** A frame of up to four numbers. */
  control(type: number, flags: number, streamId: number, ...words: readonly number[]): void {
    const at = this.#frame(type, flags, streamId, words.length * 4, words.length * 4);
    for (const [index, word] of words.entries()) writeWord(this.output.memory, at + index * 4, word);
  }

  /** A frame with a small payload. */
  frame(type: number, flags: number, streamId: number, payload: Uint8Array): void {
    const at = this.#frame(type, flags, streamId, payload.length, payload.length);
    this.output.memory.set(payload, at);
  }

  /** Opens a stream or an answer. The block is not changed and may be shared. */
  headers(stream: Stream, block: Buffer, endStream: boolean): void {
    const whole = this.#tableSizeDue ? Buffer.concat([TABLE_SIZE_ZERO, block]) : block;
    this.#tableSizeDue = false;
    const end = endStream ? Flag.END_STREAM : 0;
    if (whole.length <= FRAME_BYTES_MAX) {
      this.frame(FrameType.HEADERS, Flag.END_HEADERS | end, stream.id, whole);
    } else {
      this.frame(FrameType.HEADERS, end, stream.id, whole.subarray(0, FRAME_BYTES_MAX));
      for (let at = FRAME_BYTES_MAX; at < whole.length; at += FRAME_BYTES_MAX) {
        const last = at + FRAME_BYTES_MAX >= whole.length;
        const part = whole.subarray(at, at + FRAME_BYTES_MAX);
        this.frame(FrameType.CONTINUATION, last ? Flag.END_HEADERS : 0, stream.id, part);
      }
    }
    if (endStream) this.#ended(stream);
  }

  /** Queues a message behind its prefix of five bytes, or bytes without one. */
  data(stream: Stream, bytes: Uint8Array, prefixed: boolean, compressed: boolean, now: number): void {
    const size = bytes.length + (prefixed ? PREFIX_BYTES : 0);
    if (bytes.length > COPY_BYTES_MAX && prefixed && !compressed && this.#sendFramed(stream, bytes, size)) return;
    if (stream.queue === undefined) stream.progressAt = now;
    stream.queuedBytes += size;
    this.queuedBytes += size;
    if (stream.queue === undefined && this.#mayGather() && this.windowOf(stream) > 0) {
      // Most messages leave at once and never see a queue.
      this.#part(stream, { bytes, prefixed, compressed, shared: false }, TURN_BYTES_MAX);
      if (stream.queuedBytes === 0) {
        stream.partSent = 0;
        return;
      }
    }
    const item = queued(bytes, prefixed, compressed);
    if (item.shared) this.#shares(stream, size - (stream.queue === undefined ? stream.partSent : 0));
    if (stream.queue === undefined) stream.queue = [item];
    else stream.queue.push(item);
    if (stream.queuedBytes > this.#streamQueuedBytes) stream.slow = true;
    if (this.windowOf(stream) > 0) this.#await(stream);
  }

  /** Ends a stream after what is queued: with trailers, or with an empty or the last frame of data. */
  finish(stream: Stream, trailers: Buffer | undefined): void {
    if (stream.ending) return;
    if (trailers === undefined) stream.endsWithData = true;
    else stream.trailers = trailers;
    if (stream.queue === undefined) this.#end(stream);
  }

  /** All that a unary call sends: when everything fits, in one run of memory. */
  request(stream: Stream, head: Buffer, message: Uint8Array, now: number): void {
    const size = message.length + PREFIX_BYTES;
    if (!this.#fitsRun(stream, head.length + size)) {
      this.headers(stream, head, false);
      this.data(stream, message, true, false, now);
      this.finish(stream, undefined);
      return;
    }
    let at = this.output.reserve(2 * FRAME_HEADER_BYTES + head.length + size);
    const { memory } = this.output;
    at = writeHeader(memory, at, FrameType.HEADERS, Flag.END_HEADERS, stream.id, head.length);
    at = copyShort(memory, at, head);
    at = writeHeader(memory, at, FrameType.DATA, Flag.END_STREAM, stream.id, size);
    writeMessage(memory, at, message);
    this.#spent(stream, size);
    this.#ended(stream);
  }

  /** The whole answer of a unary call: when everything fits, in one run of memory. */
  respond(stream: Stream, head: Buffer, message: Uint8Array, trailers: Buffer, now: number): void {
    const size = message.length + PREFIX_BYTES;
    if (!this.#fitsRun(stream, size) || stream.ending || stream.queue !== undefined) {
      this.headers(stream, head, false);
      this.data(stream, message, true, false, now);
      this.finish(stream, trailers);
      return;
    }
    const { output } = this;
    let at = output.reserve(3 * FRAME_HEADER_BYTES + head.length + size + trailers.length);
    const { memory } = output;
    at = writeHeader(memory, at, FrameType.HEADERS, Flag.END_HEADERS, stream.id, head.length);
    at = copyShort(memory, at, head);
    at = writeHeader(memory, at, FrameType.DATA, 0, stream.id, size);
    at = writeMessage(memory, at, message);
    at = writeHeader(memory, at, FrameType.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, stream.id, trailers.length);
    copyShort(memory, at, trailers);
    this.#spent(stream, size);
    this.#ended(stream);
  }

  /** Whether something may leave now. */
  get ready(): boolean {
    return this.output.bytes > 0 || ((this.#waiting?.size ?? 0) > 0 && this.#mayGather());
  }

  /** Sends what windows and the socket allow, one stream after the other. */
  pump(now: number): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    for (const stream of waiting) {
      if (!this.#mayGather()) return;
      waiting.delete(stream);
      // The peer may have lowered the initial window since.
      if (this.windowOf(stream) <= 0) continue;
      this.#turn(stream, now);
      // Behind the others; the walk meets it again.
      if (stream.queue !== undefined && this.windowOf(stream) > 0) waiting.add(stream);
    }
    if (waiting.size === 0) this.#waiting = undefined;
  }

  /** What we may send; below zero after the peer has lowered its initial window. */
  windowOf(stream: Stream): number {
    return this.initialWindow + stream.credit;
  }

  /** @returns false when a window would grow over 2^31 - 1. */
  grow(stream: Stream | undefined, bytes: number): boolean {
    if (stream === undefined) {
      this.window += bytes;
      return this.window <= MAX_31;
    }
    stream.credit += bytes;
    this.#creditMax = Math.max(this.#creditMax, stream.credit);
    return this.wake(stream);
  }

  /** Sets SETTINGS_INITIAL_WINDOW_SIZE. @returns whether streams may go on or overflow by it: `wake` tells of each. */
  changeWindows(initialWindow: number): boolean {
    const grows = initialWindow > this.initialWindow;
    this.initialWindow = initialWindow;
    return grows && (this.queuedBytes > 0 || initialWindow + this.#creditMax > MAX_31);
  }

  /** The window of a stream has grown. @returns false when it is over 2^31 - 1. */
  wake(stream: Stream): boolean {
    const window = this.windowOf(stream);
    if (stream.queue !== undefined && window > 0) this.#await(stream);
    return window <= MAX_31;
  }

  /** The stream was closed: nothing of it is sent any more. */
  discard(stream: Stream): void {
    this.queuedBytes -= stream.queuedBytes;
    this.sharedBytes -= stream.sharedBytes;
    stream.queuedBytes = 0;
    stream.sharedBytes = 0;
    stream.queue = undefined;
    stream.trailers = undefined;
    this.#waiting?.delete(stream);
  }

  #await(stream: Stream): void {
    this.#waiting ??= new Set();
    this.#waiting.add(stream);
  }

  /** Whether a message may leave now, copied beside the blocks around it. */
  #fitsRun(stream: Stream, size: number): boolean {
    if (size > COPY_BYTES_MAX || this.#tableSizeDue) return false;
    return size <= this.windowOf(stream) && size <= this.window && this.#mayGather();
  }

  /** One frame of content has left. */
  #spent(stream: Stream, size: number): void {
    stream.credit -= size;
    this.window -= size;
    this.sentBytes += size;
  }

  /** Whether content may be gathered now. */
  #mayGather(): boolean {
    return this.window > 0 && !this.backlogged && this.output.bytes < GATHERED_BYTES_MAX;
  }

  /** A large message that has been sent to others: whole, from the memory that they were sent from, or not at all. */
  #sendFramed(stream: Stream, bytes: Uint8Array, size: number): boolean {
    if (stream.queue !== undefined || !this.#mayGather() || size > this.windowOf(stream) || size > this.window)
      return false;
    const framed = framedFor(stream.id, bytes);
    if (framed === undefined) return false;
    this.output.refer(framed);
    this.sharedOut += size;
    this.#spent(stream, size);
    return true;
  }

  #turn(stream: Stream, now: number): void {
    const { queue } = stream;
    if (queue === undefined) return;
    stream.progressAt = now;
    let left = TURN_BYTES_MAX;
    let done = 0;
    for (const item of queue) {
      const sent = this.#part(stream, item, left);
      left -= sent;
      if (item.shared) {
        this.#shares(stream, -sent);
        this.sharedOut += sent;
      }
      if (stream.partSent < sizeOf(item)) break;
      stream.partSent = 0;
      done++;
      if (left <= 0 || this.window <= 0 || this.windowOf(stream) <= 0) break;
    }
    if (done === queue.length) {
      stream.queue = undefined;
      if (stream.trailers !== undefined || (stream.endsWithData && !stream.localEnded)) this.#end(stream);
    } else if (done > 0) queue.splice(0, done);
    if (stream.slow && !stream.closed && stream.queuedBytes < this.#streamQueuedBytes / 2) {
      stream.slow = false;
      this.#listener.drained(stream);
    }
  }

  /** Sends of one message what windows allow, at most `sizeMax` bytes. @returns how much. */
  #part(stream: Stream, item: Outgoing, sizeMax: number): number {
    const whole = sizeOf(item);
    let sent = 0;
    while (stream.partSent < whole && sent < sizeMax) {
      const size = Math.min(whole - stream.partSent, FRAME_BYTES_MAX, this.windowOf(stream), this.window);
      if (size <= 0) break;
      this.#dataFrame(stream, item, size);
      this.#spent(stream, size);
      sent += size;
    }
    stream.queuedBytes -= sent;
    this.queuedBytes -= sent;
    return sent;
  }

  /** So much more, or less, waits that lies in memory once. */
  #shares(stream: Stream, bytes: number): void {
    stream.sharedBytes += bytes;
    this.sharedBytes += bytes;
  }

  #dataFrame(stream: Stream, item: Outgoing, size: number): void {
    const { bytes } = item;
    const prefixLeft = Math.max(item.prefixed ? PREFIX_BYTES - stream.partSent : 0, 0);
    const prefix = Math.min(prefixLeft, size);
    const from = Math.max(stream.partSent - (item.prefixed ? PREFIX_BYTES : 0), 0);
    const content = size - prefix;
    // All frames of a large message are referenced, the last one too: sent to thousands, copies would add up.
    const copied = bytes.length <= COPY_BYTES_MAX;
    let at = this.#frame(FrameType.DATA, 0, stream.id, size, prefix + (copied ? content : 0));
    const { memory } = this.output;
    for (let index = 0; index < prefix; index++) memory[at++] = prefixByte(item, stream.partSent + index);
    if (copied) memory.set(content === bytes.length ? bytes : bytes.subarray(from, from + content), at);
    else this.output.refer(Buffer.from(bytes.buffer, bytes.byteOffset + from, content));
    stream.partSent += size;
  }

  #end(stream: Stream): void {
    const { trailers } = stream;
    stream.trailers = undefined;
    if (trailers !== undefined) this.headers(stream, trailers, true);
    else {
      this.#frame(FrameType.DATA, Flag.END_STREAM, stream.id, 0, 0);
      this.#ended(stream);
    }
  }

  #ended(stream: Stream): void {
    stream.localEnded = true;
    this.#listener.sentEnd(stream);
  }

  /** Writes a frame header and makes room for `room` bytes after it. @returns where they go. */
  #frame(type: number, flags: number, streamId: number, size: number, room: number): number {
    const at = this.output.reserve(FRAME_HEADER_BYTES + room);
    return writeHeader(this.output.memory, at, type, flags, streamId, size);
  }
}

/** Its place in a queue. What goes to many at once is found by its following itself, and is one for all of them. */
function queued(bytes: Uint8Array, prefixed: boolean, compressed: boolean): Outgoing {
  const before = latestQueued;
  const again = before?.bytes === bytes && before.prefixed === prefixed && before.compressed === compressed;
  const shared = again && bytes.length > COPY_BYTES_MAX;
  if (again && before.shared === shared) return before;
  latestQueued = { bytes, prefixed, compressed, shared };
  return latestQueued;
}

/** With its prefix. */
function sizeOf({ bytes, prefixed }: Outgoing): number {
  return bytes.length + (prefixed ? PREFIX_BYTES : 0);
}

function prefixByte({ bytes, compressed }: Outgoing, index: number): number {
  return index === 0 ? Number(compressed) : (bytes.length >>> (8 * (4 - index))) & 0xff;
}

function writeHeader(memory: Buffer, at: number, type: number, flags: number, streamId: number, size: number): number {
  memory[at] = size >>> 16;
  memory[at + 1] = size >>> 8;
  memory[at + 2] = size;
  memory[at + 3] = type;
  memory[at + 4] = flags;
  writeWord(memory, at + 5, streamId);
  return at + FRAME_HEADER_BYTES;
}

function writeWord(memory: Buffer, at: number, word: number): void {
  memory[at] = word >>> 24;
  memory[at + 1] = word >>> 16;
  memory[at + 2] = word >>> 8;
  memory[at + 3] = word;
}

function writeMessage(memory: Buffer, at: number, message: Uint8Array): number {
  memory[at] = 0;
  writeWord(memory, at + 1, message.length);
  memory.set(message, at + PREFIX_BYTES);
  return at + PREFIX_BYTES + message.length;
}

/** A loop is faster than a call into the engine for the few dozen bytes of a block. */
function copyShort(memory: Buffer, at: number, bytes: Buffer): number {
  for (let index = 0; index < bytes.length; index++) memory[at + index] = bytes[index] as number;
  return at + bytes.length;
}
