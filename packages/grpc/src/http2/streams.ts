import type { Limits } from "./limits.ts";
import type { ConnectionListener } from "./listener.ts";
import { OpenStreams } from "./open-streams.ts";
import { ConnectionFailure, ErrorCode, FrameType, MAX_31 } from "./protocol.ts";
import { Sender, type SenderListener } from "./sender.ts";
import { Stream } from "./stream.ts";

/** Streams we have reset lately: what the peer sent before it knew is no fault. */
const RESET_REMEMBERED_MAX = 256;

/** Which streams of a connection are open, which were, which never have been (RFC 9113, section 5.1), and their ends. */
export class Streams<Call> implements SenderListener {
  readonly open = new OpenStreams<Call>();
  readonly sender: Sender;
  /** The peer's highest stream. */
  lastPeerId = 0;
  /** Streams of the peer above it are ignored, because our GOAWAY said so. */
  acceptedId = MAX_31;
  readonly #isServer: boolean;
  readonly #windowBytes: number;
  readonly #listener: ConnectionListener<Call>;
  #nextId = 1;
  /** Ids, and what the peer may still send on each of them. */
  #resetByUs: Map<number, number> | undefined;

  constructor(isServer: boolean, limits: Limits, listener: ConnectionListener<Call>) {
    this.#isServer = isServer;
    this.#windowBytes = limits.streamWindowBytes;
    this.#listener = listener;
    this.sender = new Sender(this, limits.streamQueuedBytes);
  }

  /** Ids are used up after a thousand million calls; only a new connection has more. */
  get idsLeft(): boolean {
    return this.#nextId <= MAX_31;
  }

  /** A stream of ours. */
  own(call: Call): Stream<Call> {
    const stream = this.begin(this.#nextId);
    stream.call = call;
    this.#nextId += 2;
    return stream;
  }

  begin(id: number): Stream<Call> {
    const stream = new Stream<Call>(id, this.#windowBytes);
    this.open.add(stream);
    return stream;
  }

  /** We have opened it, whatever became of it. */
  wasOurs(id: number): boolean {
    return !this.#isServer && id % 2 === 1 && id < this.#nextId;
  }

  /** @returns the stream, or undefined when it is closed already. @throws ConnectionFailure when it never was open. */
  of(id: number, what: string): Stream<Call> | undefined {
    const stream = this.open.get(id);
    if (stream !== undefined) return stream;
    const isPeers = this.#isServer === (id % 2 === 1);
    const isIdle = isPeers ? id > this.lastPeerId && id <= this.acceptedId : id >= this.#nextId;
    if (id === 0 || isIdle || (isPeers && !this.#isServer)) {
      throw new ConnectionFailure(ErrorCode.PROTOCOL_ERROR, `${what} on stream ${id}, which was never opened`);
    }
    return undefined;
  }

  /** Ends a stream at once. */
  reset(stream: Stream<Call>, code: ErrorCode): void {
    this.sender.control(FrameType.RST_STREAM, 0, stream.id, code);
    this.#rememberReset(stream);
    this.close(stream, code, false);
  }

  close(stream: Stream<Call>, code: ErrorCode, byPeer: boolean): void {
    if (stream.closed) return;
    this.#remove(stream);
    this.#tellClosed(stream, code, byPeer);
  }

  /** The connection has ended. */
  closeAll(code: ErrorCode, byPeer: boolean): void {
    const ended = [...this.open.values()];
    // All at once, before any is told: what the application does then must not write behind the GOAWAY.
    for (const stream of ended) this.#remove(stream);
    for (const stream of ended) this.#tellClosed(stream, code, byPeer);
  }

  sentEnd(stream: Stream): void {
    const own = stream as Stream<Call>;
    if (own.remoteEnded) this.close(own, ErrorCode.NO_ERROR, false);
    // The answer is complete without the rest of the request: RFC 9113, section 8.1.
    else if (this.#isServer) this.reset(own, ErrorCode.NO_ERROR);
  }

  drained(stream: Stream): void {
    this.#listener.drained(stream as Stream<Call>);
  }

  wasResetByUs(id: number): boolean {
    return this.#resetByUs?.has(id) === true;
  }

  /** Content that may have been under way when we reset its stream: as much as its window allowed, in frames of any size. */
  allowsLate(id: number, size: number): boolean {
    const window = this.#resetByUs?.get(id) ?? 0;
    if (size === 0 || size > window) return false;
    this.#resetByUs?.set(id, window - size);
    return true;
  }

  #remove(stream: Stream<Call>): void {
    stream.closed = true;
    this.open.delete(stream);
    this.sender.discard(stream);
  }

  #tellClosed(stream: Stream<Call>, code: ErrorCode, byPeer: boolean): void {
    if (stream.announced || !this.#isServer) this.#listener.closed(stream, code, byPeer);
  }

  /** Remembers for a while that it was us who ended it. */
  #rememberReset({ id, receiveWindow }: Stream<Call>): void {
    this.#resetByUs ??= new Map();
    this.#resetByUs.set(id, receiveWindow);
    if (this.#resetByUs.size <= RESET_REMEMBERED_MAX) return;
    for (const oldest of this.#resetByUs.keys()) {
      this.#resetByUs.delete(oldest);
      break;
    }
  }
}
