import { promisify } from "node:util";
import { deflateRaw, deflateRawSync, type InputType, inflateRaw, inflateRawSync, type ZlibOptions } from "node:zlib";

/**
 * Deflate and its reverse. What takes longer than a hop to another thread runs on Node's thread pool, so that neither
 * ever holds the event loop: measured, 10 MiB cost 250 ms to deflate and 30 ms to inflate there, against 400 ms each
 * in slices of up to 15 ms on the event loop with an inflater written in JavaScript.
 */

/** Up to here a call takes less than 0.2 ms, which is less than a hop costs in throughput. */
const INLINE_BYTES_MAX = 8 * 1024;
const INLINE_INFLATED_MAX = 64 * 1024;
const CHUNK_BYTES_MAX = 256 * 1024;
const CHUNK_BYTES_MIN = 64;

const deflateInPool = promisify<InputType, ZlibOptions, Buffer>(deflateRaw);
const inflateInPool = promisify<InputType, ZlibOptions, Buffer>(inflateRaw);

export async function deflate(bytes: Uint8Array): Promise<Uint8Array> {
  if (bytes.length <= INLINE_BYTES_MAX) return deflateRawSync(bytes);
  return await deflateInPool(bytes, { chunkSize: CHUNK_BYTES_MAX });
}

/**
 * @param size  the bytes it must become: not one more is ever held in memory.
 * @throws Error of zlib, or one that says so, when it becomes another number of bytes.
 */
export async function inflate(deflated: Uint8Array, size: number): Promise<Uint8Array> {
  const chunkSize = Math.min(Math.max(size, CHUNK_BYTES_MIN), CHUNK_BYTES_MAX);
  const options: ZlibOptions = { chunkSize, maxOutputLength: Math.max(size, 1) };
  const inline = deflated.length <= INLINE_BYTES_MAX && size <= INLINE_INFLATED_MAX;
  const bytes = inline ? inflateRawSync(deflated, options) : await inflateInPool(deflated, options);
  if (bytes.length !== size) throw new Error(`it has ${bytes.length} bytes where its header says ${size}`);
  return bytes;
}
