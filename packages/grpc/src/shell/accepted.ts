import type { Socket } from "node:net";
import type { PeerCertificate, TLSSocket } from "node:tls";
import type { Peer } from "../grpc/call.ts";
import { ServerSession, type SessionOptions, type SessionShell } from "../grpc/server-session.ts";
import { ErrorCode } from "../http2/protocol.ts";
import type { HeldBytes } from "./held-bytes.ts";
import type { Loop } from "./loop.ts";
import type { Newcomer } from "./newcomers.ts";
import type { Suspect } from "./offenders.ts";
import { checkGraceMs } from "./options.ts";
import type { Reader } from "./turns.ts";
import { type Keeper, Wire } from "./wire.ts";

/** What all connections that a server has accepted share. */
export interface Acceptor {
  readonly loop: Loop;
  readonly held: HeldBytes;
  readonly session: SessionOptions;
  /** The port that is listened on. */
  readonly port: number;
  /** Told once: it is gone. */
  ended(connection: AcceptedConnection, cause: string): void;
}

/** One accepted TCP connection: first silent, then perhaps securing, then carrying calls. */
export class AcceptedConnection implements Peer, Keeper, SessionShell, Newcomer {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly cameAt: number;
  encrypted = false;
  /** Its address had broken rules when it came. */
  suspect: Suspect | undefined;
  /** It broke a rule before it spoke HTTP/2. */
  offended = false;
  /** Its TLS handshake was begun, perhaps finished. */
  secures = false;
  /** It waits for its turn to begin. */
  waiting: Reader | undefined;
  /** The socket that was accepted, also under TLS. */
  readonly tcp: Socket;
  readonly #acceptor: Acceptor;
  #socket: Socket;
  wire: Wire | undefined;
  #session: ServerSession | undefined;
  gone = false;

  constructor(tcp: Socket, acceptor: Acceptor) {
    this.tcp = tcp;
    this.#socket = tcp;
    this.#acceptor = acceptor;
    this.cameAt = acceptor.loop.now();
    // An address of version 4 on a socket of version 6 is written as one of version 4, as clients know themselves.
    this.remoteAddress = (tcp.remoteAddress ?? "").replace(/^::ffff:/i, "");
    this.remotePort = tcp.remotePort ?? 0;
  }

  get localPort(): number {
    return this.#acceptor.port;
  }

  get held(): HeldBytes {
    return this.#acceptor.held;
  }

  get peer(): Peer {
    return this;
  }

  get used(): boolean {
    return this.#session?.used === true;
  }

  now(): number {
    return this.wire?.now() ?? this.#acceptor.loop.now();
  }

  wrote(): void {
    this.wire?.wrote();
  }

  /** It was ended for what it did, or has shaken hands and greeted for nothing. Whoever only looks who is there does not count. */
  get wasAbuse(): boolean {
    const session = this.#session;
    const failure = session?.connection.failure;
    if (this.offended || (failure !== undefined && failure.code !== ErrorCode.NO_ERROR)) return true;
    return !this.used && (this.secures || session?.connection.ready === true);
  }

  get queuedBytes(): number {
    return this.wire?.queuedBytes ?? 0;
  }

  get certificate(): PeerCertificate | undefined {
    if (!this.encrypted) return undefined;
    const socket = this.#socket as TLSSocket;
    // Where certificates are optional, one that nobody of `ca` has signed is let in, and proves nothing.
    if (!socket.authorized) return undefined;
    const certificate = socket.getPeerCertificate();
    return certificate?.subject === undefined ? undefined : certificate;
  }

  suspects(now: number): boolean {
    return this.suspect?.lacks(1, now) === true;
  }

  carry(socket: Socket): void {
    this.#socket = socket;
    this.encrypted = socket !== this.tcp;
    this.wire = new Wire(socket, this.#acceptor.loop, this);
    this.wire.start();
  }

  begin(): ServerSession {
    this.#session = new ServerSession(this.#acceptor.session, this);
    return this.#session;
  }

  close(graceMs: number): void {
    checkGraceMs(graceMs);
    if (this.wire === undefined) this.destroy();
    else this.wire.close(graceMs);
  }

  /** TCP has ended, also under TLS. */
  lost(): void {
    if (this.wire === undefined) this.destroy();
    else this.wire.tcpClosed();
  }

  destroy(): void {
    if (this.wire === undefined) this.ended("the connection was closed before its first call");
    else this.wire.destroy("the connection was closed");
    this.tcp.destroy();
  }

  ended(cause: string): void {
    if (this.gone) return;
    this.gone = true;
    this.#acceptor.ended(this, cause);
  }
}
