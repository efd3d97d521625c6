import { decodeUtf8, parseJsonObject, RegistryError } from "@nacre/protocol";
import { inTurns } from "../storage/turn.ts";

/**
 * Bodies from here on are read piece by piece: `JSON.parse` holds the event loop for 5 to 40 ms where a text has 10 MiB,
 * most where many of its characters are escaped.
 */
const BODY_BYTES_MIN = 1024 * 1024;
/** Texts from here on are taken out of the body before it is parsed. */
const TEXT_BYTES_MIN = 256 * 1024;
/** Bytes that are looked at, or made text of, between two pauses: a millisecond at most. */
const PIECE_BYTES = 128 * 1024;
/** How deep the texts stand that are taken out: in the message itself, or in a map that it holds. */
const DEPTH_MAX = 2;
/** Stands for a text that was taken out, in front of its number. */
const MARK = "nacre: text taken out ";

const [QUOTE, BACKSLASH, U] = [0x22, 0x5c, 0x75];
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d];

/** A text of the body without its quotes, and where it may be cut: at the beginnings of characters. */
interface LargeText {
  readonly from: number;
  readonly to: number;
  readonly cuts: readonly number[];
}

type Work<T> = Generator<undefined, T>;

/**
 * What `parseJsonObject` gives; later, where the body is large, and with the event loop free in between.
 * @throws RegistryError `badRequest`.
 */
export function parseBody(bytes: Uint8Array, what: string): Record<string, unknown> | Promise<Record<string, unknown>> {
  return bytes.length < BODY_BYTES_MIN ? parseJsonObject(bytes, what) : inTurns(parseLarge(bytes, what));
}

/** Yields after a millisecond of work at most, the parsing of what is left of the body aside. */
export function* parseLarge(bytes: Uint8Array, what: string): Work<Record<string, unknown>> {
  const texts = yield* largeTexts(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  const rest = texts.length === 0 ? undefined : without(bytes, texts);
  // Where somebody wrote what stands for a text, nothing may stand for one.
  if (rest === undefined) return parseJsonObject(bytes, what);
  const parsed = parseJsonObject(rest, what);
  const read: string[] = [];
  for (const text of texts) read.push(yield* textOf(bytes, text, what));
  putBack(parsed, read, DEPTH_MAX);
  return parsed;
}

/** Where JSON is broken this may find other texts than meant: what is broken stays, in one of them or in the rest. */
function* largeTexts(bytes: Buffer): Work<readonly LargeText[]> {
  const texts: LargeText[] = [];
  let depth = 0;
  let pauseAt = PIECE_BYTES;
  for (let at = 0; at < bytes.length; at++) {
    if (at >= pauseAt) {
      yield;
      pauseAt = at + PIECE_BYTES;
    }
    const byte = bytes[at];
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth--;
    else if (byte === QUOTE) {
      const text = yield* textAt(bytes, at + 1);
      if (text.to - text.from >= TEXT_BYTES_MIN && depth <= DEPTH_MAX) texts.push(text);
      at = text.to;
    }
  }
  return texts;
}

function* textAt(bytes: Buffer, from: number): Work<LargeText> {
  const cuts: number[] = [];
  for (let at = from; ; ) {
    const until = Math.min(bytes.length, at + PIECE_BYTES);
    const piece = bytes.subarray(at, until);
    // Most pieces of most texts hold neither, which is found out in no time.
    at = piece.includes(QUOTE) || piece.includes(BACKSLASH) ? endOrAfter(bytes, at, until) : until;
    if (at >= bytes.length || bytes[at] === QUOTE) return { from, to: Math.min(at, bytes.length), cuts };
    while (((bytes[at] ?? 0) & 0xc0) === 0x80) at++;
    cuts.push(at);
    yield;
  }
}

/** The quote that ends a text, or else the first character at or behind `until`. */
function endOrAfter(bytes: Buffer, from: number, until: number): number {
  let at = from;
  while (at < until && bytes[at] !== QUOTE) {
    if (bytes[at] !== BACKSLASH) at++;
    else at += bytes[at + 1] === U ? 6 : 2;
  }
  return at;
}

/** The body with a mark in the place of each text; undefined when it holds such a mark of its own. */
function without(bytes: Uint8Array, texts: readonly LargeText[]): Buffer | undefined {
  const parts: Buffer[] = [];
  let at = 0;
  const keep = (to: number): boolean => {
    const part = Buffer.from(bytes.buffer, bytes.byteOffset + at, to - at);
    parts.push(part);
    return !part.includes(MARK);
  };
  for (const [number, { from, to }] of texts.entries()) {
    if (!keep(from)) return undefined;
    parts.push(Buffer.from(`${MARK}${number}`));
    at = to;
  }
  return keep(bytes.length) ? Buffer.concat(parts) : undefined;
}

function* textOf(bytes: Uint8Array, { from, to, cuts }: LargeText, what: string): Work<string> {
  const pieces: string[] = [];
  let at = from;
  for (const end of [...cuts, to]) {
    yield;
    try {
      pieces.push(JSON.parse(`"${decodeUtf8(bytes.subarray(at, end))}"`) as string);
    } catch (cause) {
      throw new RegistryError("badRequest", `${what}: the body is not JSON in UTF-8 (${(cause as Error).message})`, {
        cause,
      });
    }
    at = end;
  }
  yield;
  return pieces.join("");
}

function putBack(fields: Record<string, unknown>, texts: readonly string[], depth: number): void {
  for (const [key, field] of Object.entries(fields)) {
    if (typeof field === "string" && field.startsWith(MARK))
      fields[key] = texts[Number(field.slice(MARK.length))] ?? field;
    else if (typeof field === "object" && field !== null && depth > 1)
      putBack(field as Record<string, unknown>, texts, depth - 1);
  }
}
