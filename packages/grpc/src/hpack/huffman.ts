/** The code that ends a string and never stands in one (RFC 7541, 5.2). */
export const EOS = 256;

/** Bits of each symbol's code (RFC 7541, Appendix B). The code is canonical, so the lengths alone give it. */
const LENGTHS: readonly number[] = [
  ...[13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28],
  ...[28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28],
  ...[6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6],
  ...[5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10],
  ...[13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7],
  ...[7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6],
  ...[15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5],
  ...[6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28],
  ...[20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23],
  ...[24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24],
  ...[22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23],
  ...[21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23],
  ...[26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25],
  ...[19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27],
  ...[20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23],
  ...[26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26],
  30,
];

/** The code of each symbol, EOS last: the lowest `bits` of `code`, the first bit the highest. */
export const HUFFMAN_CODES: readonly { readonly code: number; readonly bits: number }[] = canonicalCodes(LENGTHS);

function canonicalCodes(lengths: readonly number[]): { code: number; bits: number }[] {
  const codes = lengths.map((bits) => ({ code: 0, bits }));
  let code = 0;
  for (let bits = 1; bits <= 30; bits += 1) {
    for (const own of codes) {
      if (own.bits !== bits) continue;
      own.code = code;
      code += 1;
    }
    code *= 2;
  }
  return codes;
}

/**
 * What four bits do in each state: `STEPS[state * 16 + bits]` holds the next state in its lowest octet, the symbol that
 * is complete in the next one, and the flags above. A code has five bits at least, so four complete one symbol at most.
 * A state is the part of a code that has been read: there are 256, and the table has 16 KiB, which stay in a core's
 * first cache.
 */
const STEPS = new Uint32Array(256 * 16);
const SYMBOL = 1 << 16;
const BROKEN = 1 << 17;
/** States 0 to 7 have read nothing but this many ones: what a string may be padded with (RFC 7541, 5.2). */
const PADDING_BITS_MAX = 7;

fillSteps();

function fillSteps(): void {
  // The code as a tree: children[state * 2 + bit] is a state, or a symbol written as -1 - symbol.
  const children = new Int32Array(256 * 2);
  let states = 1;
  const grow = (code: number, bits: number, leaf: number): void => {
    let state = 0;
    for (let bit = bits - 1; bit > 0; bit -= 1) {
      const branch = state * 2 + ((code >>> bit) & 1);
      if (children[branch] === 0) {
        children[branch] = states;
        states += 1;
      }
      state = children[branch] as number;
    }
    children[state * 2 + (code & 1)] = leaf;
  };
  // EOS is thirty ones: growing it first gives the states of padding their numbers.
  for (let symbol = EOS; symbol >= 0; symbol -= 1) {
    const { code, bits } = HUFFMAN_CODES[symbol] as { code: number; bits: number };
    grow(code, bits, -1 - symbol);
  }
  for (let from = 0; from < 256; from += 1) {
    for (let four = 0; four < 16; four += 1) {
      let state = from;
      let flags = 0;
      for (let bit = 3; bit >= 0; bit -= 1) {
        const next = children[state * 2 + ((four >>> bit) & 1)] as number;
        if (next === -1 - EOS) flags |= BROKEN;
        else if (next < 0) flags |= SYMBOL | ((-1 - next) << 8);
        state = next < 0 ? 0 : next;
      }
      STEPS[from * 16 + four] = flags | state;
    }
  }
}

/** The most octets that a string of `length` coded octets can stand for: the shortest code has five bits. */
export function huffmanDecodedMax(length: number): number {
  return Math.floor((length * 8) / 5);
}

/**
 * Decodes the octets from `start` to `end` into `target`, which must hold `huffmanDecodedMax` and one more.
 *
 * @returns octets written, or -1 when the string holds EOS, or its padding is not ones or has eight bits or more.
 */
export function decodeHuffman(source: Uint8Array, start: number, end: number, target: Uint8Array): number {
  const steps = STEPS;
  let state = 0;
  let length = 0;
  let seen = 0;
  for (let at = start; at < end; at += 1) {
    const octet = source[at] as number;
    let step = steps[(state << 4) | (octet >>> 4)] as number;
    // Written always and kept by counting: whether a symbol is complete here is what a branch cannot predict.
    target[length] = step >>> 8;
    length += (step >>> 16) & 1;
    seen |= step;
    step = steps[((step & 0xff) << 4) | (octet & 0x0f)] as number;
    target[length] = step >>> 8;
    length += (step >>> 16) & 1;
    seen |= step;
    state = step & 0xff;
  }
  return (seen & BROKEN) !== 0 || state > PADDING_BITS_MAX ? -1 : length;
}
