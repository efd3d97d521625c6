import { closeSync, openSync, readSync } from "node:fs";
import { nodeCrypto } from "./node-crypto.ts";

const SOURCE = "/dev/urandom";

/**
 * Random bytes of the system, without the module of Node that holds all of cryptography: that takes 2 MiB and a twentieth
 * of a start, which would need nothing else of it. Where the system has no such file they come from there after all.
 */
export function randomBytes(count: number): Buffer {
  const bytes = Buffer.alloc(count);
  let file: number | undefined;
  try {
    file = openSync(SOURCE, "r");
    if (readSync(file, bytes, 0, count, null) === count) return bytes;
  } catch {
    // Another kind of system.
  } finally {
    if (file !== undefined) closeSync(file);
  }
  return nodeCrypto().randomBytes(count);
}

/** A whole number from 1 up to, not including, `end`, which is 2^32 at most. */
export function randomBelow(end: number): number {
  return 1 + (randomBytes(6).readUIntBE(0, 6) % (end - 1));
}

/** A UUID of version 4. */
export function randomId(): string {
  const bytes = randomBytes(16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
