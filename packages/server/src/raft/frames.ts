import { Malformed, Reader } from "./bytes.ts";
import { type Packet, readPacket, writePacket } from "./codec.ts";

/** A frame is never longer. */
export const FRAME_BYTES_MAX = 1024 * 1024;
/** An entry of the largest payload and what is around it. */
const MESSAGE_BYTES_MAX = 17 * FRAME_BYTES_MAX;
/** Kind, epoch, life of the sender, number of the message, number of the part. */
const HEAD_BYTES = 1 + 4 + 6 + 4 + 2;

const WHOLE = 0;
const MORE = 1;
const LAST = 2;

/** The frames of one sender to one receiver. Short messages may come between the parts of a long one. */
export class FrameWriter {
  readonly #life: number;
  readonly #frameBytesMax: number;
  readonly #epoch: number;
  #message = 0;

  constructor(life: number, frameBytesMax = FRAME_BYTES_MAX, epoch = 0) {
    this.#life = life;
    this.#frameBytesMax = frameBytesMax;
    this.#epoch = epoch;
  }

  /** What the packet carries is copied once, into its frames. */
  frames(packet: Packet): Uint8Array[] {
    const { parts, length } = writePacket(packet);
    const room = this.#frameBytesMax - HEAD_BYTES;
    const count = Math.max(1, Math.ceil(length / room));
    if (count > 1) this.#message = (this.#message + 1) >>> 0;
    const frames: Buffer[] = [];
    let [part, offset] = [0, 0];
    for (let number = 0; number < count; number++) {
      const bytes = Math.min(room, length - number * room);
      const frame = Buffer.allocUnsafe(HEAD_BYTES + bytes);
      frame[0] = count === 1 ? WHOLE : number === count - 1 ? LAST : MORE;
      frame.writeUInt32BE(this.#epoch, 1);
      frame.writeUIntBE(this.#life, 5, 6);
      frame.writeUInt32BE(count === 1 ? 0 : this.#message, 11);
      frame.writeUInt16BE(number, 15);
      for (let at = HEAD_BYTES; at < frame.length; ) {
        const from = parts[part] as Uint8Array;
        const taken = Math.min(from.length - offset, frame.length - at);
        frame.set(from.subarray(offset, offset + taken), at);
        at += taken;
        offset += taken;
        if (offset < from.length) continue;
        part++;
        offset = 0;
      }
      frames.push(frame);
    }
    return frames;
  }
}

/** What came is not what any member sends. */
export interface FrameFailure {
  readonly type: "malformed";
  readonly reason: string;
}

/** Puts the frames of one sender together again. */
export class FrameReader {
  readonly #epoch: number;
  #life = 0;
  #message = 0;
  #parts: Buffer[] = [];
  #length = 0;

  /** @param epoch  of the group: frames of another one are not taken. */
  constructor(epoch = 0) {
    this.#epoch = epoch;
  }

  /** Of the newest sender that was heard. */
  get life(): number {
    return this.#life;
  }

  /**
   * @returns undefined while more frames belong to the message, and for what is left of an earlier life, of another epoch, or of a
   * message whose other parts were lost. Never throws, whatever the bytes are.
   */
  push(bytes: Uint8Array): Packet | FrameFailure | undefined {
    const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const kind = frame[0] as number;
    if (frame.length < HEAD_BYTES || kind > LAST) return { type: "malformed", reason: "a frame has no head" };
    if (frame.readUInt32BE(1) !== this.#epoch) return undefined;
    const life = frame.readUIntBE(5, 6);
    if (life < this.#life) return undefined;
    if (life > this.#life) this.#forget();
    this.#life = life;
    const body = frame.subarray(HEAD_BYTES);
    if (kind === WHOLE) return parsed(body);
    const message = frame.readUInt32BE(11);
    const number = frame.readUInt16BE(15);
    if (number === 0) this.#forget();
    else if (message !== this.#message || number !== this.#parts.length) {
      this.#forget();
      return undefined;
    }
    this.#message = message;
    this.#parts.push(body);
    this.#length += body.length;
    if (this.#length > MESSAGE_BYTES_MAX) {
      this.#forget();
      return { type: "malformed", reason: `a message has more than ${MESSAGE_BYTES_MAX} bytes` };
    }
    if (kind === MORE) return undefined;
    const whole = Buffer.concat(this.#parts);
    this.#forget();
    return parsed(whole);
  }

  #forget(): void {
    this.#parts = [];
    this.#length = 0;
  }
}

function parsed(bytes: Buffer): Packet | FrameFailure {
  try {
    const reader = new Reader(bytes);
    const packet = readPacket(reader);
    reader.end();
    return packet;
  } catch (thrown) {
    if (thrown instanceof Malformed) return { type: "malformed", reason: thrown.message };
    throw thrown;
  }
}
