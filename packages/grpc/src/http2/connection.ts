import { FrameReader } from "./frames.ts";
import { GOAWAY_TEXT_BYTES_MAX, Incoming, type Life } from "./incoming.ts";
import type { Limits } from "./limits.ts";
import type { ConnectionListener } from "./listener.ts";
import type { OpenStreams } from "./open-streams.ts";
import { Patience } from "./patience.ts";
import { ConnectionFailure, ErrorCode, FrameType, MAX_31, PREFACE } from "./protocol.ts";
import { ReceiveWindow } from "./receive-window.ts";
import type { Sender } from "./sender.ts";
import { encodeSettings } from "./settings.ts";
import type { SharedHeads } from "./shared-heads.ts";
import type { Stream } from "./stream.ts";
import { Streams } from "./streams.ts";

export type { ConnectionListener } from "./listener.ts";

export interface ConnectionOptions {
  readonly role: "server" | "client";
  readonly limits: Limits;
  /** Silence after which a ping is sent, and how long any byte may take to follow. Milliseconds. Default: no pings. */
  readonly keepAlive?: { readonly idleMs: number; readonly timeoutMs: number } | undefined;
  /** Where heads of requests are found that other connections have sent, too (server). Default: nowhere. */
  readonly heads?: SharedHeads;
}

const STALL_CHECK_MS = 1000;
/** Answers that have taken time to make: reading gives way behind so much of them. A small one is as much work as a kilobyte. */
const ANSWERED_BYTES_MAX = 32 * 1024;
const ANSWER_COST_BYTES = 1024;
/** How long the peer may take to answer the ping that goes with GOAWAY, before the last stream is named anyway. */
const DRAIN_ANSWER_MS = 1000;
const PING_KEEP_ALIVE = Buffer.from("nacrekal");
const PING_DRAIN = Buffer.from("nacrebye");

/**
 * One HTTP/2 connection (RFC 9113), either side, without I/O: bytes come in by `receive`, time with every call, and what
 * is to be written lies in `sender.output`. Nothing throws: a connection that has ended has `failure` set, and wants TCP
 * closed after its output. Its invariants are numbered in DESIGN.md.
 */
export class Connection<Call = unknown> implements Life {
  readonly sender: Sender;
  /** Why it ended, by whoever's fault; nothing is read or sent any more. */
  failure: ConnectionFailure | undefined;
  /** Monotonic milliseconds at which `tick` wants to be called; infinity when there is nothing to wait for. */
  tickAt = Number.POSITIVE_INFINITY;
  /** GOAWAY was sent or received: no new streams. */
  goingAway = false;

  readonly #isServer: boolean;
  readonly #limits: Limits;
  readonly #keepAlive: ConnectionOptions["keepAlive"];
  readonly #listener: ConnectionListener<Call>;
  readonly #reader: FrameReader;
  readonly #incoming: Incoming<Call>;
  readonly #patience: Patience;
  readonly #streams: Streams<Call>;
  readonly #window: ReceiveWindow;
  #receivedAt: number;
  /** What was sent since reading went on, and what that has cost. */
  #answeredBytes = 0;
  #pingedAt: number | undefined;
  #drainingAt: number | undefined;

  constructor({ role, limits, keepAlive, heads }: ConnectionOptions, listener: ConnectionListener<Call>, now: number) {
    const isServer = role === "server";
    const streams = new Streams(isServer, limits, listener);
    const patience = new Patience(limits, now);
    this.sender = streams.sender;
    const window = new ReceiveWindow(limits, this.sender);
    this.#isServer = isServer;
    this.#limits = limits;
    this.#keepAlive = keepAlive;
    this.#listener = listener;
    this.#patience = patience;
    this.#streams = streams;
    this.#window = window;
    this.#incoming = new Incoming({ isServer, limits, listener, streams, window, patience, life: this, heads });
    this.#reader = new FrameReader(this.#incoming, isServer);
    this.#receivedAt = now;
    if (!isServer) this.sender.output.copy(PREFACE);
    this.sender.frame(FrameType.SETTINGS, 0, 0, encodeSettings(isServer, limits));
    window.open();
    if (keepAlive !== undefined) this.wakeBy(now + keepAlive.idleMs);
  }

  /** Those that are open. */
  get streams(): Pick<OpenStreams<Call>, "size" | "get" | "values"> {
    return this.#streams.open;
  }

  /** SETTINGS_MAX_CONCURRENT_STREAMS of the peer. */
  get peerStreamsMax(): number {
    return this.#incoming.peerStreamsMax;
  }

  /** Whether the peer's first SETTINGS have come. */
  get ready(): boolean {
    return this.#incoming.ready;
  }

  /** It is going away, and nothing runs any more. */
  get finished(): boolean {
    return this.goingAway && this.streams.size === 0 && this.#drainingAt === undefined;
  }

  /** Bytes that wait for the rest of their frame or header block. */
  get heldBytes(): number {
    return this.#reader.heldBytes + (this.#incoming.blocks.unfinished?.bytes ?? 0);
  }

  /** Content that has come and that the application has not taken. */
  get untakenBytes(): number {
    return this.#window.untakenBytes;
  }

  /**
   * Takes what the socket has read, from `start` on: all of it, or the frames that begin in the next `bytes` bytes, or
   * fewer when they were answered at length. The layer above may keep parts of it, so it must not change.
   *
   * @returns where to go on; the end of the chunk when nothing is left of it, or nobody wants the rest.
   */
  receive(chunk: Buffer, now: number, start = 0, bytes = Number.POSITIVE_INFINITY): number {
    if (this.failure !== undefined) return chunk.length;
    this.#incoming.at(now);
    this.heard(now);
    this.#answeredBytes = 0;
    try {
      const at = this.#reader.read(chunk, start, bytes);
      this.#listener.received?.();
      return at;
    } catch (error) {
      if (!(error instanceof ConnectionFailure)) throw error;
      this.fail(error);
      return chunk.length;
    }
  }

  /** Something came, if only to be read later: a sign of life. */
  heard(now: number): void {
    this.#receivedAt = now;
    this.#pingedAt = undefined;
  }

  /** A message of the peer was whole: it makes up for a short frame. */
  messageCame(): void {
    this.#patience.messageCame();
  }

  /** So much was unpacked of what the peer had packed. */
  unpacked(bytes: number, now: number): void {
    this.#patience.cost(bytes, now);
  }

  /** Whether the peer costs more than is usual. Nothing ends by that: it is for whoever decides who is read next. */
  isCostly(now: number): boolean {
    return this.#patience.isTried(this.sender.sentBytes, now);
  }

  /** Does what is due. Call it when `tickAt` has come; earlier does no harm. */
  tick(now: number): void {
    if (this.failure !== undefined) return;
    this.tickAt = Number.POSITIVE_INFINITY;
    this.#checkBlock(now);
    this.#dropStalled(now);
    if (this.failure !== undefined) return;
    if (this.#drainingAt !== undefined && now >= this.#drainingAt) this.#nameLast();
    if (this.#drainingAt !== undefined) this.wakeBy(this.#drainingAt);
    if (this.#keepAlive !== undefined) this.#keepAlivePing(this.#keepAlive, now);
  }

  /** Opens a stream (client). @returns undefined when the peer takes no more: try again when one has closed. */
  open(block: Buffer, call: Call): Stream<Call> | undefined {
    const stream = this.#own(call);
    if (stream !== undefined) this.sender.headers(stream, block, false);
    return stream;
  }

  /** Opens a stream with all that will be sent on it: head, one message and the end. @returns as `open` does. */
  request(block: Buffer, message: Uint8Array, call: Call, now: number): Stream<Call> | undefined {
    const stream = this.#own(call);
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
    this.#answered(bytes.length);
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
    this.#answered(message.length);
    this.#watchQueue(now);
  }

  /** Ends a stream at once. */
  reset(stream: Stream<Call>, code: ErrorCode): void {
    if (!stream.closed) this.#streams.reset(stream, code);
  }

  /** The application has used up content: the peer may send as much more. */
  taken(stream: Stream<Call>, bytes: number): void {
    this.#window.taken(stream, bytes);
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
    this.wakeBy(this.#drainingAt);
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

  peerLeaves(): void {
    this.goingAway = true;
  }

  ponged(payload: Buffer): void {
    if (this.#drainingAt !== undefined && payload.equals(PING_DRAIN)) this.#nameLast();
  }

  wakeBy(at: number): void {
    if (at < this.tickAt && this.failure === undefined) this.tickAt = at;
  }

  #answered(bytes: number): void {
    this.#answeredBytes += bytes + ANSWER_COST_BYTES;
    if (this.#answeredBytes > ANSWERED_BYTES_MAX) this.#reader.giveWay();
  }

  /** A stream of ours, when the peer takes one more. */
  #own(call: Call): Stream<Call> | undefined {
    if (!this.#streams.idsLeft) this.goingAway = true;
    if (this.goingAway || this.streams.size >= this.peerStreamsMax) return undefined;
    return this.#streams.own(call);
  }

  #die(failure: ConnectionFailure, byPeer: boolean): void {
    this.failure = failure;
    this.goingAway = true;
    this.tickAt = Number.POSITIVE_INFINITY;
    this.#reader.stop();
    this.#window.end();
    this.#incoming.blocks.unfinished = undefined;
    const code = failure.code === ErrorCode.NO_ERROR ? ErrorCode.CANCEL : failure.code;
    this.#streams.closeAll(code, byPeer);
  }

  #nameLast(): void {
    this.#drainingAt = undefined;
    this.#streams.acceptedId = this.#streams.lastPeerId;
    this.sender.control(FrameType.GOAWAY, 0, 0, this.#streams.lastPeerId, ErrorCode.NO_ERROR);
  }

  #checkBlock(now: number): void {
    const { unfinished } = this.#incoming.blocks;
    if (unfinished === undefined) return;
    const dueAt = unfinished.startedAt + this.#limits.headerBlockMs;
    if (now < dueAt) this.wakeBy(dueAt);
    else this.fail(new ConnectionFailure(ErrorCode.ENHANCE_YOUR_CALM, "a header block that is never finished"));
  }

  /** Ends what the peer never makes room for. A stream that goes on is its application's matter. */
  #dropStalled(now: number): void {
    if (this.sender.queuedBytes === 0) return;
    for (const stream of this.streams.values()) {
      if (stream.queue === undefined || !stream.ending || now - stream.progressAt < this.#limits.stalledMs) continue;
      this.#streams.reset(stream, ErrorCode.CANCEL);
    }
    this.wakeBy(now + STALL_CHECK_MS);
  }

  #watchQueue(now: number): void {
    if (this.sender.queuedBytes === 0) return;
    if (this.sender.queuedBytes > this.#limits.queuedBytesMax) {
      const text = `more than ${this.#limits.queuedBytesMax} bytes wait because the peer does not read`;
      this.fail(new ConnectionFailure(ErrorCode.ENHANCE_YOUR_CALM, text));
    } else this.wakeBy(now + STALL_CHECK_MS);
  }

  /** Any byte from the peer since the ping is a sign of life. */
  #keepAlivePing(keepAlive: NonNullable<ConnectionOptions["keepAlive"]>, now: number): void {
    if (this.#pingedAt !== undefined && now - this.#pingedAt >= keepAlive.timeoutMs) {
      this.fail(new ConnectionFailure(ErrorCode.NO_ERROR, "the peer does not answer keepalive pings"));
    } else if (this.#pingedAt !== undefined) this.wakeBy(this.#pingedAt + keepAlive.timeoutMs);
    else if (now - this.#receivedAt >= keepAlive.idleMs) {
      this.sender.frame(FrameType.PING, 0, 0, PING_KEEP_ALIVE);
      this.#pingedAt = now;
      this.wakeBy(now + keepAlive.timeoutMs);
    } else this.wakeBy(this.#receivedAt + keepAlive.idleMs);
  }
}
