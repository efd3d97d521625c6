import { Connection, type ConnectionListener } from "../http2/connection.ts";
import type { Head } from "../http2/head.ts";
import type { ErrorCode } from "../http2/protocol.ts";
import type { Stream } from "../http2/stream.ts";
import { type Answer, answerOf, codeName, type Ending, endingOf } from "./answer.ts";
import { callTo, callWith } from "./blocks.ts";
import type { CallOptions, ClientCall, ClientListener } from "./call.ts";
import { OutgoingCall } from "./client-call.ts";
import { Deadlines, nextWalkAt } from "./deadlines.ts";
import type { GrpcLimits } from "./limits.ts";
import { MessageReader, PartialBytes } from "./message-reader.ts";
import { Status } from "./status.ts";
import { UnaryAnswer } from "./unary.ts";

export interface ClientSessionOptions {
  readonly scheme: "http" | "https";
  /** Whom the calls are for: `host:port`. */
  readonly authority: string;
  readonly limits: GrpcLimits;
  /** Take compressed messages. */
  readonly gzip: boolean;
  readonly keepAlive: { readonly idleMs: number; readonly timeoutMs: number } | undefined;
  /** Calls that wait because the peer runs as many as it wants to; more end with RESOURCE_EXHAUSTED. */
  readonly waitingCallsMax: number;
  /** A listener threw something that is no StatusError. */
  readonly onError: (error: unknown, call: ClientCall) => void;
}

/** What the shell is to one session. */
export interface ClientShell {
  /** Monotonic milliseconds. */
  now(): number;
  /** There is output that `receive` or `tick` did not make, or `tickAt` has changed. */
  wrote(): void;
  /** Runs something soon, but not before what runs now has returned. */
  soon(run: () => void): void;
  /** The peer has greeted: it speaks HTTP/2. */
  ready(): void;
  /** Told once, and not because of an end from this side: no new call begins here, those that run go on. */
  draining(why: string): void;
}

/** Blocks of paths that are kept; an application calls a few dozen methods. */
const PATHS_MAX = 256;

/** Heads of calls to one path. */
interface Heads {
  /** What all of them begin with. */
  readonly begin: Buffer;
  /** One without metadata, and the time it gives: most calls to a path give the same, or none. */
  plain: Buffer;
  timeoutMs: number;
}

/** The client side of one connection: gRPC calls on top of HTTP/2, without I/O. */
export class ClientSession implements ConnectionListener<OutgoingCall> {
  readonly connection: Connection<OutgoingCall>;
  readonly options: ClientSessionOptions;
  readonly #shell: ClientShell;
  readonly #partial: PartialBytes;
  readonly #heads = new Map<string, Heads>();
  /** Calls for which the peer has no stream now, in the order in which they begin. */
  readonly #waiting = new Set<OutgoingCall>();
  readonly #deadlines = new Deadlines<OutgoingCall>();
  #checkAt = Number.POSITIVE_INFINITY;
  #greeted = false;
  #draining = false;

  constructor(options: ClientSessionOptions, shell: ClientShell) {
    this.options = options;
    this.#shell = shell;
    this.#partial = new PartialBytes(options.limits.partialBytesMax);
    const { limits, keepAlive } = options;
    this.connection = new Connection({ role: "client", limits, keepAlive }, this, shell.now());
  }

  /** When `tick` wants to be called. */
  get tickAt(): number {
    return Math.min(this.connection.tickAt, this.#deadlines.at, this.#checkAt);
  }

  /** Calls that have not begun. */
  get waitingCalls(): number {
    return this.#waiting.size;
  }

  now(): number {
    return this.#shell.now();
  }

  wrote(): void {
    this.#shell.wrote();
  }

  soon(run: () => void): void {
    this.#shell.soon(run);
  }

  newReader(encoding: string): MessageReader {
    const gzip = this.options.gzip && encoding === "gzip";
    // It was not asked for: a fault of the server, not a method that it lacks.
    return new MessageReader(this.options.limits.messageBytesMax, gzip, this.#partial, Status.INTERNAL);
  }

  /** Begins a call. @throws TypeError when `path` is none, or the metadata cannot be carried. */
  call(path: string, listener: ClientListener, options: CallOptions = {}): ClientCall {
    const call = new OutgoingCall(this, path, listener, options, this.now());
    this.#begin(call);
    return call;
  }

  /** One message there, one back. Rejects with StatusError. */
  unary(path: string, message: Uint8Array, options: CallOptions = {}): Promise<Buffer> {
    const answer = new UnaryAnswer();
    const call = new OutgoingCall(this, path, answer, options, this.now());
    call.sendOnly(message);
    this.#begin(call);
    return answer.promise;
  }

  tick(now: number): void {
    this.connection.tick(now);
    this.#deadlines.expire(now);
    if (now >= this.#checkAt) this.#dropPartial(now);
  }

  /** Lets calls that run come to their end, and begins no more. */
  shutdown(): void {
    this.connection.shutdown(this.now());
    this.#endWaiting("the connection is being closed");
  }

  /** The connection is gone. */
  lost(cause: string): void {
    this.connection.lost(cause);
    this.#endWaiting(cause);
  }

  /** A call has ended. */
  ended(call: OutgoingCall): void {
    this.#waiting.delete(call);
    this.#deadlines.forget(call);
  }

  settings(): void {
    if (!this.#greeted) {
      this.#greeted = true;
      this.#shell.ready();
    }
    this.#startWaiting();
  }

  head(stream: Stream<OutgoingCall>, head: Head): void {
    const call = stream.call as OutgoingCall;
    if (head.tooLarge) this.#tooLarge(call);
    else {
      head.derived ??= answerOf(head);
      call.head(head.derived as Answer);
    }
  }

  data(stream: Stream<OutgoingCall>, from: Buffer, start: number, end: number): void {
    const call = stream.call as OutgoingCall;
    call.content(from, start, end, this.now());
    if (call.partialSince !== undefined) this.#checkBy(call.partialSince + this.options.limits.partialMs);
  }

  trailers(stream: Stream<OutgoingCall>, head: Head): void {
    const call = stream.call as OutgoingCall;
    if (head.tooLarge) this.#tooLarge(call);
    else {
      head.derived ??= endingOf(head);
      call.trailers(head.derived as Ending | undefined);
    }
  }

  remoteEnded(stream: Stream<OutgoingCall>): void {
    stream.call?.remoteEnded(stream);
  }

  drained(stream: Stream<OutgoingCall>): void {
    stream.call?.drained();
  }

  closed({ call }: Stream<OutgoingCall>, code: ErrorCode, byPeer: boolean): void {
    if (call?.answered === false) call.lost(code, byPeer);
    const { failure } = this.connection;
    if (failure !== undefined) this.#endWaiting(failure.message);
    else if (this.#waiting.size > 0) this.#startWaiting();
  }

  goaway(code: ErrorCode, text: string): void {
    this.#drain(`the peer takes no more calls: ${codeName(code)}${text === "" ? "" : `, ${text}`}`);
  }

  #begin(call: OutgoingCall): void {
    // Before all else: what cannot be sent has to be told to the caller, not to whoever makes room for a call that waits.
    const head = this.#headOf(call, call.deadlineMs);
    const { failure, goingAway } = this.connection;
    if (failure !== undefined) call.refuse(Status.UNAVAILABLE, `the connection has ended: ${failure.message}`);
    else if (goingAway)
      call.refuse(Status.UNAVAILABLE, "the connection takes no more calls; begin this one on another");
    else if (call.deadlineMs <= 0) call.refuse(Status.DEADLINE_EXCEEDED, "the deadline had passed before the call");
    else if (this.#waiting.size === 0 && call.start(head, this.now())) this.#deadlines.watch(call);
    else if (this.connection.goingAway) {
      call.refuse(Status.UNAVAILABLE, "the connection has used up its stream ids; begin this call on another");
      this.#drain("the stream ids of the connection are used up");
    } else if (this.#waiting.size >= this.options.waitingCallsMax) {
      const text = `${this.#waiting.size} calls wait already for one of the peer's ${this.connection.peerStreamsMax} streams`;
      call.refuse(Status.RESOURCE_EXHAUSTED, text);
    } else {
      this.#waiting.add(call);
      this.#deadlines.watch(call);
    }
    this.wrote();
  }

  /** Begins calls that wait, as many as the peer has streams for. */
  #startWaiting(): void {
    const { connection } = this;
    const now = this.now();
    for (const call of this.#waiting) {
      if (connection.goingAway || connection.streams.size >= connection.peerStreamsMax) return;
      this.#waiting.delete(call);
      // To the millisecond, or no two of these heads would be alike.
      const left = Math.max(Math.ceil(call.deadlineAt - now), 1);
      if (!call.start(this.#headOf(call, left), now)) {
        call.end(Status.UNAVAILABLE, "the connection has used up its stream ids; begin this call on another");
      }
    }
  }

  #headOf({ path, metadata }: OutgoingCall, timeoutMs: number): Buffer {
    const { scheme, authority, gzip } = this.options;
    let held = this.#heads.get(path);
    if (held === undefined) {
      const begin = callTo(scheme, authority, path);
      held = { begin, plain: callWith(begin, gzip, timeoutMs, undefined), timeoutMs };
      if (this.#heads.size >= PATHS_MAX) this.#heads.clear();
      this.#heads.set(path, held);
    }
    if (metadata !== undefined) return callWith(held.begin, gzip, timeoutMs, metadata);
    if (held.timeoutMs !== timeoutMs) {
      held.plain = callWith(held.begin, gzip, timeoutMs, undefined);
      held.timeoutMs = timeoutMs;
    }
    return held.plain;
  }

  #drain(why: string): void {
    this.#endWaiting(why);
    if (this.#draining) return;
    this.#draining = true;
    this.#shell.draining(why);
  }

  #endWaiting(why: string): void {
    for (const call of this.#waiting) call.end(Status.UNAVAILABLE, `the call was not processed: ${why}`);
  }

  #tooLarge(call: OutgoingCall): void {
    const max = this.options.limits.headerListBytesMax;
    call.end(Status.RESOURCE_EXHAUSTED, `the metadata of the answer is larger than the ${max} bytes that are taken`);
  }

  #dropPartial(now: number): void {
    this.#checkAt = Number.POSITIVE_INFINITY;
    for (const { call } of this.connection.streams.values()) {
      const since = call?.partialSince;
      if (call === undefined || since === undefined) continue;
      if (now - since >= this.options.limits.partialMs) {
        call.end(Status.UNAVAILABLE, "the rest of a message did not come");
      } else this.#checkBy(since + this.options.limits.partialMs);
    }
    if (this.#checkAt !== Number.POSITIVE_INFINITY) {
      this.#checkAt = Math.max(this.#checkAt, nextWalkAt(now, this.connection.streams.size));
    }
  }

  #checkBy(at: number): void {
    if (at < this.#checkAt) this.#checkAt = at;
  }
}
