import type { Clock } from "../../clock.ts";

/**
 * Said with `UNAVAILABLE` when this server ends a stream. SDKs take that as they take a broken connection. `OK` is what
 * Python 3.2.0 overlooks: its channel connects again without telling it, and it is healthy for itself for ever.
 */
export const ENDED = "the server ended the connection";

/**
 * The gRPC transport port: two methods, `/Request/request` (unary) and `/BiRequestStream/requestBiStream`, over HTTP/2.
 * It carries encoded payloads, knows no message and no feature, and keys everything by the TCP peer: all calls of one
 * TCP connection meet the same `TransportConnection`.
 *
 * Every adapter passes the suite in `testkit/src/transport-suite.ts`.
 */
export interface TransportConnection {
  /** `<epochMillis>_<remoteIp>_<remotePort>`, made when the TCP connection is accepted; unique in this process. */
  readonly id: string;
  readonly remoteIp: string;
  readonly remotePort: number;
  readonly localPort: number;
  /** Known after the first byte: false in `opened`. */
  readonly tls: boolean;
  /** Bytes handed to `send` that the peer's flow control or the socket has not yet taken. */
  readonly queuedBytes: number;
  /**
   * True from the arrival of a stream to its end. A second stream of one connection is read, but what is sent goes to
   * the first, and only the end of the first ends the connection.
   */
  readonly streaming: boolean;
  /**
   * Queues one encoded payload on the stream. The same bytes may be sent to many connections; they are not changed.
   * @returns false when there is no open stream.
   */
  send(payload: Uint8Array): boolean;
  /**
   * Ends the stream with `UNAVAILABLE`, lets what is queued and the answers of running calls leave for at most `graceMs`, then closes
   * the TCP connection. `closed` follows.
   */
  close(graceMs: number): void;
}

/** What a transport tells the server. Calls for one connection come in the order in which its bytes arrived. */
export interface TransportHandlers {
  /** Before anything else of a connection. @returns false to refuse it: the socket is closed at once. */
  opened(connection: TransportConnection): boolean;
  /** One unary call. The answer always leaves with gRPC status OK. A rejection is a bug: it becomes INTERNAL. */
  unary(connection: TransportConnection, payload: Uint8Array): Uint8Array | Promise<Uint8Array>;
  streamOpened(connection: TransportConnection): void;
  streamMessage(connection: TransportConnection, payload: Uint8Array): void;
  /** After `queuedBytes` has fallen below half of `queuedBytesMax`, once for each time it had risen above it. */
  drained(connection: TransportConnection): void;
  /**
   * The stream or the TCP connection has ended; nothing follows for this connection. Once for each connection that
   * `opened` let in. When only the stream has ended, the transport closes the TCP connection too. `cause` is a short
   * phrase.
   */
  closed(connection: TransportConnection, cause: string): void;
}

export interface TransportOptions {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** Larger inbound messages are answered with status RESOURCE_EXHAUSTED. Bytes. */
  readonly messageBytesMax: number;
  /** Above this many queued bytes a connection counts as slow; see `drained`. */
  readonly queuedBytesMax: number;
  /** More TCP connections than this are refused at accept. */
  readonly connectionsMax: number;
  /** A TCP connection that makes no call for this long after it was accepted is dropped. Default 10 s. */
  readonly silentMs?: number;
  /** Idle time after which the server sends an HTTP/2 ping, and how long the answer may take. Default: no pings. */
  readonly keepAlive?: { readonly timeMs: number; readonly timeoutMs: number };
  /** With TLS a connection is recognised by its first byte; `plaintext` also accepts HTTP/2 without TLS. */
  readonly tls?: TlsOptions;
}

export interface TlsOptions {
  /** PEM text. */
  readonly cert: string;
  readonly key: string;
  readonly keyPassword?: string;
  /** PEM text of the authorities that sign client certificates. */
  readonly ca?: string;
  /** A client without a certificate of `ca` is refused. */
  readonly mutual: boolean;
  /** Also accept HTTP/2 without TLS on the same port. */
  readonly plaintext: boolean;
}

export interface GrpcTransport {
  /** @returns the port that is listened on. @throws the system's error, for example with code EADDRINUSE. */
  listen(): Promise<number>;
  /**
   * Takes new certificates for connections that come from now on; it does nothing when TLS is off.
   * @throws when certificate and key do not fit: the old ones stay.
   */
  renewTls(tls: TlsOptions): void;
  /** Accepts nothing new, completes every stream, and ends what is left after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

export type TransportFactory = (options: TransportOptions, handlers: TransportHandlers, clock: Clock) => GrpcTransport;

export const SILENT_MS = 10_000;
