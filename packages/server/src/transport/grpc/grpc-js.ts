import { createServer, type Server as NetServer, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions, type Server as TlsServer } from "node:tls";
import {
  type ConnectionInjector,
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import type { Clock } from "../../clock.ts";
import { Carried } from "./carried.ts";
import {
  type GrpcTransport,
  SILENT_MS,
  type TransportHandlers,
  type TransportOptions,
  type TlsOptions as TransportTls,
} from "./transport.ts";

/** With the default of 511, five thousand connects at once take six to eight seconds instead of one. */
const BACKLOG = 4096;
/** The first byte of a TLS record that opens a handshake. HTTP/2 begins with `P`. */
const TLS_HANDSHAKE = 0x16;

const UNARY = "/Request/request";
const STREAM = "/BiRequestStream/requestBiStream";

/**
 * The transport on `@grpc/grpc-js`. The listening socket and the TLS handshake are ours, and accepted sockets are handed
 * to the library: so a connection is known from its first moment, can be refused, and can be ended. The library's own
 * call objects are bypassed by an interceptor, which delivers a message in the turn in which it was parsed: that keeps
 * the order between the stream and the calls of one connection.
 */
export class GrpcJsTransport implements GrpcTransport {
  readonly #options: TransportOptions;
  readonly #handlers: TransportHandlers;
  readonly #clock: Clock;
  readonly #grpc: Server;
  readonly #http2: ConnectionInjector;
  readonly #tcp: NetServer;
  readonly #tls: TlsServer | undefined;
  /** By `ip:port` of the peer, as the library names the origin of a call. */
  readonly #byPeer = new Map<string, Carried>();
  readonly #open = new Set<Carried>();
  #allClosed: (() => void) | undefined;

  constructor(options: TransportOptions, handlers: TransportHandlers, clock: Clock) {
    this.#options = options;
    this.#handlers = handlers;
    this.#clock = clock;
    this.#grpc = new Server({
      interceptors: [(method, call) => new Diverted(call, () => this.#begin(method.path, call))],
      "grpc.max_receive_message_length": options.messageBytesMax,
      "grpc.max_send_message_length": -1,
      // The C# client opens a second TCP connection at the limit, whose calls would be unregistered.
      "grpc.max_concurrent_streams": 0x7fffffff,
      "grpc.enable_channelz": 0,
      ...(options.keepAlive && {
        "grpc.keepalive_time_ms": options.keepAlive.timeMs,
        "grpc.keepalive_timeout_ms": options.keepAlive.timeoutMs,
      }),
    });
    const unused = (_call: unknown, answer?: sendUnaryData<Buffer>): void => answer?.(null, Buffer.alloc(0));
    this.#grpc.register(UNARY, unused, asBuffer, asBuffer, "unary");
    this.#grpc.register(STREAM, unused, asBuffer, asBuffer, "bidi");
    this.#http2 = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    this.#tcp = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#accept(socket));
    this.#tls = options.tls === undefined ? undefined : this.#tlsServer(options.tls);
  }

  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#tcp.once("error", reject);
      this.#tcp.listen({ host: this.#options.host, port: this.#options.port, backlog: BACKLOG }, () => {
        this.#tcp.off("error", reject);
        // Accepting may fail for a moment, for example for want of file descriptors; the next connect tries again.
        this.#tcp.on("error", () => {});
        const address = this.#tcp.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
  }

  renewTls(tls: TransportTls): void {
    this.#tls?.setSecureContext(secureOptions(tls));
  }

  async close(graceMs: number): Promise<void> {
    const stopped = new Promise<void>((resolve) => this.#tcp.close(() => resolve()));
    for (const connection of this.#open) connection.close(graceMs);
    await stopped;
    if (this.#open.size > 0) {
      await new Promise<void>((resolve) => {
        this.#allClosed = resolve;
      });
    }
    this.#http2.destroy();
    this.#grpc.forceShutdown();
  }

  #tlsServer(options: NonNullable<TransportOptions["tls"]>): TlsServer {
    const server = createTlsServer(secureOptions(options));
    server.on("secureConnection", (secured) => {
      const peer = this.#byPeer.get(peerOf(secured));
      if (peer === undefined) return secured.destroy();
      secured.on("error", () => secured.destroy());
      peer.secured(secured);
      this.#http2.injectConnection(secured);
      return undefined;
    });
    // The socket is destroyed by the library; its `close` ends the connection.
    server.on("tlsClientError", () => {});
    return server;
  }

  #accept(socket: Socket): void {
    // A reset after the peer went away must not end the process; `close` follows every error.
    socket.on("error", () => socket.destroy());
    if (socket.remoteAddress === undefined || this.#open.size >= this.#options.connectionsMax) {
      socket.destroy();
      return;
    }
    const carried = new Carried(socket, this.#handlers, this.#clock, this.#options.queuedBytesMax);
    if (!this.#handlers.opened(carried)) {
      socket.destroy();
      return;
    }
    const peer = peerOf(socket);
    this.#open.add(carried);
    this.#byPeer.set(peer, carried);
    carried.expectCall(this.#options.silentMs ?? SILENT_MS);
    socket.once("close", () => {
      this.#open.delete(carried);
      if (this.#byPeer.get(peer) === carried) this.#byPeer.delete(peer);
      carried.tcpClosed();
      if (this.#open.size === 0) this.#allClosed?.();
    });
    socket.once("readable", () => this.#route(socket));
  }

  /** Looks at the first byte and gives the socket to TLS or to HTTP/2, the byte put back. */
  #route(socket: Socket): void {
    const first: Buffer | null = socket.read();
    // The peer ended before it said anything.
    if (first === null) {
      socket.destroy();
      return;
    }
    socket.unshift(first);
    if (first[0] === TLS_HANDSHAKE) {
      if (this.#tls === undefined) socket.destroy();
      else this.#tls.emit("connection", socket);
    } else if (this.#tls !== undefined && this.#options.tls?.plaintext === false) socket.destroy();
    else this.#http2.injectConnection(socket);
  }

  #begin(path: string, call: ServerInterceptingCallInterface): void {
    const connection = this.#byPeer.get(call.getPeer());
    if (connection === undefined) call.sendStatus({ code: status.UNAVAILABLE, details: "the connection has ended" });
    else if (path === UNARY) connection.unary(call);
    else connection.stream(call);
  }
}

/** Stands where the library expects its own call object, and starts ours instead; the handlers are never called. */
class Diverted extends ServerInterceptingCall {
  readonly #begin: () => void;

  constructor(call: ServerInterceptingCallInterface, begin: () => void) {
    super(call);
    this.#begin = begin;
  }

  override start(): void {
    this.#begin();
  }
}

function secureOptions(options: TransportTls): TlsOptions {
  return {
    cert: options.cert,
    key: options.key,
    ...(options.keyPassword === undefined ? {} : { passphrase: options.keyPassword }),
    ...(options.ca === undefined ? {} : { ca: options.ca }),
    requestCert: options.mutual,
    rejectUnauthorized: options.mutual,
    ALPNProtocols: ["h2"],
    minVersion: "TLSv1.2",
  };
}

function asBuffer(bytes: Buffer): Buffer {
  return bytes;
}

/** As the library writes it in `getPeer`. */
function peerOf(socket: {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}): string {
  return `${socket.remoteAddress}:${socket.remotePort}`;
}

export function grpcJsTransport(options: TransportOptions, handlers: TransportHandlers, clock: Clock): GrpcTransport {
  return new GrpcJsTransport(options, handlers, clock);
}
