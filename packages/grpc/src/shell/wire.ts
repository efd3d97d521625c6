import type { Socket } from "node:net";
import type { Connection } from "../http2/connection.ts";
import { ConnectionFailure, ErrorCode } from "../http2/protocol.ts";
import type { HeldBytes, Holder } from "./held-bytes.ts";
import type { Loop, Planned, Sleeper } from "./loop.ts";
import type { Reader } from "./turns.ts";

/** What runs on a wire: the server's or the client's side of a connection. */
export interface Session {
  // biome-ignore lint/suspicious/noExplicitAny: what a session keeps with its streams is its own matter
  readonly connection: Connection<any>;
  readonly tickAt: number;
  /** About what the peer makes us hold. */
  readonly heldBytes?: number;
  /** Whether others are to be read before. */
  isCostly?(now: number): boolean;
  /** Whether a call has ever come (server). */
  readonly used?: boolean;
  tick(now: number): void;
}

/** Whose wire it is, and what a server knows beyond one connection of it. */
export interface Keeper {
  readonly held?: HeldBytes;
  /** Whether others are to be read before, whatever this one does. */
  suspects?(now: number): boolean;
  /** Makes the session once there is use for one (server). */
  begin?(): Session;
  /** Told once: the wire is gone. */
  ended(cause: string): void;
}

/** With more than this unsent a peer is not read from: it could make us answer without end. */
const UNSENT_BYTES_MAX = 1024 * 1024;
/**
 * What is read is worked through in pieces of this size, and more when frames are longer: after each the clock is looked
 * at. A read may bring 64 KiB, which may be work for milliseconds.
 */
const PIECE_BYTES = 2048;
/** A socket is not read from while so many reads of it wait to be worked through. */
const UNREAD_MAX = 2;
/** How long a peer may take to end its side of TCP after we have ended ours. */
const END_MS = 1000;
/** How long a peer that broke the rules has to read why, before TCP is closed. */
const LINGER_MS = 250;

/** Where a socket keeps its wire. Functions of its own for what sockets tell would be dearer than all that a wire holds. */
const WIRE = Symbol("wire");

interface Wired extends Socket {
  [WIRE]: Wire;
}

/** A socket and the session on it: carries bytes both ways, one write a turn, and ends both together. */
export class Wire implements Sleeper, Holder, Reader {
  heldBytes = 0;
  planned: Planned | undefined;
  readonly #socket: Socket;
  readonly #loop: Loop;
  readonly #keeper: Keeper;
  #session: Session | undefined;
  /** The time of the bytes that are being read: all that happens meanwhile happens then. */
  #turnAt: number | undefined;
  /** What was read and not worked through, and where in the first of it to go on. */
  #unread: Buffer[] | undefined;
  #unreadAt = 0;
  /** The peer has ended its side of TCP behind what is unread. */
  #ended = false;
  #endAt = Number.POSITIVE_INFINITY;
  #ending = false;
  #gone = false;

  constructor(socket: Socket, loop: Loop, keeper: Keeper) {
    this.#socket = socket;
    this.#loop = loop;
    this.#keeper = keeper;
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

  /** Begins to carry. A client greets at once; a server has a session and greets when the first bytes have come. */
  start(session?: Session): void {
    this.#session = session;
    const socket = this.#socket as Wired;
    socket[WIRE] = this;
    socket.on("data", onData);
    socket.on("drain", onDrain);
    socket.on("end", onEnd);
    socket.on("close", onClose);
    this.flush();
  }

  /** There is output that no reading made: it leaves at the end of this turn. */
  wrote(): void {
    const session = this.#session;
    if (this.#turnAt !== undefined || this.#gone || session === undefined) return;
    if (session.connection.sender.ready || session.connection.goingAway) this.#loop.flushSoon(this);
    else {
      // It only made a queue longer. Sent to thousands that do not read, a message would cost as many flushes of nothing.
      this.#loop.plan(this);
      this.#count();
    }
  }

  tick(now: number): void {
    if (now >= this.#endAt) {
      this.destroy("the peer did not end the TCP connection in time");
      return;
    }
    this.#turn(now, (session) => session.tick(now));
  }

  isCostly(now: number): boolean {
    return this.#session?.isCostly?.(now) === true || this.#keeper.suspects?.(now) === true;
  }

  /** Works on what was read, and writes what that has caused. */
  work(until: number): boolean {
    return this.#work(this.#loop.now(), until);
  }

  /** The end of the turn is asked for when it matters: most reads are done before. */
  #work(from: number, endsAt?: number): boolean {
    let until = endsAt;
    const connection = this.#session?.connection;
    const unread = this.#unread;
    if (connection === undefined) return false;
    try {
      for (let now = from, chunk = unread?.[0]; unread !== undefined && chunk !== undefined; chunk = unread[0]) {
        this.#turnAt = now;
        this.#unreadAt = connection.receive(chunk, now, this.#unreadAt, PIECE_BYTES);
        if (this.#unreadAt === chunk.length) {
          unread.shift();
          this.#unreadAt = 0;
        }
        if (unread.length === 0) break;
        now = this.#loop.now();
        until ??= this.#loop.turns.endsAt(now);
        if (now >= until) break;
      }
    } finally {
      this.#turnAt = undefined;
    }
    if (unread?.length === 0) this.#unread = undefined;
    this.flush();
    if (this.#unread !== undefined) return this.#mayRead;
    if (this.#ended) this.#lost("the peer ended the TCP connection");
    else if (this.#socket.isPaused()) this.#resume();
    return false;
  }

  flush(): void {
    const session = this.#session;
    if (session === undefined || this.#gone) return;
    const { sender } = session.connection;
    const socket = this.#socket;
    // Our side has ended; what the peer still asks finds no answer.
    if (!socket.writable) sender.output.take();
    if (!sender.backlogged) sender.pump(this.now());
    while (sender.output.bytes > 0) {
      const parts = sender.output.take();
      if (parts.length > 1) socket.cork();
      for (const part of parts) socket.write(part);
      if (parts.length > 1) socket.uncork();
      sender.backlogged = socket.writableNeedDrain;
      if (!this.#mayRead) socket.pause();
      if (!sender.backlogged) sender.pump(this.now());
    }
    this.#endWhenDone(session);
    this.#loop.plan(this);
    this.#count();
  }

  evict(why: string): void {
    this.#session?.connection.fail(new ConnectionFailure(ErrorCode.ENHANCE_YOUR_CALM, why));
    // Whoever does not read would not read the reason either.
    if (this.#session === undefined || this.#socket.writableNeedDrain) this.destroy(why);
    else this.flush();
  }

  /** Lets what runs come to its end for at most `graceMs`. */
  close(graceMs: number): void {
    const now = this.now();
    this.#endAt = Math.min(this.#endAt, now + graceMs);
    const session = this.#begun();
    if (session === undefined) this.destroy("the server closed the connection");
    else {
      this.#ending = true;
      session.connection.shutdown(now);
      this.wrote();
      this.#loop.plan(this);
    }
  }

  /** TCP is gone. What came before the peer ended it is worked through all the same. */
  tcpClosed(): void {
    if (this.#ended && this.#unread !== undefined) this.#loop.turns.wait(this, this.#loop.now());
    else this.destroy("the TCP connection ended");
  }

  destroy(cause: string): void {
    this.#lost(cause);
    this.#socket.destroy();
  }

  /** Says what is held now. It may be too much, and this connection the one to end. */
  #count(): void {
    const { held } = this.#keeper;
    if (held === undefined || this.#session === undefined) return;
    const { writableLength } = this.#socket;
    const { sender } = this.#session.connection;
    // Some of it has left, and nobody says which: of what lies there all may be shared at the most.
    sender.sharedOut = Math.min(sender.sharedOut, writableLength);
    const before = this.heldBytes;
    this.heldBytes = (this.#session.heldBytes ?? 0) + writableLength - sender.sharedOut + this.#unreadBytes;
    if (this.heldBytes !== before) held.change(this.heldBytes - before);
  }

  /** The socket has read this. */
  read(chunk: Buffer): void {
    const now = this.#loop.now();
    const session = this.#begun();
    if (session === undefined) return;
    const { turns } = this.#loop;
    const waits = this.#unread !== undefined;
    if (this.#unread === undefined) this.#unread = [chunk];
    else this.#unread.push(chunk);
    const costly = this.isCostly(now);
    // Nearly all reads are one piece, and never put off.
    const brief = chunk.length <= PIECE_BYTES;
    // Those that come by the thousand wait with their first bytes for those who are there.
    const until = brief && session.used !== false ? undefined : turns.endsAt(now);
    if (!waits && !costly && (until === undefined || now <= until)) {
      if (brief) turns.servedLittle(now);
      else turns.served(now);
      if (this.#work(now, until)) turns.wait(this, now);
      return;
    }
    turns.wait(this, now);
    session.connection.heard(now);
    this.#count();
    if (costly || this.#unread.length >= UNREAD_MAX) this.#socket.pause();
  }

  #resume(): void {
    if (this.#gone || this.#session?.connection.failure !== undefined || !this.#mayRead) return;
    if (this.#unread !== undefined) this.#loop.turns.wait(this, this.#loop.now());
    else if (this.#socket.isPaused()) this.#socket.resume();
  }

  /** Whoever does not read what it is answered could have us answer without end. */
  get #mayRead(): boolean {
    return this.#socket.destroyed || this.#socket.writableLength <= UNSENT_BYTES_MAX;
  }

  get #unreadBytes(): number {
    let bytes = 0;
    if (this.#unread !== undefined) for (const { length } of this.#unread) bytes += length;
    return bytes;
  }

  /** What a connection that has failed has not read is nobody's any more. */
  #forgetUnread(): void {
    // Whoever works on it now finds nothing left.
    if (this.#unread !== undefined) this.#unread.length = 0;
    this.#unread = undefined;
    this.#unreadAt = 0;
    this.#loop.turns.forget(this);
  }

  /** The peer has ended its side of TCP. */
  peerEnded(): void {
    this.#ended = true;
    if (this.#unread === undefined) this.#lost("the peer ended the TCP connection");
  }

  /** The session, made when there is none yet and the keeper makes it. */
  #begun(): Session | undefined {
    this.#session ??= this.#gone ? undefined : this.#keeper.begin?.();
    return this.#session;
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

  /** The socket has written what it had. */
  drained(): void {
    const session = this.#session;
    if (this.#gone || session === undefined) return;
    session.connection.sender.backlogged = false;
    // Not at once: the system takes megabytes of what nobody reads, and would be given them all before others are served.
    const now = this.#loop.now();
    if (this.isCostly(now)) this.#loop.turns.wait(this, now);
    else this.#loop.flushSoon(this);
    this.#resume();
  }

  /** The connection has failed, or is going away and nothing runs any more: our side of TCP ends. */
  #endWhenDone({ connection }: Session): void {
    const failed = connection.failure !== undefined;
    if (!(failed || connection.finished) || this.#socket.writableEnded) return;
    this.#socket.end();
    // A flood is not read to its end: it is left in the socket, and its author waits. Closed at once, though, what is in
    // flight would be answered with a reset that overtakes the reason.
    if (failed) {
      this.#forgetUnread();
      this.#socket.pause();
    } else this.#resume();
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
    this.#keeper.held?.change(-this.heldBytes);
    this.heldBytes = 0;
    this.#forgetUnread();
    this.#loop.forget(this);
    this.#keeper.ended(why);
    const socket = this.#socket;
    if (socket.destroyed) return;
    // To end our side before is another call of the system, for each of those that come and go by the thousand.
    if (socket.writableLength === 0) socket.destroy();
    else socket.destroySoon();
  }
}

function onData(this: Wired, chunk: Buffer): void {
  this[WIRE].read(chunk);
}

function onDrain(this: Wired): void {
  this[WIRE].drained();
}

function onEnd(this: Wired): void {
  this[WIRE].peerEnded();
}

function onClose(this: Wired): void {
  this[WIRE].tcpClosed();
}
