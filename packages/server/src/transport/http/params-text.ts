import { decodeUtf8, RegistryError } from "@nacre/protocol";
import { inTurns, turn } from "../../storage/turn.ts";
import { ownText } from "./own-text.ts";

/** Pairs of one request, over query and form; a batch of a thousand instances is one pair. */
export const PAIRS_MAX = 10_000;
/** Values out of a longer text than this do not keep it in memory. */
const SHARED_LENGTH_MAX = 1024;

/**
 * The pairs of a query or a form, as clients really write them: split on `&` and the first `=`, empty pairs left out,
 * everything else taken as it stands (the Go SDK sends raw JSON). Always UTF-8, whatever charset a client declares.
 *
 * @param encoded  one character per byte, as Node gives a URL and `latin1` gives a body.
 * @throws RegistryError `invalidParameter` naming the parameter whose escapes or bytes are broken.
 */
export function pairsOf(encoded: string): Pair[] {
  return Array.from(rawPairs(encoded), ([name, value]) => {
    const decodedName = decoded(name, name);
    const text = decoded(value, decodedName);
    return [decodedName, encoded.length > SHARED_LENGTH_MAX ? ownText(text) : text];
  });
}

/** The same for a form of many megabytes, with the event loop free in between. */
export async function pairsInTurns(encoded: string): Promise<Pair[]> {
  await turn();
  return inTurns(pairSteps(encoded));
}

/** Yields after every pair, and inside a long one. */
export function* pairSteps(encoded: string): Generator<undefined, Pair[]> {
  const pairs: Pair[] = [];
  for (const [rawName, rawValue] of rawPairs(encoded)) {
    const name = yield* decodedSteps(rawName, rawName);
    pairs.push([name, yield* decodedSteps(rawValue, name)]);
    yield;
  }
  return pairs;
}

export type Pair = [name: string, value: string];

function* rawPairs(encoded: string): Generator<Pair> {
  let count = 0;
  for (let from = 0; from < encoded.length; ) {
    const end = encoded.indexOf("&", from);
    const to = end === -1 ? encoded.length : end;
    if (to > from) {
      const equals = encoded.indexOf("=", from);
      const nameEnd = equals === -1 || equals > to ? to : equals;
      const rawName = encoded.slice(from, nameEnd);
      if (count++ === PAIRS_MAX)
        throw new RegistryError("invalidParameter", `a request may have ${PAIRS_MAX} parameters at most`);
      yield [rawName, nameEnd === to ? "" : encoded.slice(nameEnd + 1, to)];
    }
    from = to + 1;
  }
}

/** Characters decoded in one go: a tenth of a millisecond, and three in a process that has not decoded much yet. */
const PIECE = 64 * 1024;

function* decodedSteps(encoded: string, name: string): Generator<undefined, string> {
  if (encoded.length <= PIECE) return ownText(decoded(encoded, name));
  const bytes = Buffer.allocUnsafe(PIECE);
  const parts: string[] = [];
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  for (let from = 0; from < encoded.length; ) {
    let to = Math.min(encoded.length, from + PIECE);
    // An escape stays in one piece.
    if (to < encoded.length) to -= encoded[to - 1] === "%" ? 1 : encoded[to - 2] === "%" ? 2 : 0;
    const length = unescapeInto(bytes, encoded, from, to, name);
    try {
      parts.push(decoder.decode(bytes.subarray(0, length), { stream: to < encoded.length }));
    } catch {
      throw broken(name, "it must be UTF-8");
    }
    from = to;
    yield;
  }
  return parts.join("");
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the bytes that need no decoding
const PLAIN = /^[\x00-\x24\x26-\x2a\x2c-\x7f]*$/;

function decoded(encoded: string, name: string): string {
  if (PLAIN.test(encoded)) return encoded;
  const bytes = Buffer.allocUnsafe(encoded.length);
  const length = unescapeInto(bytes, encoded, 0, encoded.length, name);
  try {
    return decodeUtf8(bytes.subarray(0, length));
  } catch {
    throw broken(name, "it must be UTF-8");
  }
}

function unescapeInto(bytes: Uint8Array, encoded: string, from: number, to: number, name: string): number {
  let length = 0;
  for (let at = from; at < to; at++) {
    const code = encoded.charCodeAt(at);
    if (code === 0x25) {
      const high = hexDigit(encoded.charCodeAt(at + 1));
      const low = hexDigit(encoded.charCodeAt(at + 2));
      if (high < 0 || low < 0) throw broken(name, "a % must be followed by two hexadecimal digits");
      bytes[length++] = high * 16 + low;
      at += 2;
    } else bytes[length++] = code === 0x2b ? 0x20 : code;
  }
  return length;
}

function broken(name: string, rule: string): RegistryError {
  return new RegistryError("invalidParameter", `Param '${name.slice(0, 128)}' is illegal, ${rule}.`);
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
