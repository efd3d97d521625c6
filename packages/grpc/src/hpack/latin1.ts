const SLOTS = 512;
/** What is worth sharing is short: names, paths, authorities, versions of clients. */
const SHARED_OCTETS_MAX = 64;

const shared = new Array<string>(SLOTS).fill("");

/** Declared by no types, and the fastest way to a flat string that holds nothing of the octets it came from. */
const latin1Slice = (
  Buffer.prototype as unknown as { latin1Slice: (this: Uint8Array, start: number, end: number) => string }
).latin1Slice;

/** The octets from `start` to `end` as a string of one character per octet. */
export function latin1(source: Uint8Array, start: number, end: number): string {
  return start === end ? "" : latin1Slice.call(source, start, end);
}

/**
 * The same, but one string for all who ask for these octets, most of the time: thousands of connections keep the same
 * dozen names and values in their tables. The strings stand in a fixed number of slots, where a new one replaces the
 * one before, so a peer that sends much of its own costs the others nothing but a copy.
 */
export function sharedLatin1(source: Uint8Array, start: number, end: number): string {
  const length = end - start;
  if (length > SHARED_OCTETS_MAX) return latin1(source, start, end);
  let hash = length;
  for (let at = start; at < end; at += 1) hash = Math.imul(hash ^ (source[at] as number), 0x01000193);
  const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
  const known = shared[slot] as string;
  if (isLatin1(known, source, start, end)) return known;
  const fresh = latin1(source, start, end);
  shared[slot] = fresh;
  return fresh;
}

/** Whether a text of one character per octet is that from `start` to `end`. */
export function isLatin1(text: string, source: Uint8Array, start: number, end: number): boolean {
  const { length } = text;
  if (length !== end - start) return false;
  for (let at = 0; at < length; at += 1) {
    if (text.charCodeAt(at) !== source[start + at]) return false;
  }
  return true;
}
