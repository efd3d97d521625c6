import { ConnectionFailure, ErrorCode, MAX_31 } from "./protocol.ts";
import { Stream } from "./stream.ts";

/** Streams we have reset lately: what the peer sent before it knew is no fault. */
const RESET_REMEMBERED_MAX = 256;

/** Which streams of a connection are open, which were, and which never have been (RFC 9113, section 5.1). */
export class Streams<Call> {
  readonly open = new Map<number, Stream<Call>>();
  /** The peer's highest stream. */
  lastPeerId = 0;
  /** Streams of the peer above it are ignored, because our GOAWAY said so. */
  acceptedId = MAX_31;
  readonly #isServer: boolean;
  readonly #windowBytes: number;
  #nextId = 1;
  /** Ids, and what the peer may still send on each of them. */
  #resetByUs: Map<number, number> | undefined;

  constructor(isServer: boolean, windowBytes: number) {
    this.#isServer = isServer;
    this.#windowBytes = windowBytes;
  }

  /** Ids are used up after a thousand million calls; only a new connection has more. */
  get idsLeft(): boolean {
    return this.#nextId <= MAX_31;
  }

  /** A stream of ours. */
  own(sendWindow: number): Stream<Call> {
    const stream = this.begin(this.#nextId, sendWindow);
    this.#nextId += 2;
    return stream;
  }

  begin(id: number, sendWindow: number): Stream<Call> {
    const stream = new Stream<Call>(id, sendWindow, this.#windowBytes);
    this.open.set(id, stream);
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

  /** Remembers for a while that it was us who ended it. */
  rememberReset({ id, receiveWindow }: Stream<Call>): void {
    this.#resetByUs ??= new Map();
    this.#resetByUs.set(id, receiveWindow);
    if (this.#resetByUs.size <= RESET_REMEMBERED_MAX) return;
    for (const oldest of this.#resetByUs.keys()) {
      this.#resetByUs.delete(oldest);
      break;
    }
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
}
