import {
  type CallEnd,
  type CallListener,
  GRPC_LIMITS,
  GrpcServer,
  type Peer,
  type ServerCall,
  type ServerTls,
  Status,
  StatusError,
} from "@nacre/grpc";
import type { Clock } from "../../clock.ts";
import { escalate, uncaught } from "../../faults.ts";
import {
  ENDED,
  type GrpcTransport,
  SILENT_MS,
  type TlsOptions,
  type TransportConnection,
  type TransportHandlers,
  type TransportOptions,
} from "./transport.ts";

const UNARY = "/Request/request";
const STREAM = "/BiRequestStream/requestBiStream";
/** How long the peer may take to close TCP after its stream has ended. */
const END_GRACE_MS = 1000;
/** Several of the largest messages may arrive on one connection at a time. */
const LARGE_MESSAGES = 3;

/** The transport on the engine of `@nacre/grpc`. */
export class NativeTransport implements GrpcTransport {
  readonly #server: GrpcServer;
  readonly #byPeer = new Map<Peer, PeerConnection>();

  constructor(options: TransportOptions, handlers: TransportHandlers, clock: Clock) {
    const connectionOf = (call: ServerCall): PeerConnection => this.#byPeer.get(call.peer) as PeerConnection;
    const { tls, keepAlive, messageBytesMax } = options;
    this.#server = new GrpcServer({
      host: options.host,
      port: options.port,
      connectionsMax: options.connectionsMax,
      firstCallMs: options.silentMs ?? SILENT_MS,
      limits: {
        messageBytesMax,
        partialBytesMax: Math.max(GRPC_LIMITS.partialBytesMax, LARGE_MESSAGES * messageBytesMax),
        heldBytesMaxOfAll: Math.max(GRPC_LIMITS.heldBytesMaxOfAll, LARGE_MESSAGES * messageBytesMax),
        streamQueuedBytes: options.queuedBytesMax,
      },
      ...(keepAlive && { keepAlive: { idleMs: keepAlive.timeMs, timeoutMs: keepAlive.timeoutMs } }),
      ...(tls && { tls: serverTls(tls) }),
      methods: {
        [UNARY]: {
          type: "unary",
          handle: (message, call) => connectionOf(call).unary(message),
        },
        [STREAM]: { type: "stream", open: (call) => connectionOf(call).stream(call) },
      },
      accepts: (peer) => {
        const connection = new PeerConnection(peer, handlers, clock);
        if (!handlers.opened(connection)) return false;
        this.#byPeer.set(peer, connection);
        return true;
      },
      closed: (peer, cause) => {
        const connection = this.#byPeer.get(peer);
        this.#byPeer.delete(peer);
        connection?.tell(cause);
      },
      // The caller of a unary call is told that it failed; of a message on the stream nobody would hear.
      onError: (error, { path }) => (path === UNARY ? escalate(error) : uncaught(error)),
    });
  }

  listen(): Promise<number> {
    return this.#server.listen();
  }

  renewTls(tls: TlsOptions): void {
    this.#server.renewTls(serverTls(tls));
  }

  close(graceMs: number): Promise<void> {
    for (const connection of this.#byPeer.values()) connection.close(graceMs);
    return this.#server.close(graceMs);
  }
}

/** One TCP connection: its stream, and its end. */
class PeerConnection implements TransportConnection {
  readonly id: string;
  readonly #peer: Peer;
  readonly #handlers: TransportHandlers;
  #stream: ServerCall | undefined;
  /** Streams that are open, the first and any others. */
  readonly #streams = new Set<ServerCall>();
  #closing = false;
  /** Whether `closed` was told; nothing is told after it. */
  #closed = false;

  constructor(peer: Peer, handlers: TransportHandlers, clock: Clock) {
    this.#peer = peer;
    this.#handlers = handlers;
    this.id = `${Math.floor(clock.wall())}_${peer.remoteAddress}_${peer.remotePort}`;
  }

  get remoteIp(): string {
    return this.#peer.remoteAddress;
  }

  get remotePort(): number {
    return this.#peer.remotePort;
  }

  get localPort(): number {
    return this.#peer.localPort;
  }

  get tls(): boolean {
    return this.#peer.encrypted;
  }

  get queuedBytes(): number {
    return this.#stream?.queuedBytes ?? 0;
  }

  get streaming(): boolean {
    return this.#stream !== undefined;
  }

  send(payload: Uint8Array): boolean {
    if (this.#stream === undefined || this.#closing || this.#stream.ended) return false;
    this.#stream.send(payload);
    return true;
  }

  close(graceMs: number): void {
    if (this.#closing) return;
    this.#closing = true;
    for (const stream of this.#streams) stream.end(Status.UNAVAILABLE, ENDED);
    this.#peer.close(graceMs);
  }

  unary(message: Uint8Array): Uint8Array | Promise<Uint8Array> {
    // The call crossed the end of its stream; the client tries again on its next connection.
    if (this.#closed) throw new StatusError(Status.UNAVAILABLE, "the connection has ended");
    return this.#handlers.unary(this, message);
  }

  stream(call: ServerCall): CallListener {
    const first = this.#stream === undefined && !this.#closed && !this.#closing;
    // The headers of the answer leave now: several SDKs wait for them before they write their setup.
    call.sendMetadata();
    this.#streams.add(call);
    if (first) {
      this.#stream = call;
      this.#handlers.streamOpened(this);
    }
    // A stream that arrives on a connection that is being ended ends with it.
    if (this.#closing) call.end(Status.UNAVAILABLE, ENDED);
    return {
      message: (message) => {
        if (!this.#closed) this.#handlers.streamMessage(this, message);
      },
      halfClosed: () => {
        if (first) this.tell("the client ended the stream");
        call.end();
      },
      drained: () => {
        if (first && !this.#closed) this.#handlers.drained(this);
      },
      closed: (end) => {
        this.#streams.delete(call);
        if (!first) return;
        this.tell(this.#closing ? "the server ended the stream" : CAUSES[end]);
        this.close(END_GRACE_MS);
      },
    };
  }

  tell(cause: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stream = undefined;
    this.#handlers.closed(this, cause);
  }
}

function serverTls(tls: TlsOptions): ServerTls {
  return {
    cert: tls.cert,
    key: tls.key,
    ...(tls.keyPassword !== undefined && { passphrase: tls.keyPassword }),
    ...(tls.ca !== undefined && { ca: tls.ca }),
    clientCertificates: tls.mutual ? "required" : "none",
    plaintext: tls.plaintext,
  };
}

const CAUSES: Record<CallEnd, string> = {
  completed: "the server ended the stream",
  cancelled: "the client cancelled the stream",
  deadline: "the deadline of the stream passed",
  connection: "the TCP connection ended",
  error: "the client broke the rules of HTTP/2",
};
