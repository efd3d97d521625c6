import { ErrorCode } from "../http2/protocol.ts";
import type { Stream } from "../http2/stream.ts";
import { nodeZlib } from "../zlib.ts";
import { HEAD, HEAD_GZIP, headWith, TRAILERS_OK, trailersOnly, trailersWith } from "./blocks.ts";
import type { CallEnd, CallListener, Method, Peer, ServerCall } from "./call.ts";
import { HeldContent } from "./held-content.ts";
import { checkEnd, checkListener, checkMessage, checkMetadata } from "./message.ts";
import type { MessageReader } from "./message-reader.ts";
import type { Metadata } from "./metadata.ts";
import type { Request } from "./request.ts";
import type { ServerSession } from "./server-session.ts";
import { Status, StatusError } from "./status.ts";

/** Compression gains nothing below this. Bytes. */
const GZIP_BYTES_MIN = 1024;
/** A message that waits is copied when it keeps more memory than this from being freed: times its size, and bytes. */
const KEPT_SHARE_MIN = 4;
const KEPT_SLACK_BYTES = 4096;

/** One call on its stream: cuts content into messages, hands them to the method, and writes its answer. */
export class IncomingCall implements ServerCall {
  readonly deadlineAt: number;
  readonly stream: Stream<IncomingCall>;
  ended = false;
  readonly #session: ServerSession;
  readonly request: Request;
  readonly #gzips: boolean;
  /** While a message has come in part. */
  #reader: MessageReader | undefined;
  #listener: CallListener | undefined;
  #unary: Extract<Method, { type: "unary" }> | undefined;
  /** The one message of a unary call, until the client has ended its side. */
  #message: Buffer | undefined;
  /** When its latest part came, or its head. */
  #messageAt: number;
  /** Its latest part came with what is being received, and its end may too. */
  #unsettled = false;
  #headSent = false;
  #expired = false;
  #paused = false;
  /** Content that came while paused. */
  #held: HeldContent | undefined;
  #reading = false;
  #halfClosed = false;
  #halfClosedTold = false;

  constructor(session: ServerSession, stream: Stream<IncomingCall>, request: Request, now: number) {
    this.#session = session;
    this.stream = stream;
    this.request = request;
    this.deadlineAt = now + request.timeoutMs;
    this.#messageAt = now;
    this.#gzips = session.options.gzip && request.acceptsGzip;
  }

  get path(): string {
    return this.request.path;
  }

  get metadata(): Metadata {
    return this.request.metadata;
  }

  get peer(): Peer {
    return this.#session.peer;
  }

  get queuedBytes(): number {
    return this.stream.queuedBytes;
  }

  /** What has come cannot be handed on without the rest, if only a unary call's head; when its latest bytes came. */
  get partialSince(): number | undefined {
    if (this.#reader !== undefined) return this.#reader.grewAt;
    const waits = this.#unary !== undefined && !this.#halfClosedTold && !this.#unsettled && !this.ended;
    return waits ? this.#messageAt : undefined;
  }

  open(method: Method): void {
    if (method.type === "unary") {
      this.#unary = method;
      this.#unsettle();
      return;
    }
    this.#guard(() => {
      const listener = method.open(this);
      checkListener(listener);
      this.#listener = listener;
    });
  }

  /** Ends a call that cannot be served. */
  refuse(block: Buffer): void {
    this.ended = true;
    this.#session.connection.headers(this.stream, block, true);
    this.#session.wrote();
  }

  sendMetadata(metadata?: Metadata): void {
    if (this.#headSent || this.ended) return;
    checkMetadata(metadata, "the initial metadata");
    this.#headSent = true;
    const plain = this.#gzips ? HEAD_GZIP : HEAD;
    this.#session.connection.headers(this.stream, metadata === undefined ? plain : headWith(metadata, this.#gzips));
    this.#session.wrote();
  }

  send(message: Uint8Array): boolean {
    if (this.ended) return false;
    checkMessage(message);
    if (!this.#headSent) this.sendMetadata();
    const compressed = this.#gzips && message.length >= GZIP_BYTES_MIN;
    const bytes = compressed ? nodeZlib().gzipSync(message) : message;
    const roomy = this.#session.connection.data(this.stream, bytes, true, compressed, this.#session.now());
    this.#session.wrote();
    return roomy;
  }

  end(status: Status = Status.OK, message = "", trailers?: Metadata): void {
    if (this.ended) return;
    checkEnd(status, message, trailers);
    const { connection, options } = this.#session;
    const alone = !this.#headSent && status !== Status.OK;
    // Before anything is done: what cannot be encoded throws, and the call has to end all the same.
    const last = alone
      ? trailersOnly(status, message, trailers, options.gzip)
      : trailersWith(status, message, trailers);
    this.ended = true;
    this.#release();
    if (alone) connection.headers(this.stream, last, true);
    else {
      if (!this.#headSent) connection.headers(this.stream, this.#gzips ? HEAD_GZIP : HEAD);
      connection.finish(this.stream, last);
    }
    this.#session.wrote();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    // Paused and resumed by one message: the reading that handed it out goes on by itself.
    if (this.#reading) return;
    const held = this.#held;
    if (held !== undefined) {
      this.#held = undefined;
      held.start = this.#read(held.bytes, held.start, held.end, this.#session.now());
      if (held.start < held.end) this.#held = held;
    }
    this.#tellHalfClosed();
    this.#session.wrote();
  }

  /** Content of the stream. */
  content(from: Buffer, start: number, end: number, now: number): void {
    const at = this.#paused && !this.ended ? start : this.#read(from, start, end, now);
    // Not credited: the peer's window fills until the application goes on.
    if (at < end) {
      this.#held ??= new HeldContent();
      this.#held.add(from, at, end);
    }
  }

  /** The client sends no more. */
  halfClosed(): void {
    this.#halfClosed = true;
    this.#tellHalfClosed();
  }

  drained(): void {
    this.#guard(() => this.#listener?.drained?.());
  }

  /** The deadline has passed. */
  expire(): void {
    if (this.ended) return;
    this.#expired = true;
    this.end(Status.DEADLINE_EXCEEDED, "the deadline of the call has passed");
  }

  /** The stream is closed, by either side. */
  closed(code: ErrorCode, byPeer: boolean, lost: boolean): void {
    this.ended = true;
    this.#release();
    // Or what nobody will read would narrow the window of the whole connection for good.
    if (this.#held !== undefined) this.#session.connection.taken(this.stream, this.#held.end - this.#held.start);
    this.#held = undefined;
    let end: CallEnd = byPeer ? "cancelled" : "error";
    if (this.#expired) end = "deadline";
    else if (this.stream.localEnded && code === ErrorCode.NO_ERROR) end = "completed";
    else if (lost) end = "connection";
    this.#guard(() => this.#listener?.closed?.(end));
  }

  /** Hands on the messages in it. @returns where it stopped: before `end` when the application pauses. */
  #read(from: Buffer, start: number, end: number, now: number): number {
    let at = start;
    if (!this.ended) {
      const reader = this.#reader ?? this.#session.newReader(this.request.encoding);
      this.#reader = reader;
      this.#messageAt = now;
      this.#reading = true;
      this.#guard(() => {
        at = reader.read(from, start, end, now, (message) => this.#deliver(message));
      });
      this.#reading = false;
      if (!reader.isPartial) this.#reader = undefined;
    }
    // What comes for a call that has ended is used up unseen.
    if (this.ended) at = end;
    this.#session.connection.taken(this.stream, at - start);
    return at;
  }

  /** Behind everything that came before it, and once. */
  #tellHalfClosed(): void {
    if (!this.#halfClosed || this.#halfClosedTold || this.ended || this.#paused || this.#held !== undefined) return;
    this.#halfClosedTold = true;
    if (this.#reader !== undefined) this.end(Status.INTERNAL, "the content ends inside a message");
    else if (this.#unary !== undefined) this.#answer(this.#unary);
    else this.#guard(() => this.#listener?.halfClosed?.());
  }

  /** Until the client ends its side, its message counts like one that has come in part. @throws StatusError. */
  #keep(message: Buffer): void {
    this.#session.partial.demand(message.length);
    this.#message = message;
    this.#unsettle();
  }

  #unsettle(): void {
    if (this.#unsettled) return;
    this.#unsettled = true;
    this.#session.unsettle(this);
  }

  /** All that came with its message has been read. A message that waits must not keep a long run of bytes from being freed. */
  settle(): void {
    this.#unsettled = false;
    const message = this.#message;
    if (message === undefined) return;
    if (message.buffer.byteLength <= message.length * KEPT_SHARE_MIN + KEPT_SLACK_BYTES) return;
    // Not from the pool, whose slabs would be kept just the same.
    this.#message = Buffer.allocUnsafeSlow(message.length);
    message.copy(this.#message);
  }

  /** Frees what has come and is not handed on. */
  #release(): void {
    this.#reader?.release();
    if (this.#message !== undefined) this.#session.partial.free(this.#message.length);
    this.#message = undefined;
  }

  #deliver(message: Buffer): boolean {
    this.#session.connection.messageCame();
    if (this.#unary === undefined) this.#listener?.message(message);
    else if (this.#message === undefined) this.#keep(message);
    else throw new StatusError(Status.UNIMPLEMENTED, "a unary call carries more than one message");
    return !this.ended && !this.#paused;
  }

  #answer(method: Extract<Method, { type: "unary" }>): void {
    const message = this.#message;
    this.#release();
    if (message === undefined) {
      this.end(Status.INVALID_ARGUMENT, "a unary call carries one message, and this one has none");
      return;
    }
    try {
      const answer = method.handle(message, this);
      if (answer instanceof Uint8Array) this.#respond(answer);
      else {
        Promise.resolve(answer).then(
          (bytes) => this.#guard(() => this.#respond(bytes)),
          (error: unknown) => this.#fail(error),
        );
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #respond(message: Uint8Array): void {
    if (this.ended) return;
    checkMessage(message);
    if (this.#headSent || this.#gzips) {
      this.send(message);
      this.end();
      return;
    }
    this.ended = true;
    this.#session.connection.respond(this.stream, HEAD, message, TRAILERS_OK, this.#session.now());
    this.#session.wrote();
  }

  /** What application code throws becomes the status of its own call, and nothing else. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    try {
      if (error instanceof StatusError) return this.end(error.status, error.message, error.trailers);
    } catch (cause) {
      // Trailers that are none.
      return this.#fail(cause);
    }
    this.end(Status.INTERNAL, "the server failed to handle this call");
    this.#session.options.onError(error, this);
  }
}
