import { ErrorCode } from "../http2/protocol.ts";
import type { Stream } from "../http2/stream.ts";
import { type Answer, codeName, type Ending, statusOfReset } from "./answer.ts";
import type { CallOptions, ClientCall, ClientListener } from "./call.ts";
import type { ClientSession } from "./client-session.ts";
import { HeldContent } from "./held-content.ts";
import { checkMessage } from "./message.ts";
import type { MessageReader } from "./message-reader.ts";
import { Metadata } from "./metadata.ts";
import { Status, StatusError } from "./status.ts";

const DEADLINE_TEXT = "the deadline of the call has passed";

/** One call of ours: waits for its stream, sends messages, cuts content into messages, and tells how it ended, once. */
export class OutgoingCall implements ClientCall {
  readonly path: string;
  readonly metadata: Metadata | undefined;
  /** Infinity when it has none. */
  readonly deadlineMs: number;
  readonly deadlineAt: number;
  ended = false;
  /** The server has said all; messages may still be held because the call is paused. */
  answered = false;
  readonly #session: ClientSession;
  readonly #listener: ClientListener;
  #stream: Stream<OutgoingCall> | undefined;
  /** Messages that were sent before there was a stream. */
  #early: Uint8Array[] | undefined;
  #earlyBytes = 0;
  #earlySlow = false;
  #halfClosed = false;
  #answer: Answer | undefined;
  #ending: Ending | undefined;
  #reader: MessageReader | undefined;
  #reading = false;
  #paused = false;
  /** Content that came while paused. */
  #held: HeldContent | undefined;

  constructor(session: ClientSession, path: string, listener: ClientListener, options: CallOptions, now: number) {
    this.#session = session;
    this.#listener = listener;
    this.path = path;
    this.metadata = options.metadata;
    this.deadlineMs = options.deadlineMs ?? Number.POSITIVE_INFINITY;
    this.deadlineAt = now + this.deadlineMs;
  }

  get queuedBytes(): number {
    return this.#stream === undefined ? this.#earlyBytes : this.#stream.queuedBytes;
  }

  /** A message has come in part; when its latest bytes came. */
  get partialSince(): number | undefined {
    return this.#reader?.isPartial === true ? this.#reader.grewAt : undefined;
  }

  /** Takes a stream, and sends on it what has been ordered. @returns false when the peer takes no more calls now. */
  start(head: Buffer, now: number): boolean {
    const { connection } = this.#session;
    const only = this.#halfClosed && this.#early?.length === 1 ? this.#early[0] : undefined;
    if (only !== undefined) this.#stream = connection.request(head, only, this, now);
    else {
      this.#stream = connection.open(head, this);
      if (this.#stream !== undefined) this.#sendEarly(this.#stream, now);
    }
    if (this.#stream === undefined) return false;
    this.#early = undefined;
    this.#earlyBytes = 0;
    return true;
  }

  send(message: Uint8Array): boolean {
    if (this.ended || this.#halfClosed) return false;
    checkMessage(message);
    if (this.#stream === undefined) return this.#sendLater(message);
    const roomy = this.#session.connection.data(this.#stream, message, true, false, this.#session.now());
    this.#session.wrote();
    return roomy;
  }

  halfClose(): void {
    if (this.ended || this.#halfClosed) return;
    this.#halfClosed = true;
    if (this.#stream === undefined) return;
    this.#session.connection.finish(this.#stream);
    this.#session.wrote();
  }

  /** All that a unary call sends, before it is given its stream. */
  sendOnly(message: Uint8Array): void {
    checkMessage(message);
    this.#early = [message];
    this.#earlyBytes = message.length;
    this.#halfClosed = true;
  }

  /** The deadline has passed. */
  expire(): void {
    this.end(Status.DEADLINE_EXCEEDED, DEADLINE_TEXT);
  }

  cancel(): void {
    this.end(Status.CANCELLED, "the call was cancelled");
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    // A listener that resumes while it is told a message: the reading that runs goes on by itself.
    if (this.#reading || this.ended) return;
    this.#readHeld();
    this.#session.wrote();
  }

  /** Ends the call from this side: nothing more is sent, and what comes is not read. */
  end(status: Status, message: string): void {
    if (this.ended) return;
    this.ended = true;
    if (this.#stream !== undefined) this.#session.connection.reset(this.#stream, ErrorCode.CANCEL);
    this.#session.wrote();
    this.#tell(status, message, new Metadata());
  }

  /** Ends a call that never began; its listener hears of it after `call` has returned. */
  refuse(status: Status, message: string): void {
    this.ended = true;
    this.#early = undefined;
    this.#session.soon(() => this.#tell(status, message, new Metadata()));
  }

  head(answer: Answer): void {
    if (answer.wrong !== undefined) {
      this.end(...answer.wrong);
      return;
    }
    this.#answer = answer;
    if (answer.ending === undefined) this.#guard(() => this.#listener.metadata?.(answer.metadata));
  }

  trailers(ending: Ending | undefined): void {
    this.#ending = ending;
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

  /** The server has said all. */
  remoteEnded(stream: Stream<OutgoingCall>): void {
    this.answered = true;
    // Whatever we still had to send is not needed: gRPC over HTTP/2, Early Server Closure.
    if (!stream.localEnded) this.#session.connection.reset(stream, ErrorCode.NO_ERROR);
    if (this.#held === undefined) this.#complete();
  }

  drained(): void {
    this.#guard(() => this.#listener.drained?.());
  }

  /** The stream is closed before its answer was complete. */
  lost(code: ErrorCode, byPeer: boolean): void {
    if (this.ended) return;
    const { failure } = this.#session.connection;
    this.ended = true;
    if (failure !== undefined) {
      this.#tell(Status.UNAVAILABLE, `the connection ended before the answer: ${failure.message}`, new Metadata());
    } else if (byPeer) this.#tellAsDeadline(...statusOfReset(code), new Metadata());
    else if (code === ErrorCode.CANCEL) {
      this.#tell(Status.UNAVAILABLE, "the peer has taken none of the queued messages for too long", new Metadata());
    } else {
      this.#tell(Status.INTERNAL, `the peer's answer breaks a rule of HTTP/2 (${codeName(code)})`, new Metadata());
    }
  }

  #sendLater(message: Uint8Array): boolean {
    this.#early ??= [];
    this.#early.push(message);
    this.#earlyBytes += message.length;
    const { streamQueuedBytes, queuedBytesMax } = this.#session.options.limits;
    if (this.#earlyBytes > queuedBytesMax) {
      this.end(Status.RESOURCE_EXHAUSTED, `more than ${queuedBytesMax} bytes wait for the call to begin`);
    }
    this.#earlySlow ||= this.#earlyBytes > streamQueuedBytes;
    return !this.#earlySlow;
  }

  #sendEarly(stream: Stream<OutgoingCall>, now: number): void {
    const { connection } = this.#session;
    for (const message of this.#early ?? []) connection.data(stream, message, true, false, now);
    if (this.#halfClosed) connection.finish(stream);
    // It was promised when `send` answered false. A stream that is slow itself keeps the promise.
    if (this.#earlySlow && !stream.slow) this.#session.soon(() => this.ended || this.drained());
  }

  /** Takes content in. @returns where it stopped because the application paused. */
  #read(from: Buffer, start: number, end: number, now: number): number {
    let at = end;
    if (!this.ended) {
      this.#reader ??= this.#session.newReader(this.#answer?.encoding ?? "identity");
      const reader = this.#reader;
      this.#reading = true;
      this.#guard(() => {
        at = reader.read(from, start, end, now, (message) => this.#deliver(message));
      });
      this.#reading = false;
      if (this.ended) at = end;
    }
    if (this.#stream !== undefined) this.#session.connection.taken(this.#stream, at - start);
    return at;
  }

  #readHeld(): void {
    const held = this.#held;
    if (held !== undefined) {
      this.#held = undefined;
      held.start = this.#read(held.bytes, held.start, held.end, this.#session.now());
      if (held.start < held.end) this.#held = held;
    }
    if (this.#held === undefined && this.answered) this.#complete();
  }

  #deliver(message: Buffer): boolean {
    this.#session.connection.messageCame();
    this.#listener.message(message);
    return !this.ended && !this.#paused;
  }

  #complete(): void {
    if (this.ended) return;
    this.ended = true;
    const ending = this.#ending ?? this.#answer?.ending;
    if (ending === undefined) this.#tell(Status.UNKNOWN, "the answer ended without a grpc-status", new Metadata());
    else if (ending.status === Status.OK && this.#reader?.isPartial === true) {
      this.#tell(Status.INTERNAL, "the answer ended inside a message", ending.trailers);
    } else this.#tellAsDeadline(ending.status, ending.message, ending.trailers);
  }

  /** The server's clock may be ahead: it gives up first, and says that the call was cancelled. */
  #tellAsDeadline(status: Status, message: string, trailers: Metadata): void {
    if (status !== Status.CANCELLED || this.#session.now() < this.deadlineAt) this.#tell(status, message, trailers);
    else this.#tell(Status.DEADLINE_EXCEEDED, DEADLINE_TEXT, trailers);
  }

  #tell(status: Status, message: string, trailers: Metadata): void {
    this.#session.ended(this);
    this.#reader?.release();
    // Or what nobody will read would narrow the window of the whole connection for good.
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined && this.#stream !== undefined) {
      this.#session.connection.taken(this.#stream, held.end - held.start);
    }
    this.#early = undefined;
    try {
      this.#listener.closed(status, message, trailers);
    } catch (error) {
      this.#session.options.onError(error, this);
    }
  }

  /** What a listener throws ends its own call, and nothing else. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (error instanceof StatusError) this.end(error.status, error.message);
      else {
        this.end(Status.INTERNAL, "the listener of the call failed");
        this.#session.options.onError(error, this);
      }
    }
  }
}
