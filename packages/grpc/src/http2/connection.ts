import { HeaderBlocks } from "./blocks.ts";
import { checkParent, checkShape } from "./frame-rules.ts";
import { FrameReader, type FrameSink, readWord } from "./frames.ts";
import type { Head } from "./head.ts";
import type { Limits } from "./limits.ts";
import { Patience } from "./patience.ts";
import {
  ConnectionFailure,
  ErrorCode,
  Flag,
  FRAME_BYTES_MAX,
  FrameType,
  MAX_31,
  PREFACE,
  Setting,
  WINDOW_BYTES_DEFAULT,
} from "./protocol.ts";
import { Sender, type SenderListener } from "./sender.ts";
import { encodeSettings, readSettings } from "./settings.ts";
import type { Stream } from "./stream.ts";
import { Streams } from "./streams.ts";

/** What a connection tells the layer above, while `receive`, `tick` or an order runs. */
export interface ConnectionListener<Call> {
  /** A request came (server), or the head of an answer (client). */
  head(stream: Stream<Call>, head: Head): void;
  /** Content of a stream: `from` between `start` and `end`. Whoever has used it up says so by `taken`. */
  data(stream: Stream<Call>, from: Buffer, start: number, end: number): void;
  trailers(stream: Stream<Call>, head: Head): void;
  /** The peer has ended its side. */
  remoteEnded(stream: Stream<Call>): void;
  /** The queue of a stream that was slow is short again. */
  drained(stream: Stream<Call>): void;
  /** Once for each stream that `head` or `open` began. NO_ERROR when both sides came to their end. */
  closed(stream: Stream<Call>, code: ErrorCode, byPeer: boolean): void;
  /** The peer will not serve our streams above `lastId`. Those were closed with REFUSED_STREAM before this is told. */
  goaway(code: ErrorCode, text: string): void;
  /** The peer's settings have come, or others: `peerStreamsMax` may have changed. */
  settings?(): void;
  /** All that one `receive` brought has been told: whoever keeps a part of it may copy that now. */
  received?(): void;
}

export interface ConnectionOptions {
  readonly role: "server" | "client";
  readonly limits: Limits;
  /** Silence after which a ping is sent, and how long any byte may take to follow. Milliseconds. Default: no pings. */
  readonly keepAlive?: { readonly idleMs: number; readonly timeoutMs: number } | undefined;
}

const STALL_CHECK_MS = 1000;
/** How long the peer may take to answer the ping that goes with GOAWAY, before the last stream is named anyway. */
const DRAIN_ANSWER_MS = 1000;
const PING_KEEP_ALIVE = Buffer.from("nacrekal");
const PING_DRAIN = Buffer.from("nacrebye");
const GOAWAY_TEXT_BYTES_MAX = 256;
/** A client that sends a dozen new fields with a call is usual; each call earns three idle frames. */
const CHANGES_PER_IDLE_FRAME = 16;
/** What one head over the limit costs at the most. */
const OVERSIZE_FRAMES_MAX = 256;
/** A change of the initial window walks over all streams, and lets a frame out on each that waits. */
const STREAMS_PER_IDLE_FRAME = 100;

/**
 * One HTTP/2 connection (RFC 9113), either side, without I/O: bytes come in by `receive`, time with every call, and what
 * is to be written lies in `sender.output`. Nothing throws: a connection that has ended has `failure` set, and wants TCP
 * closed after its output. Its invariants are numbered in DESIGN.md.
 */
export class Connection<Call = unknown> implements SenderListener, FrameSink {
  readonly sender: Sender;
  /** Why it ended, by whoever's fault; nothing is read or sent any more. */
  failure: ConnectionFailure | undefined;
  /** Monotonic milliseconds at which `tick` wants to be called; infinity when there is nothing to wait for. */
  tickAt = Number.POSITIVE_INFINITY;
  /** GOAWAY was sent or received: no new streams. */
  goingAway = false;
  /** SETTINGS_MAX_CONCURRENT_STREAMS of the peer. */
  peerStreamsMax = MAX_31;
  /** Whether the peer's first SETTINGS have come. */
  ready = false;

  readonly #isServer: boolean;
  readonly #limits: Limits;
  readonly #keepAlive: ConnectionOptions["keepAlive"];
  readonly #listener: ConnectionListener<Call>;
  readonly #reader: FrameReader;
  readonly #blocks: HeaderBlocks;
  readonly #patience: Patience;
  readonly #streams: Streams<Call>;
  #now: number;
  #receivedAt: number;
  /** Whose DATA frame is arriving; undefined when it belongs to a stream that is gone. */
  #dataStream: Stream<Call> | undefined;
  /** That frame has no content. */
  #dataEmpty = false;
  #receiveWindow: number;
  #taken = 0;
  #pingedAt: number | undefined;
  #drainingAt: number | undefined;

  constructor(options: ConnectionOptions, listener: ConnectionListener<Call>, now: number) {
    this.#isServer = options.role === "server";
    this.#limits = options.limits;
    this.#keepAlive = options.keepAlive;
    this.#listener = listener;
    this.#reader = new FrameReader(this, this.#isServer);
    this.#blocks = new HeaderBlocks(options.limits);
    this.#patience = new Patience(options.limits, now);
    this.#streams = new Streams(this.#isServer, options.limits.streamWindowBytes);
    this.sender = new Sender(this, options.limits.streamQueuedBytes);
    this.#receiveWindow = Math.max(options.limits.connectionWindowBytes, WINDOW_BYTES_DEFAULT);
    this.#now = now;
    this.#receivedAt = now;
    if (!this.#isServer) this.sender.output.copy(PREFACE);
    this.sender.frame(FrameType.SETTINGS, 0, 0, encodeSettings(this.#isServer, options.limits));
    const more = this.#receiveWindow - WINDOW_BYTES_DEFAULT;
    if (more > 0) this.sender.control(FrameType.WINDOW_UPDATE, 0, 0, more);
    if (this.#keepAlive !== undefined) this.#tickBy(now + this.#keepAlive.idleMs);
  }

  /** Those that are open, by id. */
  get streams(): ReadonlyMap<number, Stream<Call>> {
    return this.#streams.open;
  }

  /** It is going away, and nothing runs any more. */
  get finished(): boolean {
    return this.goingAway && this.streams.size === 0 && this.#drainingAt === undefined;
  }

  /** Bytes that wait for the rest of their frame or header block. */
  get heldBytes(): number {
    return this.#reader.heldBytes + (this.#blocks.unfinished?.bytes ?? 0);
  }

  /** Content that has come and that the application has not taken; nothing once the connection has ended. */
  get untakenBytes(): number {
    if (this.failure !== undefined) return 0;
    return Math.max(this.#limits.connectionWindowBytes, WINDOW_BYTES_DEFAULT) - this.#receiveWindow - this.#taken;
  }

  /** Takes what the socket has read. The layer above may keep parts of it, so it must not change. */
  receive(chunk: Buffer, now: number): void {
    if (this.failure !== undefined) return;
    this.#now = now;
    this.#receivedAt = now;
    this.#pingedAt = undefined;
    try {
      this.#reader.read(chunk);
      this.#listener.received?.();
    } catch (error) {
      if (!(error instanceof ConnectionFailure)) throw error;
      this.fail(error);
    }
  }

  /** Does what is due. Call it when `tickAt` has come; earlier does no harm. */
  tick(now: number): void {
    if (this.failure !== undefined) return;
    this.#now = now;
    this.tickAt = Number.POSITIVE_INFINITY;
    this.#checkBlock(now);
    this.#dropStalled(now);
    if (this.failure !== undefined) return;
    if (this.#drainingAt !== undefined && now >= this.#drainingAt) this.#nameLast();
    if (this.#drainingAt !== undefined) this.#tickBy(this.#drainingAt);
    if (this.#keepAlive !== undefined) this.#keepAlivePing(this.#keepAlive, now);
  }

  /** Opens a stream (client). @returns undefined when the peer takes no more: try again when one has closed. */
  open(block: Buffer, call: Call, now: number): Stream<Call> | undefined {
    const stream = this.#own(call, now);
    if (stream !== undefined) this.sender.headers(stream, block, false);
    return stream;
  }

  /** Opens a stream with all that will be sent on it: head, one message and the end. @returns as `open` does. */
  request(block: Buffer, message: Uint8Array, call: Call, now: number): Stream<Call> | undefined {
    const stream = this.#own(call, now);
    if (stream === undefined) return undefined;
    this.#patience.message();
    this.sender.request(stream, block, message, now);
    this.#watchQueue(now);
    return stream;
  }

  /** Sends the head of an answer; with `endStream` it is all of it. */
  headers(stream: Stream<Call>, block: Buffer, endStream = false): void {
    if (!stream.closed && !stream.ending) this.sender.headers(stream, block, endStream);
  }

  /** Queues a message, or bare bytes. @returns false when the stream has become slow. */
  data(stream: Stream<Call>, bytes: Uint8Array, prefixed: boolean, compressed: boolean, now: number): boolean {
    if (stream.closed || stream.ending) return false;
    this.#patience.message();
    this.sender.data(stream, bytes, prefixed, compressed, now);
    this.#watchQueue(now);
    return !stream.slow;
  }

  /** Ends our side after what is queued. */
  finish(stream: Stream<Call>, trailers?: Buffer): void {
    if (!stream.closed) this.sender.finish(stream, trailers);
  }

  /** Head, one message and trailers at once. */
  respond(stream: Stream<Call>, head: Buffer, message: Uint8Array, trailers: Buffer, now: number): void {
    if (stream.closed || stream.ending) return;
    this.#patience.message();
    this.sender.respond(stream, head, message, trailers, now);
    this.#watchQueue(now);
  }

  /** Ends a stream at once. */
  reset(stream: Stream<Call>, code: ErrorCode): void {
    if (!stream.closed) this.#reset(stream, code);
  }

  /** The application has used up content: the peer may send as much more. */
  taken(stream: Stream<Call>, bytes: number): void {
    this.#connectionTaken(bytes);
    if (stream.closed || stream.remoteEnded) return;
    stream.taken += bytes;
    if (stream.taken < this.#limits.streamWindowBytes / 2) return;
    this.sender.control(FrameType.WINDOW_UPDATE, 0, stream.id, stream.taken);
    stream.receiveWindow += stream.taken;
    stream.taken = 0;
  }

  /**
   * Asks the peer to open no more streams. Those that cross this message are served: the last one is named when the peer
   * has answered a ping, or after a second (RFC 9113, section 6.8).
   */
  shutdown(now: number): void {
    if (this.#drainingAt !== undefined || this.#streams.acceptedId !== MAX_31 || this.failure !== undefined) return;
    this.goingAway = true;
    if (!this.#isServer) return;
    this.sender.control(FrameType.GOAWAY, 0, 0, MAX_31, ErrorCode.NO_ERROR);
    this.sender.frame(FrameType.PING, 0, 0, PING_DRAIN);
    this.#drainingAt = now + DRAIN_ANSWER_MS;
    this.#tickBy(this.#drainingAt);
  }

  /** Ends the connection: GOAWAY with the reason, every stream closed. */
  fail(failure: ConnectionFailure): void {
    if (this.failure !== undefined) return;
    const text = Buffer.from(failure.message).subarray(0, GOAWAY_TEXT_BYTES_MAX);
    const payload = Buffer.alloc(8 + text.length);
    payload.writeUInt32BE(this.#streams.lastPeerId, 0);
    payload.writeUInt32BE(failure.code, 4);
    payload.set(text, 8);
    this.sender.frame(FrameType.GOAWAY, 0, 0, payload);
    this.#die(failure, false);
  }

  /** TCP has ended. */
  lost(cause: string): void {
    if (this.failure === undefined) this.#die(new ConnectionFailure(ErrorCode.NO_ERROR, cause), true);
  }

  sentEnd(stream: Stream): void {
    const own = stream as Stream<Call>;
    if (own.remoteEnded) this.#close(own, ErrorCode.NO_ERROR, false);
    // The answer is complete without the rest of the request: RFC 9113, section 8.1.
    else if (this.#isServer) this.#reset(own, ErrorCode.NO_ERROR);
  }

  drained(stream: Stream): void {
    this.#listener.drained(stream as Stream<Call>);
  }

  /** What holds for every frame: RFC 9113, sections 3.4, 4.2 and 6.10. */
  frameBegins(type: number, streamId: number, size: number): void {
    if (!this.ready && type !== FrameType.SETTINGS) {
      throw new ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "the first frame is not SETTINGS");
    }
    if (size > FRAME_BYTES_MAX) {
      throw new ConnectionFailure(ErrorCode.FRAME_SIZE_ERROR, `a frame of more than ${FRAME_BYTES_MAX} bytes`);
    }
    const { unfinished } = this.#blocks;
    if (unfinished !== undefined && (type !== FrameType.CONTINUATION || streamId !== unfinished.streamId)) {
      throw new ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "another frame inside a header block");
    }
  }

  frame(type: number, flags: number, id: number, from: Buffer, start: number, end: number): void {
    checkShape(type, id, end - start);
    switch (type) {
      case FrameType.HEADERS:
        return this.#headersFrame(flags, id, from, start, end);
      case FrameType.CONTINUATION:
        return this.#continuation(flags, id, from.subarray(start, end));
      case FrameType.WINDOW_UPDATE:
        return this.#windowUpdate(id, readWord(from, start) & MAX_31);
      case FrameType.PING:
        return this.#ping(flags, from.subarray(start, end));
      case FrameType.RST_STREAM:
        return this.#rstStream(id, readWord(from, start) as ErrorCode);
      case FrameType.SETTINGS:
        return this.#settings(flags, from.subarray(start, end));
      case FrameType.GOAWAY:
        return this.#goaway(from.subarray(start, end));
      case FrameType.PRIORITY:
        // Read for its faults only: RFC 9113, section 5.3.2.
        checkParent(id, readWord(from, start));
        return this.#idleFrame("PRIORITY");
      case FrameType.PUSH_PROMISE:
        throw new ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE, which was never allowed");
      default:
        // Unknown types are ignored (RFC 9113, section 4.1), but not without end.
        return this.#idleFrame("unknown");
    }
  }

  /** RFC 9113, section 6.1. Flow control counts padding, and content of streams that are gone. */
  dataBegins(streamId: number, size: number, padding: number): void {
    const stream = this.#streams.of(streamId, "DATA");
    this.#receiveWindow -= size;
    if (this.#receiveWindow < 0) {
      throw new ConnectionFailure(ErrorCode.FLOW_CONTROL_ERROR, "more content than the window of the connection");
    }
    this.#dataStream = undefined;
    if (stream === undefined || stream.remoteEnded) {
      this.#connectionTaken(size);
      if (stream !== undefined) this.#refuse(stream, ErrorCode.STREAM_CLOSED);
      else this.#late(streamId, size);
      return;
    }
    stream.receiveWindow -= size;
    if (stream.receiveWindow < 0 || !(this.#isServer || stream.answered)) {
      this.#connectionTaken(size);
      this.#refuse(stream, stream.receiveWindow < 0 ? ErrorCode.FLOW_CONTROL_ERROR : ErrorCode.PROTOCOL_ERROR);
      return;
    }
    this.#dataStream = stream;
    this.#dataEmpty = size === padding;
    if (padding > 0) this.taken(stream, padding);
    if (stream.contentLeft !== -1) {
      stream.contentLeft -= size - padding;
      if (stream.contentLeft < 0) this.#refuse(stream, ErrorCode.PROTOCOL_ERROR);
    }
  }

  dataPart(from: Buffer, start: number, end: number): void {
    const stream = this.#dataStream;
    // A stream that was closed while its frame came in: its content is used up unseen.
    if (stream === undefined || stream.closed) {
      if (stream !== undefined) this.#connectionTaken(end - start);
    } else this.#listener.data(stream, from, start, end);
  }

  dataEnds(endStream: boolean): void {
    const stream = this.#dataStream;
    this.#dataStream = undefined;
    // An empty frame that ends its stream is how most libraries do that.
    if (!endStream && this.#dataEmpty && stream !== undefined) this.#idleFrame("empty DATA");
    if (endStream && stream !== undefined && !stream.closed) this.#endRemote(stream);
  }

  #headersFrame(flags: number, id: number, from: Buffer, start: number, end: number): void {
    let at = start;
    let to = end;
    if ((flags & Flag.PADDED) !== 0) {
      if (at === to) throw new ConnectionFailure(ErrorCode.FRAME_SIZE_ERROR, "a padded HEADERS frame without a length");
      to -= from[at++] as number;
    }
    if ((flags & Flag.PRIORITY) !== 0) {
      if (end - at < 5) throw new ConnectionFailure(ErrorCode.FRAME_SIZE_ERROR, "a HEADERS frame without its priority");
      if (to - at < 5) throw new ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "padding longer than its HEADERS frame");
      checkParent(id, readWord(from, at));
      at += 5;
    }
    if (to < at) throw new ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "padding longer than its HEADERS frame");
    const endStream = (flags & Flag.END_STREAM) !== 0;
    if ((flags & Flag.END_HEADERS) !== 0) this.#block(id, endStream, from, at, to);
    else {
      this.#blocks.begin(id, endStream, from.subarray(at, to), this.#now);
      this.#tickBy(this.#now + this.#limits.headerBlockMs);
    }
  }

  #continuation(flags: number, id: number, part: Buffer): void {
    const endStream = this.#blocks.unfinished?.endsStream === true;
    const block = this.#blocks.continue(part, (flags & Flag.END_HEADERS) !== 0);
    if (block !== undefined) this.#block(id, endStream, block, 0, block.length);
  }

  /** A whole header block: a new stream, the head of an answer, or trailers. */
  #block(id: number, endStream: boolean, from: Buffer, start: number, end: number): void {
    const stream = this.streams.get(id);
    if (stream !== undefined) {
      this.#laterBlock(stream, endStream, from, start, end);
      return;
    }
    if (!this.#isServer || id % 2 === 0) {
      if (this.#streams.wasOurs(id)) {
        this.#blocks.decode("trailers", from, start, end);
        return;
      }
      throw new ConnectionFailure(ErrorCode.PROTOCOL_ERROR, `HEADERS on stream ${id}, which is not the peer's to open`);
    }
    if (id <= this.#streams.lastPeerId) {
      this.#blocks.decode("trailers", from, start, end);
      if (this.#streams.wasResetByUs(id)) return this.#idleFrame("late HEADERS");
      throw new ConnectionFailure(ErrorCode.STREAM_CLOSED, `HEADERS on the closed stream ${id}`);
    }
    const head = this.#blocks.decode("request", from, start, end);
    this.#chargeHead(head);
    // After our GOAWAY the peer may not have known yet; it will repeat the call elsewhere.
    if (id > this.#streams.acceptedId) return this.#idleFrame("late HEADERS");
    this.#streams.lastPeerId = id;
    const opened = this.#streams.begin(id, this.sender.initialWindow);
    opened.contentLeft = head.contentLength;
    if (this.streams.size > this.#limits.streamsMax) {
      this.#reset(opened, ErrorCode.REFUSED_STREAM);
      // Some cross our settings. Whoever goes on has read the limit, and has us write for nothing.
      this.#idleFrame("refused HEADERS");
    } else if (head.malformed !== undefined) this.#refuse(opened, ErrorCode.PROTOCOL_ERROR);
    else {
      opened.announced = true;
      this.#patience.message();
      this.#listener.head(opened, head);
      if (endStream && !opened.closed) this.#endRemote(opened);
    }
  }

  /**
   * A head costs patience by what it makes us do beyond the usual: fields over the limit are read all the same, because
   * later blocks depend on them, and a few octets may refer to large ones; so do changes of the table.
   */
  #chargeHead({ listBytes, tooLarge }: Head): void {
    const over = tooLarge ? Math.min(listBytes / this.#limits.headerListBytesMax, OVERSIZE_FRAMES_MAX) : 0;
    const frames = Math.floor(over + this.#blocks.changes / CHANGES_PER_IDLE_FRAME);
    for (let frame = 0; frame < frames; frame++) this.#idleFrame("costly HEADERS");
  }

  /** RFC 9113, section 8.1: after the first block of a stream only trailers may follow, or the head of an answer. */
  #laterBlock(stream: Stream<Call>, endStream: boolean, from: Buffer, start: number, end: number): void {
    const awaitsHead = !this.#isServer && !stream.answered;
    const head = this.#blocks.decode(awaitsHead ? "response" : "trailers", from, start, end);
    if (stream.remoteEnded) this.#refuse(stream, ErrorCode.STREAM_CLOSED);
    else if (head.malformed !== undefined) this.#refuse(stream, ErrorCode.PROTOCOL_ERROR);
    else if (awaitsHead) {
      // Informational answers (1xx) come before the one that counts.
      if (head.status < 200 && !head.tooLarge) {
        this.#idleFrame("informational HEADERS");
        return endStream ? this.#refuse(stream, ErrorCode.PROTOCOL_ERROR) : undefined;
      }
      stream.answered = true;
      stream.contentLeft = endStream ? -1 : head.contentLength;
      this.#listener.head(stream, head);
      if (endStream && !stream.closed) this.#endRemote(stream);
    } else if (endStream) {
      this.#listener.trailers(stream, head);
      if (!stream.closed) this.#endRemote(stream);
    } else this.#refuse(stream, ErrorCode.PROTOCOL_ERROR);
    return undefined;
  }

  #endRemote(stream: Stream<Call>): void {
    if (stream.contentLeft > 0) {
      this.#refuse(stream, ErrorCode.PROTOCOL_ERROR);
      return;
    }
    stream.remoteEnded = true;
    this.#listener.remoteEnded(stream);
    if (stream.localEnded && !stream.closed) this.#close(stream, ErrorCode.NO_ERROR, true);
  }

  #rstStream(id: number, code: ErrorCode): void {
    const stream = this.#streams.of(id, "RST_STREAM");
    if (stream === undefined) {
      this.#idleFrame("RST_STREAM");
      return;
    }
    // A server ends streams that we have opened: it cannot reset more of them than that.
    if (this.#isServer) this.#patience.reset(this.#now);
    this.#close(stream, code, true);
  }

  #windowUpdate(id: number, bytes: number): void {
    this.#idleFrame("WINDOW_UPDATE");
    const stream = id === 0 ? undefined : this.#streams.of(id, "WINDOW_UPDATE");
    if (id !== 0 && stream === undefined) return;
    const code = bytes === 0 ? ErrorCode.PROTOCOL_ERROR : ErrorCode.FLOW_CONTROL_ERROR;
    if (bytes === 0 || !this.sender.grow(stream, bytes)) {
      if (stream !== undefined) this.#refuse(stream, code);
      else throw new ConnectionFailure(code, `a WINDOW_UPDATE of ${bytes} bytes for the connection`);
    }
    this.sender.pump(this.#now);
  }

  #settings(flags: number, payload: Buffer): void {
    if ((flags & Flag.ACK) !== 0) {
      if (!this.ready) throw new ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "the first frame is not SETTINGS");
      if (payload.length > 0) throw new ConnectionFailure(ErrorCode.FRAME_SIZE_ERROR, "a SETTINGS answer with content");
      this.#idleFrame("SETTINGS");
      return;
    }
    if (this.ready) this.#idleFrame("SETTINGS");
    this.ready = true;
    // A frame has room for thousands of values, and each change of the window walks over all streams.
    let initialWindow = this.sender.initialWindow;
    readSettings(payload, !this.#isServer, (setting, value) => {
      if (setting === Setting.HEADER_TABLE_SIZE) this.sender.tableSize(value);
      else if (setting === Setting.MAX_CONCURRENT_STREAMS) this.peerStreamsMax = value;
      else if (setting === Setting.INITIAL_WINDOW_SIZE) initialWindow = value;
    });
    this.#changeWindows(initialWindow);
    this.sender.control(FrameType.SETTINGS, Flag.ACK, 0);
    this.sender.pump(this.#now);
    this.#listener.settings?.();
  }

  #changeWindows(initialWindow: number): void {
    const change = initialWindow - this.sender.initialWindow;
    if (change === 0) return;
    this.sender.initialWindow = initialWindow;
    const { size } = this.streams;
    for (let paid = STREAMS_PER_IDLE_FRAME; paid <= size; paid += STREAMS_PER_IDLE_FRAME) this.#idleFrame("SETTINGS");
    for (const stream of this.streams.values()) {
      if (this.sender.grow(stream, change)) continue;
      throw new ConnectionFailure(ErrorCode.FLOW_CONTROL_ERROR, "SETTINGS_INITIAL_WINDOW_SIZE overflows a window");
    }
  }

  #ping(flags: number, payload: Buffer): void {
    this.#idleFrame("PING");
    if ((flags & Flag.ACK) === 0) this.sender.frame(FrameType.PING, Flag.ACK, 0, payload);
    else if (this.#drainingAt !== undefined && payload.equals(PING_DRAIN)) this.#nameLast();
  }

  #goaway(payload: Buffer): void {
    this.#idleFrame("GOAWAY");
    this.goingAway = true;
    const lastId = readWord(payload, 0) & MAX_31;
    if (!this.#isServer) {
      for (const stream of this.streams.values()) {
        if (stream.id > lastId) this.#close(stream, ErrorCode.REFUSED_STREAM, true);
      }
    }
    const text = payload.toString("utf8", 8, 8 + GOAWAY_TEXT_BYTES_MAX);
    this.#listener.goaway(readWord(payload, 4) as ErrorCode, text);
  }

  /** Content for a stream that is closed: no fault when we closed it and the peer could not know. */
  #late(id: number, size: number): void {
    if (this.#streams.allowsLate(id, size)) return;
    this.#idleFrame("late DATA");
    if (id > this.#streams.acceptedId || this.#streams.wasResetByUs(id)) return;
    this.sender.control(FrameType.RST_STREAM, 0, id, ErrorCode.STREAM_CLOSED);
  }

  /** A stream error: RFC 9113, section 5.4.2. It counts as a reset, or a peer could have us do its resets. */
  #refuse(stream: Stream<Call>, code: ErrorCode): void {
    this.#reset(stream, code);
    this.#patience.reset(this.#now);
  }

  #reset(stream: Stream<Call>, code: ErrorCode): void {
    this.sender.control(FrameType.RST_STREAM, 0, stream.id, code);
    this.#streams.rememberReset(stream);
    this.#close(stream, code, false);
  }

  /** A stream of ours, when the peer takes one more. */
  #own(call: Call, now: number): Stream<Call> | undefined {
    if (!this.#streams.idsLeft) this.goingAway = true;
    if (this.goingAway || this.streams.size >= this.peerStreamsMax) return undefined;
    this.#now = now;
    const stream = this.#streams.own(this.sender.initialWindow);
    stream.call = call;
    return stream;
  }

  #close(stream: Stream<Call>, code: ErrorCode, byPeer: boolean): void {
    if (stream.closed) return;
    this.#remove(stream);
    this.#tellClosed(stream, code, byPeer);
  }

  #remove(stream: Stream<Call>): void {
    stream.closed = true;
    this.#streams.open.delete(stream.id);
    this.sender.discard(stream);
  }

  #tellClosed(stream: Stream<Call>, code: ErrorCode, byPeer: boolean): void {
    if (stream.announced || !this.#isServer) this.#listener.closed(stream, code, byPeer);
  }

  #die(failure: ConnectionFailure, byPeer: boolean): void {
    this.failure = failure;
    this.goingAway = true;
    this.tickAt = Number.POSITIVE_INFINITY;
    this.#reader.stop();
    this.#blocks.unfinished = undefined;
    const code = failure.code === ErrorCode.NO_ERROR ? ErrorCode.CANCEL : failure.code;
    const ended = [...this.streams.values()];
    // All at once, before any is told: what the application does then must not write behind the GOAWAY.
    for (const stream of ended) this.#remove(stream);
    for (const stream of ended) this.#tellClosed(stream, code, byPeer);
  }

  #connectionTaken(bytes: number): void {
    if (this.failure !== undefined) return;
    this.#taken += bytes;
    if (this.#taken < this.#limits.connectionWindowBytes / 2) return;
    this.sender.control(FrameType.WINDOW_UPDATE, 0, 0, this.#taken);
    this.#receiveWindow += this.#taken;
    this.#taken = 0;
  }

  #idleFrame(what: string): void {
    this.#patience.idleFrame(what, this.sender.sentBytes, this.#now);
  }

  #nameLast(): void {
    this.#drainingAt = undefined;
    this.#streams.acceptedId = this.#streams.lastPeerId;
    this.sender.control(FrameType.GOAWAY, 0, 0, this.#streams.lastPeerId, ErrorCode.NO_ERROR);
  }

  #checkBlock(now: number): void {
    const { unfinished } = this.#blocks;
    if (unfinished === undefined) return;
    const dueAt = unfinished.startedAt + this.#limits.headerBlockMs;
    if (now < dueAt) this.#tickBy(dueAt);
    else this.fail(new ConnectionFailure(ErrorCode.ENHANCE_YOUR_CALM, "a header block that is never finished"));
  }

  /** Ends what the peer never makes room for. A stream that goes on is its application's matter. */
  #dropStalled(now: number): void {
    if (this.sender.queuedBytes === 0) return;
    for (const stream of this.streams.values()) {
      if (stream.queue === undefined || !stream.ending || now - stream.progressAt < this.#limits.stalledMs) continue;
      this.#reset(stream, ErrorCode.CANCEL);
    }
    this.#tickBy(now + STALL_CHECK_MS);
  }

  #watchQueue(now: number): void {
    if (this.sender.queuedBytes === 0) return;
    if (this.sender.queuedBytes > this.#limits.queuedBytesMax) {
      const text = `more than ${this.#limits.queuedBytesMax} bytes wait because the peer does not read`;
      this.fail(new ConnectionFailure(ErrorCode.ENHANCE_YOUR_CALM, text));
    } else this.#tickBy(now + STALL_CHECK_MS);
  }

  /** Any byte from the peer since the ping is a sign of life. */
  #keepAlivePing(keepAlive: NonNullable<ConnectionOptions["keepAlive"]>, now: number): void {
    if (this.#pingedAt !== undefined && now - this.#pingedAt >= keepAlive.timeoutMs) {
      this.fail(new ConnectionFailure(ErrorCode.NO_ERROR, "the peer does not answer keepalive pings"));
    } else if (this.#pingedAt !== undefined) this.#tickBy(this.#pingedAt + keepAlive.timeoutMs);
    else if (now - this.#receivedAt >= keepAlive.idleMs) {
      this.sender.frame(FrameType.PING, 0, 0, PING_KEEP_ALIVE);
      this.#pingedAt = now;
      this.#tickBy(now + keepAlive.timeoutMs);
    } else this.#tickBy(this.#receivedAt + keepAlive.idleMs);
  }

  #tickBy(at: number): void {
    if (at < this.tickAt && this.failure === undefined) this.tickAt = at;
  }
}
