import type { Socket } from "node:net";
import type { Connection } from "../http2/connection.ts";
import { ConnectionFailure, ErrorCode } from "../http2/protocol.ts";
import type { Sender } from "../http2/sender.ts";
import type { HeldBytes, Holder } from "./held-bytes.ts";
import type { Loop, Sleeper } from "./loop.ts";

/** What runs on a wire: the server's or the client's side of a connection. */
export interface Session {
  // biome-ignore lint/suspicious/noExplicitAny: what a session keeps with its streams is its own matter
  readonly connection: Connection<any>;
  readonly tickAt: number;
  /** About what the peer makes us hold. */
  readonly heldBytes?: number;
  tick(now: number): void;
}

/** With more than this unsent a peer is not read from: it could make us answer without end. */
const UNSENT_BYTES_MAX = 1024 * 1024;
/**
 * After so much work for one connection the others have their turn. Node would read two megabytes of it before it looks
 * at anything else, and that may be work for seconds.
 */
const READ_MS = 10;
/** How long a peer may take to end its side of TCP after we have ended ours. */
const END_MS = 1000;
/** How long a peer that broke the rules has to read why, before TCP is closed. */
const LINGER_MS = 250;

/** A socket and the session on it: carries bytes both ways, one write a turn, and ends both together. */
export class Wire implements Sleeper, Holder {
  heldBytes = 0;
  readonly #socket: Socket;
  readonly #loop: Loop;
  readonly #closed: (cause: string) => void;
  readonly #held: HeldBytes | undefined;
  #session: Session | undefined;
  /** The time of the bytes that are being read: all that happens meanwhile happens then. */
  #turnAt: number | undefined;
  /** Work on what was read since others had their turn. Milliseconds. */
  #readMs = 0;
  #endAt = Number.POSITIVE_INFINITY;
  #ending = false;
  #gone = false;

  constructor(socket: Socket, loop: Loop, closed: (cause: string) => void, held?: HeldBytes) {
    this.#socket = socket;
    this.#loop = loop;
    this.#closed = closed;
    this.#held = held;
  }

  get tickAt(): number {
    if (this.#gone) return Number.POSITIVE_INFINITY;
    return Math.min(this.#session?.tickAt ?? Number.POSITIVE_INFINITY, this.#endAt);
  }

  /** Bytes of the application that have not left. */
  get queuedBytes(): number {
    const sender = this.#session?.connection.sender;
    return (sender === undefined ? 0 : sender.queuedBytes + sender.output.bytes) + this.#socket.writableLength;
  }

  now(): number {
    return this.#turnAt ?? this.#loop.now();
  }

  /** Begins to carry. The greeting leaves at once. */
  start(session: Session): void {
    this.#session = session;
    const socket = this.#socket;
    socket.on("data", (chunk: Buffer) => this.#read(session, chunk));
    socket.on("drain", () => this.#drain(session));
    socket.on("end", () => this.#lost("the peer ended the TCP connection"));
    socket.on("close", () => this.#lost("the TCP connection ended"));
    this.flush();
    this.#loop.plan(this);
  }

  /** There is output that no reading made: it leaves at the end of this turn. */
  wrote(): void {
    if (this.#turnAt === undefined && !this.#gone) this.#loop.flushSoon(this);
  }

  tick(now: number): void {
    if (now >= this.#endAt) {
      this.destroy("the peer did not end the TCP connection in time");
      return;
    }
    this.#turn(now, (session) => session.tick(now));
  }

  flush(): void {
    const session = this.#session;
    if (session === undefined || this.#gone) return;
    const { sender } = session.connection;
    const socket = this.#socket;
    // Our side has ended; what the peer still asks finds no answer.
    if (socket.writableEnded) sender.output.take();
    if (!sender.backlogged) sender.pump(this.now());
    while (sender.output.bytes > 0) {
      const parts = sender.output.take();
      if (parts.length > 1) socket.cork();
      for (const part of parts) socket.write(part);
      if (parts.length > 1) socket.uncork();
      sender.backlogged = socket.writableNeedDrain;
      if (socket.writableLength > UNSENT_BYTES_MAX) socket.pause();
      if (!sender.backlogged) sender.pump(this.now());
    }
    this.#endWhenDone(session);
    this.#loop.plan(this);
    if (this.#held !== undefined) this.#settle(this.#held, session.heldBytes ?? 0, sender);
  }

  evict(why: string): void {
    this.#session?.connection.fail(new ConnectionFailure(ErrorCode.ENHANCE_YOUR_CALM, why));
    // Whoever does not read would not read the reason either.
    if (this.#socket.writableNeedDrain) this.destroy(why);
    else this.flush();
  }

  /** Lets what runs come to its end for at most `graceMs`. */
  close(graceMs: number): void {
    const now = this.now();
    this.#endAt = Math.min(this.#endAt, now + graceMs);
    const session = this.#session;
    if (session === undefined) this.destroy("the server closed the connection");
    else {
      this.#ending = true;
      session.connection.shutdown(now);
      this.wrote();
      this.#loop.plan(this);
    }
  }

  destroy(cause: string): void {
    this.#lost(cause);
    this.#socket.destroy();
  }

  /** Says what is held now. It may be too much, and this connection the one to end. */
  #settle(held: HeldBytes, sessionBytes: number, sender: Sender): void {
    const { writableLength } = this.#socket;
    // Some of it has left, and nobody says which: of what lies there all may be shared at the most.
    sender.sharedOut = Math.min(sender.sharedOut, writableLength);
    const before = this.heldBytes;
    this.heldBytes = sessionBytes + writableLength - sender.sharedOut;
    if (this.heldBytes !== before) held.change(this.heldBytes - before);
  }

  #read(session: Session, chunk: Buffer): void {
    const startedAt = this.#loop.now();
    this.#turn(startedAt, () => session.connection.receive(chunk, startedAt));
    this.#readMs += this.#loop.now() - startedAt;
    if (this.#readMs < READ_MS) return;
    this.#readMs = 0;
    this.#socket.pause();
    setImmediate(() => this.#resume());
  }

  #resume(): void {
    if (this.#gone || this.#session?.connection.failure !== undefined) return;
    if (this.#socket.writableLength <= UNSENT_BYTES_MAX) this.#socket.resume();
  }

  /** All that is answered meanwhile leaves in one write. */
  #turn(now: number, run: (session: Session) => void): void {
    const session = this.#session;
    if (session === undefined || this.#gone) return;
    this.#turnAt = now;
    try {
      run(session);
    } finally {
      this.#turnAt = undefined;
    }
    this.flush();
  }

  #drain(session: Session): void {
    if (this.#gone) return;
    session.connection.sender.backlogged = false;
    // Not at once: the system takes megabytes of what nobody reads, and would be given them all before others are served.
    this.#loop.flushSoon(this);
    if (this.#socket.isPaused()) this.#resume();
  }

  /** The connection has failed, or is going away and nothing runs any more: our side of TCP ends. */
  #endWhenDone({ connection }: Session): void {
    const failed = connection.failure !== undefined;
    if (!(failed || connection.finished) || this.#socket.writableEnded) return;
    this.#socket.end();
    // A flood is not read to its end: it is left in the socket, and its author waits. Closed at once, though, what is in
    // flight would be answered with a reset that overtakes the reason.
    if (failed) this.#socket.pause();
    else this.#socket.resume();
    this.#endAt = Math.min(this.#endAt, this.now() + (failed ? LINGER_MS : END_MS));
    this.#loop.plan(this);
  }

  #lost(cause: string): void {
    if (this.#gone) return;
    const connection = this.#session?.connection;
    const why = connection?.failure?.message ?? (this.#ending ? "the connection was closed" : cause);
    // First: a call that hears of its end may destroy the connection, and `closed` is told after all calls.
    this.#gone = true;
    connection?.lost(why);
    this.#held?.change(-this.heldBytes);
    this.heldBytes = 0;
    this.#loop.forget(this);
    this.#closed(why);
    if (!this.#socket.destroyed) this.#socket.destroySoon();
  }
}
