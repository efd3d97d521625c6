import { decodeUtf8, RegistryError } from "@nacre/protocol";
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
export function pairsOf(encoded: string): [name: string, value: string][] {
  const pairs: [string, string][] = [];
  for (let from = 0; from < encoded.length; ) {
    const end = encoded.indexOf("&", from);
    const to = end === -1 ? encoded.length : end;
    if (to > from) {
      const equals = encoded.indexOf("=", from);
      const nameEnd = equals === -1 || equals > to ? to : equals;
      const rawName = encoded.slice(from, nameEnd);
      if (pairs.length === PAIRS_MAX)
        throw new RegistryError("invalidParameter", `a request may have ${PAIRS_MAX} parameters at most`);
      const name = decoded(rawName, rawName);
      const value = nameEnd === to ? "" : decoded(encoded.slice(nameEnd + 1, to), name);
      pairs.push([name, encoded.length > SHARED_LENGTH_MAX ? ownText(value) : value]);
    }
    from = to + 1;
  }
  return pairs;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the bytes that need no decoding
const PLAIN = /^[\x00-\x24\x26-\x2a\x2c-\x7f]*$/;

function decoded(encoded: string, name: string): string {
  if (PLAIN.test(encoded)) return encoded;
  const bytes = Buffer.allocUnsafe(encoded.length);
  let length = 0;
  for (let at = 0; at < encoded.length; at++) {
    const code = encoded.charCodeAt(at);
    if (code === 0x25) {
      const high = hexDigit(encoded.charCodeAt(at + 1));
      const low = hexDigit(encoded.charCodeAt(at + 2));
      if (high < 0 || low < 0) throw broken(name, "a % must be followed by two hexadecimal digits");
      bytes[length++] = high * 16 + low;
      at += 2;
    } else bytes[length++] = code === 0x2b ? 0x20 : code;
  }
  try {
    return decodeUtf8(bytes.subarray(0, length));
  } catch {
    throw broken(name, "it must be UTF-8");
  }
}

function broken(name: string, rule: string): RegistryError {
  return new RegistryError("invalidParameter", `Param '${name.slice(0, 128)}' is illegal, ${rule}.`);
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
