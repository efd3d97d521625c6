import type { PeerCertificate } from "node:tls";
import type { Metadata } from "./metadata.ts";
import type { Status } from "./status.ts";

/** The TCP connection under a call; all calls of one connection share the object. */
export interface Peer {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localPort: number;
  /** Whether it came over TLS; known before the first call. */
  readonly encrypted: boolean;
  /** What the client has shown, if an authority of `ca` has signed it; undefined without TLS, or when it was not asked. */
  readonly certificate: PeerCertificate | undefined;
  /** Bytes that were sent by the application and not yet taken by flow control or the socket, over all calls. */
  readonly queuedBytes: number;
  /** Says GOAWAY, lets running calls end for at most `graceMs`, then closes TCP. */
  close(graceMs: number): void;
  /** Ends TCP at once. */
  destroy(): void;
}

/** What the server side of a call can do. Nothing throws after the end of the call: it is ignored. */
export interface ServerCall {
  /** `/package.Service/Method` */
  readonly path: string;
  /** Shared by calls whose heads are equal, also those of other clients: add nothing to it. */
  readonly metadata: Metadata;
  readonly peer: Peer;
  /** Monotonic milliseconds at which the client gives up; infinity when it set no deadline. */
  readonly deadlineAt: number;
  /** True from the moment at which nothing can be sent any more: ended here, cancelled, or the connection is gone. */
  readonly ended: boolean;
  /** Bytes of this call that flow control or the socket has not taken. */
  readonly queuedBytes: number;
  /** Sends the initial metadata now; otherwise it leaves with the first message or the status. */
  sendMetadata(metadata?: Metadata): void;
  /**
   * Queues one message. The bytes are not copied and must not change; one buffer may be sent on many calls.
   * @returns false when the budget of the call is used up: it is queued all the same, and `drained` follows.
   */
  send(message: Uint8Array): boolean;
  /** Ends the call after what is queued. */
  end(status?: Status, message?: string, trailers?: Metadata): void;
  /** Stops reading messages of this call: the peer's flow control fills up. */
  pause(): void;
  resume(): void;
}

/** What the application hears of a streaming call, in the order in which the bytes arrived. */
export interface CallListener {
  /** One message; a view of received bytes that nobody else changes. */
  message(message: Buffer): void;
  /** The client sends no more messages. */
  halfClosed?(): void;
  /** The queue has fallen below half of its budget, once for each time it had risen above it. */
  drained?(): void;
  /** Told once: the call is over. `completed` when its status has left, otherwise why it did not. */
  closed?(reason: CallEnd): void;
}

export type CallEnd = "completed" | "cancelled" | "deadline" | "connection" | "error";

/** A method is one message in and one out, or any number of both. */
export type Method =
  | {
      readonly type: "unary";
      /** A rejection or a throw becomes the status of a `StatusError`, anything else INTERNAL. */
      handle(message: Buffer, call: ServerCall): Uint8Array | Promise<Uint8Array>;
    }
  | { readonly type: "stream"; open(call: ServerCall): CallListener };

export type Methods = Readonly<Record<string, Method>>;

/** What the client side of a call can do. Nothing throws after the end of the call: it is ignored. */
export interface ClientCall {
  /** `/package.Service/Method` */
  readonly path: string;
  /** True from the moment at which `closed` is told, or is about to be. */
  readonly ended: boolean;
  /** Bytes of this call that flow control or the socket has not taken, or that wait for its turn to begin. */
  readonly queuedBytes: number;
  /**
   * Queues one message. The bytes are not copied and must not change; one buffer may be sent on many calls.
   * @returns false when the budget of the call is used up: it is queued all the same, and `drained` follows.
   */
  send(message: Uint8Array): boolean;
  /** Says, after what is queued, that no more messages come. */
  halfClose(): void;
  /** Ends the call with CANCELLED, here and at the server. */
  cancel(): void;
  /** Stops reading messages of this call: the peer's flow control fills up. The status waits for messages before it. */
  pause(): void;
  resume(): void;
}

/**
 * What the caller hears of a call, in the order in which the bytes arrived, and never before `call` has returned. What it
 * throws ends the call.
 */
export interface ClientListener {
  /** Initial metadata. Not told when the answer is a status alone. It may be shared by calls: do not change it. */
  metadata?(metadata: Metadata): void;
  /** One message; a view of received bytes that nobody else changes. */
  message(message: Buffer): void;
  /** The queue has fallen below half of its budget, once for each time it had risen above it. */
  drained?(): void;
  /** Told once, last: OK, or the status and why. */
  closed(status: Status, message: string, trailers: Metadata): void;
}

export interface CallOptions {
  readonly metadata?: Metadata;
  /** The call ends with DEADLINE_EXCEEDED after so long, here and at the server. Default: never. */
  readonly deadlineMs?: number;
}
