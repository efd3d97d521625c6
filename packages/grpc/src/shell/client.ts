import { connect as connectTcp, type Socket } from "node:net";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import type { CallOptions, ClientCall, ClientListener } from "../grpc/call.ts";
import { ClientSession, type ClientSessionOptions } from "../grpc/client-session.ts";
import type { GrpcLimits } from "../grpc/limits.ts";
import { Status, StatusError } from "../grpc/status.ts";
import { aside, uncaught } from "./aside.ts";
import { Loop } from "./loop.ts";
import { checkCallOptions, checkClientListener, checkConnectOptions, checkGraceMs, limitsOf } from "./options.ts";
import { type ClientTls, nodeTls, secureClientOptions } from "./tls.ts";
import { Wire } from "./wire.ts";

export interface ConnectOptions {
  /** A name or an address. */
  readonly host: string;
  readonly port: number;
  /** Default: no TLS. */
  readonly tls?: ClientTls;
  readonly limits?: Partial<GrpcLimits>;
  /** Silence after which the server is pinged, and how long any sign of life may take. Default: no pings. */
  readonly keepAlive?: { readonly idleMs: number; readonly timeoutMs: number };
  /** How long TCP, TLS and the server's greeting may take together. */
  readonly connectTimeoutMs?: number;
  /** Take gzipped messages. Default: false. */
  readonly gzip?: boolean;
  /** Calls that may wait because the server runs as many as it wants to; more end with RESOURCE_EXHAUSTED. */
  readonly waitingCallsMax?: number;
  /**
   * Told at most once: the server has said GOAWAY. Calls that run may go on, but no new one can begin; it is time to
   * connect anew. A connection that is lost tells so by `closed` alone.
   */
  readonly draining?: (why: string) => void;
  /** A listener threw something that is no StatusError; its call has ended. Default: it becomes an uncaught exception. */
  readonly onError?: (error: unknown, call: ClientCall) => void;
}

const CONNECT_TIMEOUT_MS = 5000;
const WAITING_CALLS_MAX = 1000;

/** Timers and writes of all connections that this thread has opened. */
const loop = new Loop();

/**
 * Connects to one server, and waits until it has greeted in HTTP/2.
 *
 * @throws StatusError UNAVAILABLE that says why, with the system's error as its cause.
 * @throws TypeError that names the option and the rule that it breaks.
 */
export async function connectGrpc(options: ConnectOptions): Promise<GrpcConnection> {
  checkConnectOptions(options);
  return connect(options, sessionOptions(options));
}

function connect(options: ConnectOptions, session: ClientSessionOptions): Promise<GrpcConnection> {
  const { promise, resolve, reject } = Promise.withResolvers<GrpcConnection>();
  const address = authority(options.host, options.port);
  const fail = (why: string, cause?: unknown): void => {
    clearTimeout(timer);
    const text = `cannot connect to ${address}: ${why}`;
    reject(new StatusError(Status.UNAVAILABLE, text, cause === undefined ? undefined : { cause }));
  };
  const withinMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
  const timer = setTimeout(() => {
    fail(`it took more than ${withinMs} ms`);
    socket?.destroy();
  }, withinMs);
  let socket: Socket | undefined;
  try {
    socket = open(options);
  } catch (error) {
    fail(reason(error), error);
    return promise;
  }
  const opened = socket;
  // Every error is followed by `close`; what it says is of use only before.
  opened.on("error", (error) => fail(reason(error), error));
  opened.on("close", () => fail("the connection was closed before the server's greeting"));
  opened.once(options.tls === undefined ? "connect" : "secureConnect", () => {
    if (options.tls !== undefined && (opened as TLSSocket).alpnProtocol !== "h2") {
      fail("the server did not agree to HTTP/2 (ALPN h2) in its TLS handshake");
      opened.destroy();
      return;
    }
    const connection = new GrpcConnection(opened, options, session, () => {
      clearTimeout(timer);
      resolve(connection);
    });
    connection.closed.then((why) => fail(why));
  });
  return promise;
}

/** One connection to one server: any number of calls at a time. It is not remade when it ends. */
export class GrpcConnection {
  /** Fulfilled with the cause when the connection is gone, after all its calls have ended. */
  readonly closed: Promise<string>;
  readonly #wire: Wire;
  readonly #session: ClientSession;

  /** For `connectGrpc`. */
  constructor(socket: Socket, options: ConnectOptions, session: ClientSessionOptions, ready: () => void) {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.closed = promise;
    const wire = new Wire(socket, loop, {
      ended: (cause) => {
        this.#session.lost(cause);
        resolve(cause);
      },
    });
    this.#wire = wire;
    this.#session = new ClientSession(session, {
      now: () => wire.now(),
      wrote: () => wire.wrote(),
      soon: queueMicrotask,
      ready,
      draining: aside((why) => options.draining?.(why)),
    });
    socket.on("error", (error) => wire.destroy(`the TCP connection failed: ${reason(error)}`));
    wire.start(this.#session);
  }

  /** Whether a new call may begin. */
  get open(): boolean {
    return !this.#session.connection.goingAway;
  }

  /** Bytes that were sent by the application and not yet taken by flow control or the socket, over all calls. */
  get queuedBytes(): number {
    return this.#wire.queuedBytes;
  }

  /**
   * Begins a call of any kind. When it cannot begin, `closed` tells so like every other end.
   *
   * @param path `/package.Service/Method`
   * @throws TypeError when `path` is none, or a listener or an option is wrong.
   */
  call(path: string, listener: ClientListener, options?: CallOptions): ClientCall {
    checkClientListener(listener);
    checkCallOptions(options);
    return this.#session.call(path, listener, options);
  }

  /**
   * Sends one message and waits for the one that answers it: a view of received bytes that nobody else changes.
   *
   * @throws StatusError when the status is not OK, or the answer has no message or several.
   * @throws TypeError when `path` is none, or `message` or an option is wrong.
   */
  unary(path: string, message: Uint8Array, options?: CallOptions): Promise<Buffer> {
    try {
      checkCallOptions(options);
      return this.#session.unary(path, message, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Begins no more calls, lets those that run end for at most `graceMs`, then closes TCP. */
  async close(graceMs: number): Promise<string> {
    checkGraceMs(graceMs);
    this.#session.shutdown();
    this.#wire.close(graceMs);
    return this.closed;
  }

  /** Ends TCP at once; calls that run end with UNAVAILABLE. */
  destroy(): void {
    this.#wire.destroy("the connection was closed");
  }
}

function open({ host, port, tls }: ConnectOptions): Socket {
  const tcp = { host, port, noDelay: true, keepAlive: true };
  if (tls === undefined) return connectTcp(tcp);
  return nodeTls().connect({ ...tcp, ...secureClientOptions(tls) } as ConnectionOptions);
}

function sessionOptions(options: ConnectOptions): ClientSessionOptions {
  return {
    scheme: options.tls === undefined ? "http" : "https",
    authority: authority(options.tls?.serverName ?? options.host, options.port),
    limits: limitsOf(options.limits),
    gzip: options.gzip ?? false,
    keepAlive: options.keepAlive,
    waitingCallsMax: options.waitingCallsMax ?? WAITING_CALLS_MAX,
    onError: aside(options.onError ?? uncaught),
  };
}

function authority(host: string, port: number): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** An error of several addresses has no message of its own. */
function reason(error: unknown): string {
  if (error instanceof AggregateError) return [...new Set(error.errors.map(reason))].join(", ");
  return error instanceof Error ? error.message : String(error);
}
