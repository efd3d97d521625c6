import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES, FrameType } from "./protocol.ts";

/** Longer messages are not kept framed: the copy would cost more memory than it saves time. */
const FRAMED_BYTES_MAX = 256 * 1024;
/** Most clients open their stream with one of the first few ids, so these are enough. */
const IDS_MAX = 8;

/** The message that was sent last, and what it looks like on streams of an id that had it before. */
let latest: Uint8Array | undefined;
const byId = new Map<number, Buffer | undefined>();

/**
 * A message that goes to many connections has the same frames on all streams of one id: they are built once, at the
 * second such stream, and written from the same memory to all others.
 *
 * @returns undefined when it is not worth it, or not yet.
 */
export function framedFor(streamId: number, message: Uint8Array): Buffer | undefined {
  if (message.length > FRAMED_BYTES_MAX) return undefined;
  if (message !== latest) {
    latest = message;
    byId.clear();
  }
  const known = byId.get(streamId);
  if (known !== undefined) return known;
  const again = byId.has(streamId);
  if (!again && byId.size === IDS_MAX) return undefined;
  const framed = again ? frame(streamId, message) : undefined;
  byId.set(streamId, framed);
  return framed;
}

/** DATA frames of a message and its prefix; none of them ends the stream. */
function frame(streamId: number, message: Uint8Array): Buffer {
  const content = Buffer.allocUnsafeSlow(message.length + 5);
  content[0] = 0;
  content.writeUInt32BE(message.length, 1);
  content.set(message, 5);
  const frames = Math.ceil(content.length / FRAME_BYTES_MAX);
  const framed = Buffer.allocUnsafeSlow(content.length + frames * FRAME_HEADER_BYTES);
  for (let index = 0, at = 0; index < frames; index++) {
    const part = content.subarray(index * FRAME_BYTES_MAX, (index + 1) * FRAME_BYTES_MAX);
    framed.writeUIntBE(part.length, at, 3);
    framed[at + 3] = FrameType.DATA;
    framed[at + 4] = 0;
    framed.writeUInt32BE(streamId, at + 5);
    framed.set(part, at + FRAME_HEADER_BYTES);
    at += FRAME_HEADER_BYTES + part.length;
  }
  return framed;
}
