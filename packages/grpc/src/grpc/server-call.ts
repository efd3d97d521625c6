import { gzipSync } from "node:zlib";
import { ErrorCode } from "../http2/protocol.ts";
import type { Stream } from "../http2/stream.ts";
import { HEAD, HEAD_GZIP, headWith, TRAILERS_OK, trailersOnly, trailersWith } from "./blocks.ts";
import type { CallEnd, CallListener, Method, Peer, ServerCall } from "./call.ts";
import type { MessageReader } from "./message-reader.ts";
import type { Metadata } from "./metadata.ts";
import type { Request } from "./request.ts";
import type { ServerSession } from "./server-session.ts";
import { Status, StatusError } from "./status.ts";

/** Compression gains nothing below this. Bytes. */
const GZIP_BYTES_MIN = 1024;

/** One call on its stream: cuts content into messages, hands them to the method, and writes its answer. */
export class IncomingCall implements ServerCall {
  readonly path: string;
  readonly metadata: Metadata;
  readonly deadlineAt: number;
  readonly stream: Stream<IncomingCall>;
  ended = false;
  readonly #session: ServerSession;
  readonly #request: Request;
  readonly #gzips: boolean;
  #reader: MessageReader | undefined;
  #listener: CallListener | undefined;
  #unary: Extract<Method, { type: "unary" }> | undefined;
  #message: Buffer | undefined;
  #headSent = false;
  /** The status has been ordered; it may still wait behind messages. */
  #completed = false;
  #expired = false;
  #paused = false;
  /** Content that came while paused. */
  #held: Buffer[] | undefined;
  #halfClosed = false;

  constructor(session: ServerSession, stream: Stream<IncomingCall>, request: Request, now: number) {
    this.#session = session;
    this.stream = stream;
    this.#request = request;
    this.path = request.path;
    this.metadata = request.metadata;
    this.deadlineAt = now + request.timeoutMs;
    this.#gzips = session.options.gzip && request.acceptsGzip;
  }

  get peer(): Peer {
    return this.#session.peer;
  }

  get queuedBytes(): number {
    return this.stream.queuedBytes;
  }

  /** A message has come in part; when its latest bytes came. */
  get partialSince(): number | undefined {
    return this.#reader?.isPartial === true ? this.#reader.grewAt : undefined;
  }

  open(method: Method): void {
    if (method.type === "unary") {
      this.#unary = method;
      return;
    }
    this.#guard(() => {
      this.#listener = method.open(this);
    });
  }

  sendMetadata(metadata?: Metadata): void {
    if (this.#headSent || this.ended) return;
    this.#headSent = true;
    const plain = this.#gzips ? HEAD_GZIP : HEAD;
    this.#session.connection.headers(this.stream, metadata === undefined ? plain : headWith(metadata, this.#gzips));
    this.#session.wrote();
  }

  send(message: Uint8Array): boolean {
    if (this.ended) return false;
    if (!this.#headSent) this.sendMetadata();
    const compressed = this.#gzips && message.length >= GZIP_BYTES_MIN;
    const bytes = compressed ? gzipSync(message) : message;
    const roomy = this.#session.connection.data(this.stream, bytes, true, compressed, this.#session.now());
    this.#session.wrote();
    return roomy;
  }

  end(status: Status = Status.OK, message = "", trailers?: Metadata): void {
    if (this.ended) return;
    this.ended = true;
    this.#completed = true;
    const { connection, options } = this.#session;
    if (this.#headSent) connection.finish(this.stream, trailersWith(status, message, trailers));
    else if (status !== Status.OK) {
      connection.headers(this.stream, trailersOnly(status, message, trailers, options.gzip), true);
    } else {
      connection.headers(this.stream, this.#gzips ? HEAD_GZIP : HEAD);
      connection.finish(this.stream, trailersWith(status, message, trailers));
    }
    this.#session.wrote();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const part of held) this.content(part, 0, part.length, this.#session.now());
    if (this.#halfClosed && !this.#paused) this.halfClosed();
    this.#session.wrote();
  }

  /** Content of the stream. */
  content(from: Buffer, start: number, end: number, now: number): void {
    if (this.ended || this.stream.closed) {
      this.#session.connection.taken(this.stream, end - start);
      return;
    }
    let at = start;
    if (!this.#paused) {
      this.#reader ??= this.#session.newReader(this.#request.encoding);
      this.#guard(() => {
        at = (this.#reader as MessageReader).read(from, start, end, now, (message) => this.#deliver(message));
      });
      if (this.ended) at = end;
      this.#session.connection.taken(this.stream, at - start);
    }
    // Not credited: the peer's window fills until the application goes on.
    if (at < end) {
      this.#held ??= [];
      this.#held.push(Buffer.from(from.subarray(at, end)));
    }
  }

  /** The client sends no more. */
  halfClosed(): void {
    this.#halfClosed = true;
    if (this.ended || this.#paused) return;
    if (this.#reader?.isPartial === true) this.end(Status.INTERNAL, "the content ends inside a message");
    else if (this.#unary !== undefined) this.#answer(this.#unary);
    else this.#guard(() => this.#listener?.halfClosed?.());
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
    this.#reader?.release();
    // Or what nobody will read would narrow the window of the whole connection for good.
    for (const part of this.#held ?? []) this.#session.connection.taken(this.stream, part.length);
    this.#held = undefined;
    let end: CallEnd = byPeer ? "cancelled" : "error";
    if (this.#expired) end = "deadline";
    else if (this.#completed && code === ErrorCode.NO_ERROR) end = "completed";
    else if (lost) end = "connection";
    this.#guard(() => this.#listener?.closed?.(end));
  }

  #deliver(message: Buffer): boolean {
    if (this.#unary === undefined) this.#listener?.message(message);
    else if (this.#message === undefined) this.#message = message;
    else throw new StatusError(Status.UNIMPLEMENTED, "a unary call carries more than one message");
    return !this.ended && !this.#paused;
  }

  #answer(method: Extract<Method, { type: "unary" }>): void {
    const message = this.#message;
    this.#message = undefined;
    if (message === undefined) {
      this.end(Status.INVALID_ARGUMENT, "a unary call carries one message, and this one has none");
      return;
    }
    try {
      const answer = method.handle(message, this);
      if (answer instanceof Promise) {
        answer.then(
          (bytes) => this.#respond(bytes),
          (error: unknown) => this.#fail(error),
        );
      } else this.#respond(answer);
    } catch (error) {
      this.#fail(error);
    }
  }

  #respond(message: Uint8Array): void {
    if (this.ended) return;
    if (this.#headSent || this.#gzips) {
      this.send(message);
      this.end();
      return;
    }
    this.ended = true;
    this.#completed = true;
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
    if (error instanceof StatusError) this.end(error.status, error.message);
    else {
      this.#session.options.onError(error, this);
      this.end(Status.INTERNAL, "the server failed to handle this call");
    }
  }
}
