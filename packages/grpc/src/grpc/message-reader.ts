import { readWord } from "../http2/frames.ts";
import { nodeZlib } from "../zlib.ts";
import { Status, StatusError } from "./status.ts";

/** Bytes of messages that have come in part, over several calls; each holder has a bound. */
export class PartialBytes {
  used = 0;
  readonly max: number;
  readonly #within: PartialBytes | undefined;

  constructor(max: number, within?: PartialBytes) {
    this.max = max;
    this.#within = within;
  }

  /** @returns false when there is no room; nothing is taken then. */
  take(bytes: number): boolean {
    if (this.used + bytes > this.max || this.#within?.take(bytes) === false) return false;
    this.used += bytes;
    return true;
  }

  /** @throws StatusError when there is no room. */
  demand(bytes: number): void {
    if (this.take(bytes)) return;
    const text = "too many large messages arrive at the same time; send them one after the other, or try again";
    throw new StatusError(Status.RESOURCE_EXHAUSTED, text);
  }

  free(bytes: number): void {
    this.used -= bytes;
    this.#within?.free(bytes);
  }
}

const PREFIX_BYTES = 5;
const FIRST_BYTES = 1024;

/** Cuts the content of one call into messages. */
export class MessageReader {
  readonly #messageBytesMax: number;
  readonly #gzip: boolean;
  readonly #shared: PartialBytes;
  /** What a compressed message means where none are taken. */
  readonly #ifCompressed: Status;
  /** Told how many bytes were unpacked. */
  readonly #unpacked: ((bytes: number) => void) | undefined;
  /** A message of which a part has come, its prefix included. */
  #partial: Buffer<ArrayBuffer> | undefined;
  #filled = 0;
  /** When its latest bytes came. */
  grewAt = 0;

  constructor(
    messageBytesMax: number,
    gzip: boolean,
    shared: PartialBytes,
    ifCompressed: Status = Status.UNIMPLEMENTED,
    unpacked?: (bytes: number) => void,
  ) {
    this.#messageBytesMax = messageBytesMax;
    this.#gzip = gzip;
    this.#shared = shared;
    this.#ifCompressed = ifCompressed;
    this.#unpacked = unpacked;
  }

  /** Whether the content ends inside a message. */
  get isPartial(): boolean {
    return this.#partial !== undefined;
  }

  /**
   * Takes content. A message that lies whole in it is given as a view. `deliver` answers false to take no more now.
   * @returns where it stopped: `end`, unless `deliver` said so.
   * @throws StatusError when it is no message or one beyond a limit: nothing more may be read of this call.
   */
  read(from: Buffer, start: number, end: number, now: number, deliver: (message: Buffer) => boolean): number {
    let at = start;
    if (this.#partial !== undefined) {
      at = this.#continue(from, at, end, now);
      if (this.#filled < PREFIX_BYTES || this.#filled < this.#wholeBytes(this.#partial, 0)) return at;
      const whole = this.#partial.subarray(0, this.#filled);
      this.release();
      if (!deliver(this.#content(whole, 0, whole.length))) return at;
    }
    while (end - at >= PREFIX_BYTES) {
      const size = this.#wholeBytes(from, at);
      if (end - at < size) break;
      const goesOn = deliver(this.#content(from, at, at + size));
      at += size;
      if (!goesOn) return at;
    }
    if (at < end) this.#continue(from, at, end, now);
    return end;
  }

  /** Frees what has come of an unfinished message. */
  release(): void {
    if (this.#partial !== undefined) this.#shared.free(this.#partial.length);
    this.#partial = undefined;
    this.#filled = 0;
  }

  /** Adds to the unfinished message. @returns where its content ends in `from`. */
  #continue(from: Buffer, start: number, end: number, now: number): number {
    this.grewAt = now;
    let at = start;
    if (this.#filled < PREFIX_BYTES) at = this.#append(from, at, Math.min(end, at + PREFIX_BYTES - this.#filled));
    if (this.#filled < PREFIX_BYTES) return at;
    const left = this.#wholeBytes(this.#partial as Buffer, 0) - this.#filled;
    return this.#append(from, at, Math.min(end, at + left));
  }

  #append(from: Buffer, start: number, end: number): number {
    const needed = this.#filled + end - start;
    const held = this.#partial?.length ?? 0;
    if (needed > held) {
      // By doubling, up to what the message says it needs: memory follows what came, not what was announced.
      const size = Math.max(needed, Math.min(Math.max(FIRST_BYTES, held * 2), this.#announced()));
      this.#shared.demand(size - held);
      // Moved rather than copied: what it had before is free at once, not when the garbage collector finds it.
      this.#partial =
        this.#partial === undefined ? Buffer.allocUnsafeSlow(size) : Buffer.from(this.#partial.buffer.transfer(size));
    }
    from.copy(this.#partial as Buffer, this.#filled, start, end);
    this.#filled = needed;
    return end;
  }

  #announced(): number {
    if (this.#partial === undefined || this.#filled < PREFIX_BYTES) return FIRST_BYTES;
    return this.#wholeBytes(this.#partial, 0);
  }

  /** Bytes of a message with its prefix. */
  #wholeBytes(from: Buffer, at: number): number {
    const flag = from[at] as number;
    const size = readWord(from, at + 1);
    if (flag > 1) throw new StatusError(Status.INTERNAL, `a message begins with ${flag}, not with 0 or 1`);
    if (size > this.#messageBytesMax) throw tooLarge(size, this.#messageBytesMax);
    return PREFIX_BYTES + size;
  }

  #content(from: Buffer, start: number, end: number): Buffer {
    const content = from.subarray(start + PREFIX_BYTES, end);
    if (from[start] === 0) return content;
    if (!this.#gzip) throw new StatusError(this.#ifCompressed, "compressed messages are not taken here");
    try {
      const bytes = nodeZlib().gunzipSync(content, { maxOutputLength: this.#messageBytesMax });
      this.#unpacked?.(bytes.length);
      return bytes;
    } catch (cause) {
      this.#unpacked?.(this.#messageBytesMax);
      const large = (cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
      if (large) throw tooLarge(undefined, this.#messageBytesMax);
      throw new StatusError(Status.INTERNAL, "a compressed message is not gzip", { cause });
    }
  }
}

function tooLarge(size: number | undefined, max: number): StatusError {
  const what = size === undefined ? "a message" : `a message of ${size} bytes`;
  return new StatusError(Status.RESOURCE_EXHAUSTED, `${what} is larger than the ${max} that are taken`);
}
