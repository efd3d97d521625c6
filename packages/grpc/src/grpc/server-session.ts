import { Connection, type ConnectionListener } from "../http2/connection.ts";
import type { Head } from "../http2/head.ts";
import { ErrorCode } from "../http2/protocol.ts";
import { SHARED_HEAD_BYTES_MAX, type SharedHeads } from "../http2/shared-heads.ts";
import type { Stream } from "../http2/stream.ts";
import { plainHead } from "./blocks.ts";
import type { Methods, Peer, ServerCall } from "./call.ts";
import { Deadlines, nextWalkAt } from "./deadlines.ts";
import type { GrpcLimits } from "./limits.ts";
import { MessageReader, PartialBytes } from "./message-reader.ts";
import { type Request, requestOf } from "./request.ts";
import { IncomingCall } from "./server-call.ts";
import { Status } from "./status.ts";

/** What all connections of a server share. */
export interface SessionOptions {
  readonly methods: Methods;
  readonly limits: GrpcLimits;
  /** Take compressed messages, and compress answers to clients that take them. */
  readonly gzip: boolean;
  readonly keepAlive: { readonly idleMs: number; readonly timeoutMs: number } | undefined;
  /** A method threw something that is no StatusError. */
  readonly onError: (error: unknown, call: ServerCall) => void;
  readonly partial: PartialBytes;
  readonly heads: SharedHeads;
}

/** What the shell is to one session. */
export interface SessionShell {
  readonly peer: Peer;
  /** Monotonic milliseconds. */
  now(): number;
  /** There is output that `receive` or `tick` did not make. */
  wrote(): void;
}

/** A call with nothing special to it. */
const CALL_BYTES = 1024;
/** A message of a megabyte on its way in and one on its way out, or a thousand heads. */
const HOARDED_BYTES_USUAL = 2 * 1024 * 1024;

/** What a stream is for: a call, or a request of another kind, which is answered in HTTP when it has ended. */
type Use = IncomingCall | Refused;

class Refused {
  readonly status: number;
  readonly text: string;
  readonly hasBody: boolean;
  /** When it came. */
  readonly since: number;

  constructor([status, text]: NonNullable<Request["refused"]>, method: string, since: number) {
    this.since = since;
    this.status = status;
    this.text = text;
    this.hasBody = method !== "HEAD";
  }
}

/** The server side of one connection: gRPC calls on top of HTTP/2, without I/O. */
export class ServerSession implements ConnectionListener<Use> {
  readonly connection: Connection<Use>;
  readonly options: SessionOptions;
  readonly #shell: SessionShell;
  readonly #partial: PartialBytes;
  /** What the heads of open calls hold. */
  #requestBytes = 0;
  /** Whether a call has ever come. */
  used = false;
  /** Unary calls to settle when all of it was received. */
  #unsettled: IncomingCall[] | undefined;
  /** Unary calls with a deadline that came with what is being received. */
  #unwatched: IncomingCall[] | undefined;
  /** Calls with a deadline that were not answered at once. */
  #deadlines: Deadlines<IncomingCall> | undefined;
  #checkAt = Number.POSITIVE_INFINITY;

  constructor(options: SessionOptions, shell: SessionShell) {
    this.options = options;
    this.#shell = shell;
    this.#partial = new PartialBytes(options.limits.partialBytesMax, options.partial);
    const { limits, keepAlive, heads } = options;
    this.connection = new Connection({ role: "server", limits, keepAlive, heads }, this, shell.now());
  }

  get peer(): Peer {
    return this.#shell.peer;
  }

  /** When `tick` wants to be called. */
  get tickAt(): number {
    return Math.min(this.connection.tickAt, this.#deadlines?.at ?? Number.POSITIVE_INFINITY, this.#checkAt);
  }

  now(): number {
    return this.#shell.now();
  }

  wrote(): void {
    this.#shell.wrote();
  }

  /** About what the peer makes us hold, but for what lies in the socket. */
  get heldBytes(): number {
    return this.connection.streams.size * CALL_BYTES + this.#hoardedBytes;
  }

  /** Whether others should be read before: it costs more than is usual, or holds so much that it is dear to add to it. */
  isCostly(now: number): boolean {
    return this.connection.isCostly(now) || this.#hoardedBytes > HOARDED_BYTES_USUAL;
  }

  /** What is held beside the calls themselves. */
  get #hoardedBytes(): number {
    const { sender, heldBytes, untakenBytes } = this.connection;
    const waiting = sender.queuedBytes - sender.sharedBytes;
    return this.#requestBytes + this.#partial.used + waiting + heldBytes + untakenBytes;
  }

  /** Bytes of messages that have come and cannot be handed on yet, over all calls of the connection. */
  get partial(): PartialBytes {
    return this.#partial;
  }

  newReader(encoding: string): MessageReader {
    const gzip = this.options.gzip && encoding === "gzip";
    const unpacked = (bytes: number): void => this.connection.unpacked(bytes, this.now());
    const max = this.options.limits.messageBytesMax;
    return gzip
      ? new MessageReader(max, gzip, this.#partial, undefined, unpacked)
      : new MessageReader(max, gzip, this.#partial);
  }

  tick(now: number): void {
    this.connection.tick(now);
    this.#deadlines?.expire(now);
    if (now >= this.#checkAt) this.#dropPartial(now);
  }

  head(stream: Stream<Use>, head: Head): void {
    this.used = true;
    head.derived ??= requestOf(head, this.options.methods, this.options.gzip);
    const request = head.derived as Request;
    // Of a head that is too large the fields that tell what it is may be missing.
    if (request.refused !== undefined && !head.tooLarge) {
      stream.call = new Refused(request.refused, head.method, this.now());
      this.#checkBy(stream.call.since + this.options.limits.partialMs);
      return;
    }
    const call = new IncomingCall(this, stream as Stream<IncomingCall>, request, this.now());
    stream.call = call;
    if (countsAlone(request) || request.calls++ === 0) this.#requestBytes += request.bytes;
    if (head.tooLarge) {
      const max = this.options.limits.headerListBytesMax;
      call.end(Status.RESOURCE_EXHAUSTED, `the metadata of the call is larger than the ${max} bytes that are taken`);
    } else if (request.refusal !== undefined) call.refuse(request.refusal);
    else if (request.method !== undefined) {
      call.open(request.method);
      if (request.method.type === "stream") this.#watch(call);
      // Most unary calls are answered before anybody could watch.
      else if (call.deadlineAt !== Number.POSITIVE_INFINITY) {
        this.#unwatched ??= [];
        this.#unwatched.push(call);
      }
    }
  }

  data(stream: Stream<Use>, from: Buffer, start: number, end: number): void {
    const { call } = stream;
    if (!(call instanceof IncomingCall)) {
      this.connection.taken(stream, end - start);
      return;
    }
    call.content(from, start, end, this.now());
    this.#checkPartial(call);
  }

  received(): void {
    const unwatched = this.#unwatched;
    const unsettled = this.#unsettled;
    this.#unwatched = undefined;
    this.#unsettled = undefined;
    if (unwatched !== undefined) for (const call of unwatched) this.#watch(call);
    if (unsettled === undefined) return;
    for (const call of unsettled) {
      call.settle();
      this.#checkPartial(call);
    }
  }

  /** The head or the message of a unary call came with what is being received; the end of most of them does too. */
  unsettle(call: IncomingCall): void {
    this.#unsettled ??= [];
    this.#unsettled.push(call);
  }

  trailers(): void {
    // Clients send no trailers in gRPC; what comes all the same means nothing.
  }

  remoteEnded(stream: Stream<Use>): void {
    const { call } = stream;
    if (call instanceof Refused) this.#answerRefused(stream, call);
    else if (call !== undefined) {
      call.halfClosed();
    }
  }

  drained(stream: Stream<Use>): void {
    if (stream.call instanceof IncomingCall) stream.call.drained();
  }

  closed(stream: Stream<Use>, code: ErrorCode, byPeer: boolean): void {
    const { call } = stream;
    if (!(call instanceof IncomingCall)) return;
    this.#deadlines?.forget(call);
    if (countsAlone(call.request) || --call.request.calls === 0) this.#requestBytes -= call.request.bytes;
    call.closed(code, byPeer, this.connection.failure !== undefined);
  }

  goaway(): void {
    // The client opens no more streams; the shell closes TCP when those that run have ended.
  }

  /** Whoever speaks HTTP/2 but not gRPC reads why, in HTTP. */
  #answerRefused(stream: Stream<Use>, { status, text, hasBody }: Refused): void {
    const body = Buffer.from(text);
    this.connection.headers(stream, plainHead(status, body.length), !hasBody);
    if (!hasBody) return;
    this.connection.data(stream, body, false, false, this.now());
    this.connection.finish(stream);
  }

  #watch(call: IncomingCall): void {
    if (call.deadlineAt === Number.POSITIVE_INFINITY || call.ended) return;
    this.#deadlines ??= new Deadlines();
    this.#deadlines.watch(call);
  }

  #dropPartial(now: number): void {
    this.#checkAt = Number.POSITIVE_INFINITY;
    const { partialMs } = this.options.limits;
    for (const stream of this.connection.streams.values()) {
      const { call } = stream;
      const since = call instanceof IncomingCall ? call.partialSince : call?.since;
      if (since === undefined) continue;
      if (now - since < partialMs) this.#checkBy(since + partialMs);
      else if (call instanceof IncomingCall) call.end(Status.CANCELLED, "the rest of the request did not come");
      else this.connection.reset(stream, ErrorCode.CANCEL);
    }
    if (this.#checkAt !== Number.POSITIVE_INFINITY) {
      this.#checkAt = Math.max(this.#checkAt, nextWalkAt(now, this.connection.streams.size));
    }
  }

  #checkPartial({ partialSince }: IncomingCall): void {
    if (partialSince !== undefined) this.#checkBy(partialSince + this.options.limits.partialMs);
  }

  #checkBy(at: number): void {
    if (at < this.#checkAt) this.#checkAt = at;
  }
}

/** A short head may be that of other connections too, whose calls come and go: it weighs with each call as if it were its own. */
function countsAlone({ bytes }: Request): boolean {
  return bytes <= SHARED_HEAD_BYTES_MAX;
}
