import { HpackDecoder } from "../../../packages/grpc/src/hpack/decoder.ts";
import { FieldList } from "../../../packages/grpc/src/hpack/encoding.fixture.ts";
import { Flag, FrameType, MAX_31 } from "../../../packages/grpc/src/http2/protocol.ts";

/** What a client knows of one of its streams. */
interface PeerStream {
  /** Content that was sent to the server, padding included, and what the server gave back for it. */
  received: number;
  credited: number;
  /** What the server may send beyond SETTINGS_INITIAL_WINDOW_SIZE, and has sent. */
  updates: number;
  sent: number;
  /** 0: no block yet; 1: the head has come; 2: END_STREAM. */
  phase: number;
  reset: boolean;
  grpc: boolean;
  /** The message that is arriving: its prefix, or the rest of its bytes. */
  prefix: number;
  prefixBytes: number;
  message: Buffer | undefined;
  at: number;
  skip: number;
}

interface Block {
  readonly status: string | undefined;
  readonly grpcStatus: string | undefined;
  readonly grpc: boolean;
}

const FRAME_BYTES_MAX = 16_384;
const PREFACE_BYTES = 24;
const STREAM_CLOSED = 5;
const INPUT_BYTES = 1 << 20;
/** Blocks mean the same at all times, since the server's encoder has no table: each has to be read once. */
const BLOCKS_MAX = 5000;
const blocks = new Map<string, Block>();

/** What the server has to confirm, in the order in which it came. */
type Due = { readonly ping: bigint } | { readonly initialWindow: number; readonly lowersTable: boolean };

/**
 * The other end of a connection, written from RFC 9113 and not from the machine: reads what is handed to the server and
 * what the server writes, and throws where the second does not follow from the first.
 */
export class Peer {
  readonly streams = new Map<number, PeerStream>();
  /** Content of all streams that the server was sent, and what it gave back; what it may send, and has sent. */
  received = 0;
  credited = 0;
  /** Of the headers of all frames that were read. */
  checksum = 0;
  readonly #connectionWindow: number;
  readonly #messages: ReadonlyMap<number, Buffer>;
  #updates = 65_535;
  #sent = 0;
  #initialWindow = 65_535;
  #tableDue = false;
  #due: Due[] = [];
  #in: Buffer = INPUT;
  #inEnd = 0;
  #skip = PREFACE_BYTES;
  #begun = false;
  #first = true;
  #highestId = 0;
  #lastId = MAX_31;
  #goneAway = false;
  #unfinished: { readonly id: number; readonly flags: number; readonly parts: Buffer[] } | undefined;

  /** @param messages what the application may send, by length. */
  constructor(connectionWindow: number, messages: ReadonlyMap<number, Buffer>) {
    this.#connectionWindow = Math.max(connectionWindow, 65_535);
    this.#messages = messages;
  }

  /** Bytes that are handed to the server next. */
  sends(chunk: Buffer): void {
    const skipped = Math.min(this.#skip, chunk.length);
    this.#skip -= skipped;
    chunk.copy(this.#in, this.#inEnd, skipped);
    this.#inEnd += chunk.length - skipped;
    let at = 0;
    while (this.#inEnd - at >= 9) {
      const size = this.#in.readUIntBE(at, 3);
      const type = this.#in[at + 3] as number;
      const flags = this.#in[at + 4] as number;
      const id = this.#in.readUInt32BE(at + 5) & MAX_31;
      if (!this.#begun) this.#frameBegins(type, id, size);
      this.#begun = this.#inEnd - at < 9 + size;
      if (this.#begun) break;
      at += 9;
      this.#frame(type, flags, id, at, size);
      at += size;
    }
    if (at === 0) return;
    this.#in.copyWithin(0, at, this.#inEnd);
    this.#inEnd -= at;
  }

  /** What the server has written. */
  reads(parts: readonly Buffer[]): void {
    const bytes = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    for (let at = 0; at < bytes.length; ) {
      ensure(bytes.length - at >= 9, "the output ends inside a frame header");
      const size = bytes.readUIntBE(at, 3);
      ensure(size <= FRAME_BYTES_MAX, "a frame above 16 KiB");
      const payload = at + 9;
      ensure(bytes.length - payload >= size, "the output ends inside a frame");
      const id = bytes.readUInt32BE(at + 5);
      this.checksum = (Math.imul(this.checksum, 31) + bytes.readUInt32BE(at) + id * 257) | 0;
      ensure(!this.#goneAway, "a frame behind the last GOAWAY");
      this.#answer(bytes[at + 3] as number, bytes[at + 4] as number, id, bytes, payload, size);
      at = payload + size;
    }
  }

  /** All that was handed over has been read by the server, which goes on. */
  settled(): void {
    ensure(this.#due.length === 0, "a PING or SETTINGS was not confirmed");
    ensure(this.#unfinished === undefined, "a header block was not finished");
  }

  /** GOAWAY was the last frame. */
  failed(): void {
    ensure(this.#goneAway, "the connection failed and did not say why");
  }

  /** What a well-behaved client may still send on a stream, when so much is on its way there and altogether. */
  room(id: number, streamWindow: number, promised: number, promisedOfAll: number): number {
    const stream = this.streams.get(id);
    const ofStream = streamWindow - promised + (stream === undefined ? 0 : stream.credited - stream.received);
    return Math.min(ofStream, 65_535 + this.credited - this.received - promisedOfAll);
  }

  #frameBegins(type: number, id: number, size: number): void {
    if (type === FrameType.HEADERS && !this.streams.has(id)) {
      this.streams.set(id, newStream());
      this.#highestId = Math.max(this.#highestId, id);
    }
    if (type !== FrameType.DATA) return;
    this.received += size;
    const stream = this.streams.get(id);
    if (stream !== undefined) stream.received += size;
  }

  #frame(type: number, flags: number, id: number, at: number, size: number): void {
    const from = this.#in;
    if (type === FrameType.WINDOW_UPDATE && size === 4) {
      const bytes = from.readUInt32BE(at) & MAX_31;
      if (id === 0) this.#updates += bytes;
      else {
        const stream = this.streams.get(id);
        if (stream !== undefined) stream.updates += bytes;
      }
    } else if (type === FrameType.PING && size === 8 && (flags & Flag.ACK) === 0) {
      this.#due.push({ ping: from.readBigUInt64BE(at) });
    } else if (type === FrameType.SETTINGS && (flags & Flag.ACK) === 0) {
      let initialWindow = -1;
      let lowersTable = false;
      for (let entry = at; entry + 6 <= at + size; entry += 6) {
        const value = from.readUInt32BE(entry + 2);
        const setting = from.readUInt16BE(entry);
        if (setting === 4) initialWindow = value;
        else if (setting === 1 && value < 4096) lowersTable = true;
      }
      this.#due.push({ initialWindow, lowersTable });
    }
  }

  #answer(type: number, flags: number, id: number, from: Buffer, at: number, size: number): void {
    if (this.#first) ensure(type === FrameType.SETTINGS && flags === 0, "the first frame is not SETTINGS");
    this.#first = false;
    if (this.#unfinished !== undefined) {
      ensure(type === FrameType.CONTINUATION && id === this.#unfinished.id, "a frame inside a header block");
    }
    switch (type) {
      case FrameType.DATA:
        return this.#data(flags, id, from, at, size);
      case FrameType.HEADERS:
      case FrameType.CONTINUATION:
        return this.#headers(type, flags, id, from.subarray(at, at + size));
      case FrameType.RST_STREAM: {
        ensure(size === 4, "RST_STREAM of a wrong length");
        // Ids that were left out are closed by those above them (RFC 9113, section 5.1.1).
        if (id % 2 === 1 && id < this.#highestId && from.readUInt32BE(at) === STREAM_CLOSED) return;
        const stream = this.#stream(id);
        ensure(
          !stream.reset || from.readUInt32BE(at) === STREAM_CLOSED,
          "a second RST_STREAM that is not STREAM_CLOSED",
        );
        stream.reset = true;
        return;
      }
      case FrameType.SETTINGS:
        ensure(id === 0 && (flags === 0 || size === 0), "SETTINGS that are wrong");
        return flags === 0 ? undefined : this.#confirmed(this.#due.shift());
      case FrameType.PING:
        return this.#ping(flags, id, from, at, size);
      case FrameType.GOAWAY:
        return this.#goaway(id, from, at, size);
      case FrameType.WINDOW_UPDATE:
        return this.#windowUpdate(id, from, at, size);
      default:
        throw new Error(`a frame of type ${type}`);
    }
  }

  #confirmed(due: Due | undefined): void {
    ensure(due !== undefined && "initialWindow" in due, "SETTINGS confirmed out of turn");
    if (due.initialWindow >= 0) this.#initialWindow = due.initialWindow;
    if (due.lowersTable) this.#tableDue = true;
  }

  #ping(flags: number, id: number, from: Buffer, at: number, size: number): void {
    ensure(id === 0 && size === 8, "a PING that is wrong");
    if ((flags & Flag.ACK) === 0) return;
    const due = this.#due.shift();
    ensure(due !== undefined && "ping" in due && due.ping === from.readBigUInt64BE(at), "a PING answered out of turn");
  }

  #goaway(id: number, from: Buffer, at: number, size: number): void {
    ensure(id === 0 && size >= 8 && size <= 8 + 256, "a GOAWAY that is wrong");
    const lastId = from.readUInt32BE(at);
    ensure(lastId <= this.#lastId, "GOAWAY that takes more streams than the one before");
    this.#lastId = lastId;
    // Those that drain have no text.
    this.#goneAway = size > 8;
  }

  #windowUpdate(id: number, from: Buffer, at: number, size: number): void {
    ensure(size === 4, "WINDOW_UPDATE of a wrong length");
    const bytes = from.readUInt32BE(at);
    ensure(bytes > 0 && bytes <= MAX_31, "a WINDOW_UPDATE of nothing, or of too much");
    if (id === 0) {
      this.credited += bytes;
      const granted = 65_535 + this.credited - this.received;
      ensure(granted <= this.#connectionWindow, "more window for the connection than it has");
      return;
    }
    const stream = this.#stream(id);
    stream.credited += bytes;
    ensure(stream.credited <= stream.received, "more window for a stream than it has used");
  }

  #headers(type: number, flags: number, id: number, part: Buffer): void {
    if (type === FrameType.HEADERS) this.#unfinished = { id, flags, parts: [part] };
    else {
      ensure(this.#unfinished !== undefined, "CONTINUATION without HEADERS");
      this.#unfinished.parts.push(part);
    }
    if ((flags & Flag.END_HEADERS) === 0) return;
    const { parts, flags: first } = this.#unfinished;
    this.#unfinished = undefined;
    let block = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    const confirms = (block[0] as number) >= 0x20 && (block[0] as number) < 0x40;
    ensure(confirms === this.#tableDue, "a size update that is missing, or that nobody waits for");
    this.#tableDue = false;
    if (confirms) block = block.subarray(1);
    this.#block(this.#stream(id), (first & Flag.END_STREAM) !== 0, blockOf(block));
  }

  #block(stream: PeerStream, ends: boolean, { status, grpcStatus, grpc }: Block): void {
    ensure(stream.phase < 2 && !stream.reset, "HEADERS behind the end of a stream");
    if (stream.phase === 0) {
      ensure(status !== undefined, "a head without :status");
      ensure(!ends || !grpc || grpcStatus !== undefined, "an answer in one block without grpc-status");
      stream.grpc = grpc;
    } else {
      ensure(status === undefined && grpcStatus !== undefined && ends, "trailers that are wrong");
      ensure(stream.prefix === 0 && stream.message === undefined && stream.skip === 0, "trailers inside a message");
    }
    stream.phase = ends ? 2 : 1;
  }

  #data(flags: number, id: number, from: Buffer, at: number, size: number): void {
    const stream = this.#stream(id);
    ensure(stream.phase === 1 && !stream.reset, "DATA before the head or behind the end");
    ensure((flags & ~Flag.END_STREAM) === 0, "flags of DATA that are never used");
    stream.sent += size;
    this.#sent += size;
    if (size > 0) {
      ensure(this.#sent <= this.#updates, "more content than the window of the connection");
      ensure(stream.sent <= this.#initialWindow + stream.updates, "more content than the window of its stream");
    }
    if (stream.grpc) this.#content(stream, from, at, at + size);
    if ((flags & Flag.END_STREAM) !== 0) stream.phase = 2;
  }

  /** Messages are those that the application sent: their length says which. */
  #content(stream: PeerStream, from: Buffer, start: number, end: number): void {
    for (let at = start; at < end; ) {
      if (stream.skip > 0) {
        const size = Math.min(stream.skip, end - at);
        stream.skip -= size;
        at += size;
      } else if (stream.message !== undefined) {
        const { message } = stream;
        const size = Math.min(message.length - stream.at, end - at);
        const same = message.compare(from, at, at + size, stream.at, stream.at + size) === 0;
        ensure(same, "content that was never sent");
        stream.at += size;
        at += size;
        if (stream.at === message.length) stream.message = undefined;
      } else {
        const byte = from[at++] as number;
        stream.prefixBytes = stream.prefix === 0 ? byte : stream.prefixBytes * 256 + byte;
        if (++stream.prefix < 5) continue;
        stream.prefix = 0;
        const compressed = stream.prefixBytes >= 2 ** 32;
        const length = stream.prefixBytes % 2 ** 32;
        if (compressed) stream.skip = length;
        else {
          const message = this.#messages.get(length);
          ensure(message !== undefined, "a message that was never sent");
          stream.message = length === 0 ? undefined : message;
          stream.at = 0;
        }
      }
    }
  }

  #stream(id: number): PeerStream {
    const stream = this.streams.get(id);
    ensure(stream !== undefined && id % 2 === 1, "a frame on a stream that was never opened");
    return stream;
  }
}

/** Shared by all peers, which live one after the other. */
const INPUT = Buffer.alloc(INPUT_BYTES);

function newStream(): PeerStream {
  return {
    received: 0,
    credited: 0,
    updates: 0,
    sent: 0,
    phase: 0,
    reset: false,
    grpc: false,
    prefix: 0,
    prefixBytes: 0,
    message: undefined,
    at: 0,
    skip: 0,
  };
}

function blockOf(bytes: Buffer): Block {
  const key = bytes.toString("latin1");
  const known = blocks.get(key);
  if (known !== undefined) return known;
  const list = new FieldList();
  new HpackDecoder(0).decode(bytes, 0, bytes.length, list);
  const fields = new Map(list.fields);
  const grpc = fields.get("content-type") === "application/grpc";
  const block = { status: fields.get(":status"), grpcStatus: fields.get("grpc-status"), grpc };
  if (blocks.size === BLOCKS_MAX) blocks.clear();
  blocks.set(key, block);
  return block;
}

export function ensure(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}
