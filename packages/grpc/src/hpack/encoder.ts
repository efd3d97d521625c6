import { SENSITIVE_NAMES, STATIC_TABLE } from "./static-table.ts";

/** First entries of the static table by field and by name. */
const FIELD_INDEX = new Map<string, number>();
const NAME_INDEX = new Map<string, number>();
STATIC_TABLE.forEach(([name, value], place) => {
  FIELD_INDEX.set(`${name}\n${value}`, place + 1);
  if (!NAME_INDEX.has(name)) NAME_INDEX.set(name, place + 1);
});

/** First octet and prefix bits of the representations in use (RFC 7541, 6). */
const INDEXED = { pattern: 0x80, bits: 7 };
const WITHOUT_INDEXING = { pattern: 0x00, bits: 4 };
const NEVER_INDEXED = { pattern: 0x10, bits: 4 };
/** A string as it is, without Huffman: the octets saved are few, and every call would pay for them. */
const PLAIN_STRING = { pattern: 0x00, bits: 7 };

/** What a block must begin with after the peer lowered SETTINGS_HEADER_TABLE_SIZE: dynamic table size update to 0. */
export const TABLE_SIZE_ZERO: Buffer = Buffer.of(0x20);

/**
 * Encodes a block that uses the static table alone, so that it means the same on every connection at any time.
 *
 * @param fields names in lower case, and values; one octet per character (latin1).
 * @throws TypeError for a character above 0xff: cut to an octet it could become another one, a line end for example.
 */
export function encodeFields(fields: Iterable<readonly [name: string, value: string]>): Buffer {
  const octets: number[] = [];
  for (const [name, value] of fields) {
    const index = FIELD_INDEX.get(`${name}\n${value}`);
    if (index !== undefined) {
      pushInteger(octets, INDEXED, index);
      continue;
    }
    const nameIndex = NAME_INDEX.get(name) ?? 0;
    pushInteger(octets, SENSITIVE_NAMES.has(name) ? NEVER_INDEXED : WITHOUT_INDEXING, nameIndex);
    if (nameIndex === 0) pushString(octets, name);
    pushString(octets, value);
  }
  return Buffer.from(octets);
}

function pushString(octets: number[], text: string): void {
  pushInteger(octets, PLAIN_STRING, text.length);
  for (let at = 0; at < text.length; at += 1) {
    const octet = text.charCodeAt(at);
    if (octet > 0xff) throw new TypeError(`header fields: '${text}' holds a character above 0xff; encode it first`);
    octets.push(octet);
  }
}

/** RFC 7541, 5.1. */
function pushInteger(octets: number[], { pattern, bits }: { pattern: number; bits: number }, value: number): void {
  const prefix = (1 << bits) - 1;
  if (value < prefix) {
    octets.push(pattern | value);
    return;
  }
  octets.push(pattern | prefix);
  let rest = value - prefix;
  for (; rest >= 128; rest = Math.floor(rest / 128)) octets.push((rest % 128) | 0x80);
  octets.push(rest);
}
