/** Content hashes for digests and checksums: fast and well spread, not meant to resist an attacker. */

/** 32-bit FNV-1a over UTF-16 code units, continued from `seed`. */
export function hashText(text: string, seed = 0x811c9dc5): number {
  let hash = seed;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

/** Mixes a number into a hash. */
export function hashNumber(value: number, seed: number): number {
  let hash = Math.imul(seed ^ (value | 0), 0x85ebca6b);
  hash ^= hash >>> 13;
  return Math.imul(hash, 0xc2b2ae35) >>> 0;
}

/** Adds or takes away one element of a set hash, which does not depend on order: the set of equal elements is equal. */
export function addToSet(set: number, element: number): number {
  return (set + spread(element)) >>> 0;
}
export function takeFromSet(set: number, element: number): number {
  return (set - spread(element)) >>> 0;
}

/**
 * Murmur3's last step. Sums of bare FNV hashes agree far too often: half of all pairs `a=1,b=0` and `a=0,b=1` would.
 */
function spread(element: number): number {
  let hash = Math.imul(element ^ (element >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

export function hex(hash: number): string {
  return hash.toString(16).padStart(8, "0");
}
