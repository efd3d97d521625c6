import type { Socket } from "node:net";
import { Metadata, type ServerInterceptingCallInterface, status } from "@grpc/grpc-js";
import type { Clock, Timer } from "../../clock.ts";
import { ENDED, type TransportConnection, type TransportHandlers } from "./transport.ts";

/** Bytes of a gRPC message before its payload. */
const PREFIX_BYTES = 5;
/** How long the peer may take to close TCP after its stream has ended. */
const END_GRACE_MS = 1000;

const OK = { code: status.OK, details: "OK" };
const END = { code: status.UNAVAILABLE, details: ENDED };

/** One TCP connection on `@grpc/grpc-js`: its stream, its running calls, and its end. */
export class Carried implements TransportConnection {
  readonly id: string;
  readonly remoteIp: string;
  readonly remotePort: number;
  readonly localPort: number;
  tls = false;
  readonly #handlers: TransportHandlers;
  readonly #clock: Clock;
  readonly #queuedBytesMax: number;
  readonly #tcp: Socket;
  /** What HTTP/2 runs on: the TCP socket, or the TLS socket on top of it. */
  #socket: Socket;
  #stream: ServerInterceptingCallInterface | undefined;
  #queuedBytes = 0;
  #over = false;
  readonly #streams = new Set<ServerInterceptingCallInterface>();
  /** Calls and streams whose status has not left. */
  #running = 0;
  #silent: Timer | undefined;
  #end: Timer | undefined;
  /** Whether `closed` was told; nothing is told after it. */
  #closed = false;
  #closing = false;
  #ended = false;

  constructor(tcp: Socket, handlers: TransportHandlers, clock: Clock, queuedBytesMax: number) {
    // An address of version 4 on a socket of version 6 is written as one of version 4, as clients know themselves.
    this.remoteIp = (tcp.remoteAddress ?? "").replace(/^::ffff:/i, "");
    this.remotePort = tcp.remotePort ?? 0;
    this.localPort = tcp.localPort ?? 0;
    this.id = `${Math.floor(clock.wall())}_${this.remoteIp}_${this.remotePort}`;
    this.#tcp = tcp;
    this.#socket = tcp;
    this.#handlers = handlers;
    this.#clock = clock;
    this.#queuedBytesMax = queuedBytesMax;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get streaming(): boolean {
    return this.#stream !== undefined;
  }

  send(payload: Uint8Array): boolean {
    const stream = this.#stream;
    if (stream === undefined || this.#closing) return false;
    const size = payload.length + PREFIX_BYTES;
    this.#queuedBytes += size;
    if (this.#queuedBytes > this.#queuedBytesMax) this.#over = true;
    // Called when the socket has taken the bytes, which flow control may put off for as long as the peer does not read.
    stream.sendMessage(asBuffer(payload), () => this.#taken(size));
    return true;
  }

  close(graceMs: number): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#end = this.#clock.schedule(graceMs, () => this.#tcp.destroy());
    for (const call of this.#streams) call.sendStatus(END);
    this.#endWhenDone();
  }

  /** Drops the connection unless a call arrives in time: port scanners, half prefaces, abandoned handshakes. */
  expectCall(withinMs: number): void {
    this.#silent = this.#clock.schedule(withinMs, () => this.#tcp.destroy());
  }

  secured(socket: Socket): void {
    this.tls = true;
    this.#socket = socket;
  }

  tcpClosed(): void {
    this.#silent?.cancel();
    this.#end?.cancel();
    this.#tell("the TCP connection ended");
  }

  unary(call: ServerInterceptingCallInterface): void {
    let asked = false;
    this.#run(call, {
      onReceiveMessage: (message: Buffer) => {
        // The first message is the call; a second would be a breach of the protocol and is not read.
        asked = true;
        this.#answer(call, message);
      },
      onReceiveHalfClose: () => {
        if (!asked) call.sendStatus({ code: status.INVALID_ARGUMENT, details: "the call carries no message" });
      },
      onEnd: () => {},
    });
  }

  stream(call: ServerInterceptingCallInterface): void {
    const first = this.#stream === undefined && !this.#closed && !this.#closing;
    this.#streams.add(call);
    if (first) {
      this.#stream = call;
      this.#handlers.streamOpened(this);
    }
    this.#run(call, {
      onReceiveMessage: (message: Buffer) => {
        if (!this.#closed) this.#handlers.streamMessage(this, message);
        call.startRead();
      },
      onReceiveHalfClose: () => {
        if (first) this.#tell("the client ended the stream");
        call.sendStatus(OK);
      },
      onEnd: () => {
        this.#streams.delete(call);
        if (!first) return;
        this.#tell(this.#closing ? "the server ended the stream" : "the client cancelled the stream");
        this.close(END_GRACE_MS);
      },
    });
    // The headers of the answer leave now: several SDKs wait for them before they write their setup.
    if (this.#streams.has(call)) call.sendMetadata(new Metadata());
    // A stream that arrives on a connection that is being ended ends with it.
    if (this.#closing) call.sendStatus(END);
  }

  /** Starts a call and counts it as running until its status has left or it was cancelled. */
  #run(
    call: ServerInterceptingCallInterface,
    on: { onReceiveMessage(message: Buffer): void; onReceiveHalfClose(): void; onEnd(): void },
  ): void {
    this.#silent?.cancel();
    this.#running++;
    let ended = false;
    let begun = false;
    const end = (): void => {
      if (ended) return;
      ended = true;
      this.#running--;
      on.onEnd();
      this.#endWhenDone();
    };
    call.start({
      onReceiveMetadata: () => {
        begun = true;
        call.startRead();
      },
      onReceiveMessage: on.onReceiveMessage,
      onReceiveHalfClose: on.onReceiveHalfClose,
      onCancel: end,
    });
    // The library starts nothing, and tells nothing, when the peer has reset the call already.
    if (!begun) end();
  }

  #answer(call: ServerInterceptingCallInterface, message: Buffer): void {
    const send = (payload: Uint8Array): void => call.sendMessage(asBuffer(payload), () => call.sendStatus(OK));
    const fail = (): void =>
      call.sendStatus({ code: status.INTERNAL, details: "the server failed to handle this call" });
    if (this.#closed) {
      // The call crossed the end of its stream; the client tries again on its next connection.
      call.sendStatus({ code: status.UNAVAILABLE, details: "the connection has ended" });
      return;
    }
    try {
      const answer = this.#handlers.unary(this, message);
      if (answer instanceof Promise) answer.then(send).catch(fail);
      else send(answer);
    } catch {
      fail();
    }
  }

  #taken(size: number): void {
    if (this.#closed) return;
    this.#queuedBytes -= size;
    if (this.#over && this.#queuedBytes < this.#queuedBytesMax / 2) {
      this.#over = false;
      this.#handlers.drained(this);
    }
  }

  /** Nothing runs any more: our half of TCP ends, then the peer ends its own, or the grace does. */
  #endWhenDone(): void {
    if (!this.#closing || this.#running > 0 || this.#ended) return;
    this.#ended = true;
    // The library has handed the last frame to HTTP/2, which writes it in the next turn of the event loop.
    setImmediate(() => setImmediate(() => this.#socket.end()));
  }

  #tell(cause: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stream = undefined;
    this.#queuedBytes = 0;
    this.#handlers.closed(this, cause);
  }
}

/** The library writes Node buffers; the view shares the bytes. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
