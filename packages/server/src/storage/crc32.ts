/** Up to this a table is as fast as the call into zlib. Bytes. */
const SHORT_BYTES_MAX = 512;

/** Remainders for a byte, and for bytes that are followed by one, two or three others. */
const TABLES = tables();

/**
 * CRC-32 as in zlib and in zip archives (ITU-T V.42). Short records are summed here: it is faster, and a server whose
 * records are all short does without zlib, which is 3 MiB of memory.
 *
 * @param crc  the sum of what comes before.
 */
export function crc32(bytes: Uint8Array | string, crc = 0): number {
  if (typeof bytes === "string" || bytes.length > SHORT_BYTES_MAX) {
    return process.getBuiltinModule("node:zlib").crc32(bytes, crc);
  }
  const [one, two, three, four] = TABLES;
  let sum = ~crc;
  let at = 0;
  for (const whole = bytes.length & ~3; at < whole; at += 4) {
    sum ^=
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    sum =
      (four[sum & 0xff] as number) ^
      (three[(sum >>> 8) & 0xff] as number) ^
      (two[(sum >>> 16) & 0xff] as number) ^
      (one[sum >>> 24] as number);
  }
  for (; at < bytes.length; at++) sum = (sum >>> 8) ^ (one[(sum ^ (bytes[at] as number)) & 0xff] as number);
  return ~sum >>> 0;
}

function tables(): readonly [Int32Array, Int32Array, Int32Array, Int32Array] {
  const one = Int32Array.from({ length: 256 }, (_, byte) => {
    let rest = byte;
    for (let bit = 0; bit < 8; bit++) rest = (rest & 1) !== 0 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
    return rest;
  });
  const followed = (by: Int32Array): Int32Array => by.map((rest) => (rest >>> 8) ^ (one[rest & 0xff] as number));
  const two = followed(one);
  const three = followed(two);
  return [one, two, three, followed(three)];
}
