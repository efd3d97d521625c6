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
  readonly tls: boolean;
  /** Bytes handed to `send` that the peer's flow control or the socket has not yet taken. */
  readonly queuedBytes: number;
  /** True from the arrival of a stream to its end. */
  readonly streaming: boolean;
  /**
   * Queues one encoded payload on the stream. The same bytes may be sent to many connections; they are not changed.
   * @returns false when there is no open stream.
   */
  send(payload: Uint8Array): boolean;
  /** Completes the stream, lets what is queued leave for at most `graceMs`, then closes the TCP connection. */
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
  /** The stream or the TCP connection has ended; nothing follows for this connection. `cause` is a short phrase. */
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
  /** With TLS a connection is recognised by its first byte; `plaintext` also accepts HTTP/2 without TLS. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string; readonly mutual: boolean; readonly plaintext: boolean };
}

export interface GrpcTransport {
  /** @returns the port that is listened on. @throws the system's error, for example with code EADDRINUSE. */
  listen(): Promise<number>;
  /** Accepts nothing new, completes every stream, and ends what is left after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

export type TransportFactory = (options: TransportOptions, handlers: TransportHandlers) => GrpcTransport;
