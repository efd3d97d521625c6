import { createServer, type Server as NetServer, type Socket } from "node:net";
import type { Server as TlsServer } from "node:tls";
import type { Methods, Peer, ServerCall } from "../grpc/call.ts";
import type { GrpcLimits } from "../grpc/limits.ts";
import { PartialBytes } from "../grpc/message-reader.ts";
import { SharedHeads } from "../http2/shared-heads.ts";
import { AcceptedConnection, type Acceptor } from "./accepted.ts";
import { aside, uncaught } from "./aside.ts";
import { Complaints } from "./complaints.ts";
import { HeldBytes, type Holder } from "./held-bytes.ts";
import { Loop } from "./loop.ts";
import { Newcomers } from "./newcomers.ts";
import { Offenders } from "./offenders.ts";
import { checkGraceMs, checkServerOptions, checkServerTls, limitsOf } from "./options.ts";
import { nodeTls, type ServerTls, secureOptions, TLS_DEFAULTS } from "./tls.ts";
import type { Reader } from "./turns.ts";

export interface ServerOptions {
  /** An address, or a name, which stands for the first address that it has. Default: all addresses of this host. */
  readonly host?: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly methods: Methods;
  readonly limits?: Partial<GrpcLimits>;
  /** More TCP connections than this are closed at accept. */
  readonly connectionsMax?: number;
  /** A connection that makes no call for this long after it was accepted is closed. Milliseconds. */
  readonly firstCallMs?: number;
  /** Silence after which a client that has spoken is pinged, and how long a sign of life may take. Default: no pings. */
  readonly keepAlive?: { readonly idleMs: number; readonly timeoutMs: number };
  /** Take gzipped messages, and gzip answers for clients that take them. Default: false. */
  readonly gzip?: boolean;
  readonly tls?: ServerTls;
  /** A connection was accepted. False closes it at once, and `closed` is not told of it. */
  readonly accepts?: (peer: Peer) => boolean;
  /** A connection that was accepted is gone, all its calls before it. */
  readonly closed?: (peer: Peer, cause: string) => void;
  /**
   * A method threw something that is no StatusError: its call ended with INTERNAL. Default: a line on stderr, once a minute
   * for each method.
   */
  readonly onError?: (error: unknown, call: ServerCall) => void;
}

/** With the default of 511, five thousand connects at once take six to eight seconds instead of one. */
const BACKLOG = 4096;
const CONNECTIONS_MAX = 100_000;
const FIRST_CALL_MS = 10_000;
/**
 * What accepting a connection and closing it costs, and a handshake of TLS after its first step. Node does it when it
 * wants; whoever is suspect pays for it all the same. Milliseconds, about those of one core of 2025.
 */
const ACCEPT_MS = 0.1;
const HANDSHAKE_MS = 0.3;
/** The first byte of a TLS record that opens a handshake; HTTP/2 begins with `P`. */
const TLS_HANDSHAKE = 0x16;

/** A gRPC server on `net` and `tls` sockets. */
export class GrpcServer {
  readonly #options: ServerOptions;
  readonly #tcp: NetServer;
  readonly #tls: TlsServer | undefined;
  readonly #loop = new Loop();
  readonly #acceptor: Acceptor;
  readonly #newcomers: Newcomers;
  readonly #open = new Set<AcceptedConnection>();
  readonly #offenders = new Offenders();
  readonly #tellClosed: (peer: Peer, cause: string) => void;
  /** Connections whose TLS handshake runs, by `ip:port` of the peer. */
  readonly #securing = new Map<string, AcceptedConnection>();
  #port = 0;
  #closing = false;
  #allClosed: PromiseWithResolvers<void> | undefined;

  /** @throws TypeError that names the option and the rule that it breaks. */
  constructor(options: ServerOptions) {
    checkServerOptions(options);
    this.#options = options;
    const limits = limitsOf(options.limits);
    this.#newcomers = new Newcomers(options.firstCallMs ?? FIRST_CALL_MS);
    const port = (): number => this.#port;
    this.#acceptor = {
      loop: this.#loop,
      held: new HeldBytes(limits.heldBytesMaxOfAll, () => this.#holders()),
      session: {
        methods: options.methods,
        limits,
        gzip: options.gzip ?? false,
        keepAlive: options.keepAlive,
        onError: aside(options.onError ?? complaining()),
        partial: new PartialBytes(limits.heldBytesMaxOfAll),
        heads: new SharedHeads(),
      },
      get port() {
        return port();
      },
      ended: (connection, cause) => this.#ended(connection, cause),
    };
    this.#tellClosed = aside(options.closed ?? (() => {}));
    this.#tcp = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#accept(socket));
    this.#tls = options.tls === undefined ? undefined : this.#tlsServer(options.tls);
  }

  /** How many TCP connections are open. */
  get connections(): number {
    return this.#open.size;
  }

  /** @returns the port that is listened on. @throws the system's error, for example with code EADDRINUSE. */
  listen(): Promise<number> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      const closed = (): void => reject(new Error("the server was closed before it listened"));
      if (this.#closing) return closed();
      this.#tcp.once("error", reject).once("close", closed);
      this.#tcp.listen({ ...(host !== undefined && { host }), port, backlog: BACKLOG }, () => {
        // Closed while the name of the host was looked up, Node listens all the same.
        if (this.#closing) return void this.#tcp.close();
        this.#tcp.off("error", reject).off("close", closed);
        // Accepting may fail for a moment, for example for want of file descriptors; the next connect tries again.
        this.#tcp.on("error", () => {});
        const address = this.#tcp.address();
        this.#port = typeof address === "object" && address !== null ? address.port : 0;
        resolve(this.#port);
      });
    });
  }

  /**
   * Takes new certificates for connections that come from now on. `clientCertificates` and `plaintext` stay as they were,
   * left out or not.
   *
   * @throws TypeError when they do not fit together, something else than certificates has changed, or the server was made
   *   without TLS.
   */
  renewTls(tls: ServerTls): void {
    const server = this.#tls;
    if (server === undefined) throw new TypeError("renewTls: the server was made without options.tls, and stays so");
    checkServerTls("tls", tls);
    for (const field of ["clientCertificates", "plaintext"] as const) {
      const before = this.#options.tls?.[field] ?? TLS_DEFAULTS[field];
      if ((tls[field] ?? before) === before) continue;
      throw new TypeError(`tls.${field} is ${tls[field]} but was ${before}; only a new server can change it`);
    }
    fitting("tls", () => server.setSecureContext(secureOptions(tls)));
  }

  /** Accepts nothing new, lets calls that run end for at most `graceMs`, then ends what is left. */
  async close(graceMs: number): Promise<void> {
    checkGraceMs(graceMs);
    this.#closing = true;
    const stopped = new Promise<void>((resolve) => this.#tcp.close(() => resolve()));
    for (const connection of this.#open) connection.close(graceMs);
    await stopped;
    if (this.#open.size === 0) return;
    this.#allClosed ??= Promise.withResolvers();
    await this.#allClosed.promise;
  }

  #tlsServer(tls: ServerTls): TlsServer {
    const handshakeTimeout = this.#options.firstCallMs ?? FIRST_CALL_MS;
    const create = (): TlsServer => nodeTls().createServer({ ...secureOptions(tls), handshakeTimeout });
    const server = fitting("options.tls", create);
    server.on("secureConnection", (secured) => {
      const connection = this.#securing.get(peerOf(secured));
      secured.on("error", destroyed);
      if (connection === undefined) secured.destroy();
      else connection.carry(secured);
    });
    // Node destroys the socket, whose `close` ends the connection.
    server.on("tlsClientError", (_, socket) => {
      const connection = this.#securing.get(peerOf(socket));
      if (connection !== undefined) connection.offended = true;
    });
    return server;
  }

  #accept(socket: Socket): void {
    // A reset after the peer went away must not end the process; `close` follows every error.
    socket.on("error", destroyed);
    if (socket.remoteAddress === undefined || this.#open.size >= (this.#options.connectionsMax ?? CONNECTIONS_MAX)) {
      socket.destroy();
      return;
    }
    const connection = new AcceptedConnection(socket, this.#acceptor);
    if (!this.#accepts(connection)) {
      socket.destroy();
      return;
    }
    this.#open.add(connection);
    // Ended by `accepts` itself: whoever let it in hears of its end all the same.
    if (connection.gone) {
      this.#ended(connection, "the connection was closed before its first call");
      return;
    }
    this.#newcomers.expect(connection);
    connection.suspect = this.#offenders.suspect(connection.remoteAddress, this.#loop.now());
    if (connection.suspect === undefined) this.#begin(socket, connection);
    else {
      socket.once("close", () => connection.lost());
      this.#wait(connection, { asideMs: ACCEPT_MS, begin: () => this.#begin(socket, connection) });
    }
  }

  /** Lets a connection begin when its turn comes. Whoever is suspect waits behind others. */
  #wait(connection: AcceptedConnection, { begin, ...costs }: Beginning): void {
    const reader: Reader = {
      ...costs,
      isCostly: (now) => connection.suspects(now),
      work: () => {
        connection.waiting = undefined;
        begin();
        return false;
      },
    };
    connection.waiting = reader;
    this.#loop.turns.wait(reader, this.#loop.now());
  }

  #begin(socket: Socket, connection: AcceptedConnection): void {
    if (this.#tls === undefined) connection.carry(socket);
    else this.#route(socket, connection, this.#tls);
  }

  #accepts(connection: AcceptedConnection): boolean {
    try {
      return this.#options.accepts?.(connection) !== false;
    } catch (error) {
      uncaught(error);
      return false;
    }
  }

  /** Looks at the first byte and gives the socket to TLS or to HTTP/2, the byte put back. */
  #route(socket: Socket, connection: AcceptedConnection, tls: TlsServer): void {
    socket.once("close", () => connection.lost());
    socket.once("readable", () => {
      const first: Buffer | null = socket.read();
      // The peer ended before it said anything, or may not speak without TLS.
      const allowed = first?.[0] === TLS_HANDSHAKE || this.#options.tls?.plaintext === true;
      if (first === null || !allowed) {
        connection.offended = first !== null;
        socket.destroy();
        return;
      }
      socket.unshift(first);
      if (first[0] !== TLS_HANDSHAKE) return connection.carry(socket);
      // A handshake costs more than hundreds of calls, and several may have begun in this turn.
      const begin = (): void => {
        connection.secures = true;
        this.#securing.set(peerOf(socket), connection);
        tls.emit("connection", socket);
      };
      this.#wait(connection, { indivisible: true, asideMs: HANDSHAKE_MS, begin });
    });
  }

  *#holders(): IterableIterator<Holder> {
    for (const { wire } of this.#open) if (wire !== undefined) yield wire;
  }

  #ended(connection: AcceptedConnection, cause: string): void {
    // `accepts` has not let it in.
    if (!this.#open.delete(connection)) return;
    this.#newcomers.forget(connection);
    if (this.#securing.size > 0) {
      const peer = peerOf(connection.tcp);
      if (this.#securing.get(peer) === connection) this.#securing.delete(peer);
    }
    if (connection.waiting !== undefined) this.#loop.turns.forget(connection.waiting);
    if (connection.wasAbuse) this.#offenders.note(connection.remoteAddress, this.#loop.now());
    this.#tellClosed(connection, cause);
    if (this.#open.size === 0) this.#allClosed?.resolve();
  }
}

/** What a connection does when its turn comes. */
interface Beginning extends Pick<Reader, "indivisible" | "asideMs"> {
  readonly begin: () => void;
}

/** Mistakes of an application that does not ask for them. */
function complaining(): (error: unknown, call: ServerCall) => void {
  const complaints = new Complaints();
  return (error, { path }) => {
    const line = complaints.line(error, path, performance.now());
    if (line !== undefined) process.stderr.write(`${line}\n`);
  };
}

/** Says which option it is that OpenSSL finds fault with. */
function fitting<T>(name: string, use: () => T): T {
  try {
    return use();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new TypeError(`${name} cannot be used; look whether key and passphrase belong to cert: ${why}`, {
      cause: error,
    });
  }
}

/** One function for all sockets. */
function destroyed(this: Socket): void {
  this.destroy();
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress}:${socket.remotePort}`;
}
