import { HeaderBlocks } from "./blocks.ts";
import { checkParent, checkShape } from "./frame-rules.ts";
import { type FrameSink, readWord } from "./frames.ts";
import type { Head, HeadKind } from "./head.ts";
import type { Limits } from "./limits.ts";
import type { ConnectionListener } from "./listener.ts";
import { FRAME_COST_BYTES, type Patience } from "./patience.ts";
import { ConnectionFailure, ErrorCode, Flag, FRAME_BYTES_MAX, FrameType, MAX_31, Setting } from "./protocol.ts";
import type { ReceiveWindow } from "./receive-window.ts";
import { readSettings, SETTING_BYTES } from "./settings.ts";
import type { SharedHeads } from "./shared-heads.ts";
import type { Stream } from "./stream.ts";
import type { Streams } from "./streams.ts";

/** What frames say about the life of the connection rather than about a stream. */
export interface Life {
  /** GOAWAY came. */
  peerLeaves(): void;
  /** A ping of ours was answered. */
  ponged(payload: Buffer): void;
  /** Something has to be looked at then. Monotonic milliseconds. */
  wakeBy(at: number): void;
}

/** What incoming frames share with the orders of the application. */
export interface Shared<Call> {
  readonly isServer: boolean;
  readonly limits: Limits;
  readonly listener: ConnectionListener<Call>;
  readonly streams: Streams<Call>;
  readonly window: ReceiveWindow;
  readonly patience: Patience;
  readonly life: Life;
  readonly heads: SharedHeads | undefined;
}

export const GOAWAY_TEXT_BYTES_MAX = 256;
/** A client that sends a dozen new fields with a call is usual; each call earns three idle frames. */
const CHANGES_PER_IDLE_FRAME = 16;
/** What a head has that does not cost. */
const HEAD_BYTES_USUAL = 2048;
/** What one head over the limit costs at the most. */
const OVERSIZE_FRAMES_MAX = 256;
/** A larger initial window may walk over all streams, and lets a frame out on each that waits. */
const STREAMS_PER_IDLE_FRAME = 100;
/** Clients send half a dozen; one frame has room for 2730. */
const SETTINGS_PER_IDLE_FRAME = 16;

/** The frames that come in, and what they mean to streams (RFC 9113, sections 5 and 6). */
export class Incoming<Call> implements FrameSink {
  /** SETTINGS_MAX_CONCURRENT_STREAMS of the peer. */
  peerStreamsMax = MAX_31;
  /** Whether the peer's first SETTINGS have come. */
  ready = false;
  readonly blocks: HeaderBlocks;
  readonly #isServer: boolean;
  readonly #limits: Limits;
  readonly #listener: ConnectionListener<Call>;
  readonly #streams: Streams<Call>;
  readonly #window: ReceiveWindow;
  readonly #patience: Patience;
  readonly #life: Life;
  #now = 0;
  /** Whose DATA frame is arriving; undefined when it belongs to a stream that is gone. */
  #dataStream: Stream<Call> | undefined;
  /** What that frame has of it, padding left out. */
  #dataBytes = 0;

  constructor({ isServer, limits, listener, streams, window, patience, life, heads }: Shared<Call>) {
    this.blocks = new HeaderBlocks(limits, heads);
    this.#isServer = isServer;
    this.#limits = limits;
    this.#listener = listener;
    this.#streams = streams;
    this.#window = window;
    this.#patience = patience;
    this.#life = life;
  }

  /** What comes from here on comes at this time. Monotonic milliseconds. */
  at(now: number): void {
    this.#now = now;
  }

  /** What holds for every frame: RFC 9113, sections 3.4, 4.2 and 6.10. */
  frameBegins(type: number, streamId: number, size: number): void {
    if (!this.ready && type !== FrameType.SETTINGS) {
      throw new ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "the first frame is not SETTINGS");
    }
    if (size > FRAME_BYTES_MAX) {
      throw new ConnectionFailure(ErrorCode.FRAME_SIZE_ERROR, `a frame of more than ${FRAME_BYTES_MAX} bytes`);
    }
    const { unfinished } = this.blocks;
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
    if (!this.#window.receive(size)) {
      throw new ConnectionFailure(ErrorCode.FLOW_CONTROL_ERROR, "more content than the window of the connection");
    }
    this.#dataStream = undefined;
    if (stream === undefined || stream.remoteEnded) {
      this.#window.takenUnseen(size);
      if (stream !== undefined) this.#refuse(stream, ErrorCode.STREAM_CLOSED);
      else this.#late(streamId, size);
      return;
    }
    stream.receiveWindow -= size;
    if (stream.receiveWindow < 0 || !(this.#isServer || stream.answered)) {
      this.#window.takenUnseen(size);
      this.#refuse(stream, stream.receiveWindow < 0 ? ErrorCode.FLOW_CONTROL_ERROR : ErrorCode.PROTOCOL_ERROR);
      return;
    }
    this.#dataStream = stream;
    this.#dataBytes = size - padding;
    if (padding > 0) this.#window.taken(stream, padding);
    if (stream.contentLeft !== -1) {
      stream.contentLeft -= size - padding;
      if (stream.contentLeft < 0) this.#refuse(stream, ErrorCode.PROTOCOL_ERROR);
    }
  }

  dataPart(from: Buffer, start: number, end: number): void {
    const stream = this.#dataStream;
    // A stream that was closed while its frame came in: its content is used up unseen.
    if (stream === undefined || stream.closed) {
      if (stream !== undefined) this.#window.takenUnseen(end - start);
    } else this.#listener.data(stream, from, start, end);
  }

  dataEnds(endStream: boolean): void {
    const stream = this.#dataStream;
    this.#dataStream = undefined;
    if (!endStream && stream !== undefined) {
      // An empty frame that ends its stream is how most libraries do that.
      if (this.#dataBytes === 0) this.#idleFrame("empty DATA");
      else if (this.#dataBytes < FRAME_COST_BYTES) this.#patience.cost(FRAME_COST_BYTES, this.#now);
    }
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
      this.blocks.begin(id, endStream, from.subarray(at, to), this.#now);
      this.#life.wakeBy(this.#now + this.#limits.headerBlockMs);
    }
  }

  #continuation(flags: number, id: number, part: Buffer): void {
    const endStream = this.blocks.unfinished?.endsStream === true;
    const block = this.blocks.continue(part, (flags & Flag.END_HEADERS) !== 0);
    if (block !== undefined) this.#block(id, endStream, block, 0, block.length);
  }

  /** A whole header block: a new stream, the head of an answer, or trailers. */
  #block(id: number, endStream: boolean, from: Buffer, start: number, end: number): void {
    const stream = this.#streams.open.get(id);
    if (stream !== undefined) {
      this.#laterBlock(stream, endStream, from, start, end);
      return;
    }
    if (!this.#isServer || id % 2 === 0) {
      if (this.#streams.wasOurs(id)) {
        this.#decode("trailers", from, start, end);
        return;
      }
      throw new ConnectionFailure(ErrorCode.PROTOCOL_ERROR, `HEADERS on stream ${id}, which is not the peer's to open`);
    }
    if (id <= this.#streams.lastPeerId) {
      this.#decode("trailers", from, start, end);
      if (this.#streams.wasResetByUs(id)) return this.#idleFrame("late HEADERS");
      throw new ConnectionFailure(ErrorCode.STREAM_CLOSED, `HEADERS on the closed stream ${id}`);
    }
    const head = this.#decode("request", from, start, end);
    this.#chargeHead(head);
    // After our GOAWAY the peer may not have known yet; it will repeat the call elsewhere.
    if (id > this.#streams.acceptedId) return this.#idleFrame("late HEADERS");
    this.#streams.lastPeerId = id;
    const opened = this.#streams.begin(id);
    opened.contentLeft = head.contentLength;
    if (this.#streams.open.size > this.#limits.streamsMax) {
      this.#streams.reset(opened, ErrorCode.REFUSED_STREAM);
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

  #decode(kind: HeadKind, from: Buffer, start: number, end: number): Head {
    const head = this.blocks.decode(kind, from, start, end);
    if (this.blocks.decodedBytes > HEAD_BYTES_USUAL) {
      this.#patience.cost(this.blocks.decodedBytes - HEAD_BYTES_USUAL, this.#now);
    }
    return head;
  }

  /**
   * A head costs patience by what it makes us do beyond the usual: fields over the limit are read all the same, because
   * later blocks depend on them, and a few octets may refer to large ones; so do changes of the table.
   */
  #chargeHead({ listBytes, tooLarge }: Head): void {
    const over = tooLarge ? Math.min(listBytes / this.#limits.headerListBytesMax, OVERSIZE_FRAMES_MAX) : 0;
    this.#idleFrames("costly HEADERS", over + this.blocks.changes / CHANGES_PER_IDLE_FRAME);
  }

  /** RFC 9113, section 8.1: after the first block of a stream only trailers may follow, or the head of an answer. */
  #laterBlock(stream: Stream<Call>, endStream: boolean, from: Buffer, start: number, end: number): void {
    const awaitsHead = !this.#isServer && !stream.answered;
    const head = this.#decode(awaitsHead ? "response" : "trailers", from, start, end);
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
    if (stream.localEnded && !stream.closed) this.#streams.close(stream, ErrorCode.NO_ERROR, true);
  }

  #rstStream(id: number, code: ErrorCode): void {
    const stream = this.#streams.of(id, "RST_STREAM");
    if (stream === undefined) {
      this.#idleFrame("RST_STREAM");
      return;
    }
    // A server ends streams that we have opened: it cannot reset more of them than that.
    if (this.#isServer) this.#patience.reset(this.#now);
    this.#streams.close(stream, code, true);
  }

  #windowUpdate(id: number, bytes: number): void {
    this.#idleFrame("WINDOW_UPDATE");
    const stream = id === 0 ? undefined : this.#streams.of(id, "WINDOW_UPDATE");
    if (id !== 0 && stream === undefined) return;
    const code = bytes === 0 ? ErrorCode.PROTOCOL_ERROR : ErrorCode.FLOW_CONTROL_ERROR;
    if (bytes === 0 || !this.#streams.sender.grow(stream, bytes)) {
      if (stream !== undefined) this.#refuse(stream, code);
      else throw new ConnectionFailure(code, `a WINDOW_UPDATE of ${bytes} bytes for the connection`);
    }
    this.#streams.sender.pump(this.#now);
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
    this.#idleFrames("SETTINGS", payload.length / SETTING_BYTES / SETTINGS_PER_IDLE_FRAME);
    // A frame has room for thousands of values, and each change of the window walks over all streams.
    let initialWindow = this.#streams.sender.initialWindow;
    readSettings(payload, !this.#isServer, (setting, value) => {
      if (setting === Setting.HEADER_TABLE_SIZE) this.#streams.sender.tableSize(value);
      else if (setting === Setting.MAX_CONCURRENT_STREAMS) this.peerStreamsMax = value;
      else if (setting === Setting.INITIAL_WINDOW_SIZE) initialWindow = value;
    });
    this.#changeWindows(initialWindow);
    this.#streams.sender.control(FrameType.SETTINGS, Flag.ACK, 0);
    this.#streams.sender.pump(this.#now);
    this.#listener.settings?.();
  }

  #changeWindows(initialWindow: number): void {
    if (!this.#streams.sender.changeWindows(initialWindow)) return;
    this.#idleFrames("SETTINGS", this.#streams.open.size / STREAMS_PER_IDLE_FRAME);
    for (const stream of this.#streams.open.values()) {
      if (this.#streams.sender.wake(stream)) continue;
      throw new ConnectionFailure(ErrorCode.FLOW_CONTROL_ERROR, "SETTINGS_INITIAL_WINDOW_SIZE overflows a window");
    }
  }

  #ping(flags: number, payload: Buffer): void {
    this.#idleFrame("PING");
    if ((flags & Flag.ACK) === 0) this.#streams.sender.frame(FrameType.PING, Flag.ACK, 0, payload);
    else this.#life.ponged(payload);
  }

  #goaway(payload: Buffer): void {
    this.#idleFrame("GOAWAY");
    this.#life.peerLeaves();
    const lastId = readWord(payload, 0) & MAX_31;
    if (!this.#isServer) {
      for (const stream of this.#streams.open.values()) {
        if (stream.id > lastId) this.#streams.close(stream, ErrorCode.REFUSED_STREAM, true);
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
    this.#streams.sender.control(FrameType.RST_STREAM, 0, id, ErrorCode.STREAM_CLOSED);
  }

  /** A stream error: RFC 9113, section 5.4.2. It counts as a reset, or a peer could have us do its resets. */
  #refuse(stream: Stream<Call>, code: ErrorCode): void {
    this.#streams.reset(stream, code);
    this.#patience.reset(this.#now);
  }

  /** Work that is worth so many of them: whole ones count. */
  #idleFrames(what: string, worth: number): void {
    for (let paid = 1; paid <= worth; paid++) this.#idleFrame(what);
  }

  #idleFrame(what: string): void {
    this.#patience.idleFrame(what, this.#streams.sender.sentBytes, this.#now);
  }
}
