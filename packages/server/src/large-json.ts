import { decodeUtf8, parseJsonObject, RegistryError } from "@nacre/protocol";
import { inTurns } from "./storage/turn.ts";

/**
 * Bodies from here on are read piece by piece: `JSON.parse` holds the event loop for 5 to 40 ms where a text has 10 MiB,
 * most where many of its characters are escaped, and for 100 ms and more where there are many small values.
 */
const BODY_BYTES_MIN = 1024 * 1024;
/** Bytes that are looked at, parsed or made text of between two pauses: a millisecond or two. */
const PIECE_BYTES = 128 * 1024;
/** What is large further down is parsed in one go: each level is looked through again, and no message has so many. */
const DEPTH_MAX = 8;

const [QUOTE, BACKSLASH, U, COMMA, COLON] = [0x22, 0x5c, 0x75, 0x2c, 0x3a];
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d];

type Work<T> = Generator<undefined, T>;

/**
 * What `parseJsonObject` gives; later, where the body is large, and with the event loop free in between.
 * @throws RegistryError `badRequest`.
 */
export function parseBody(bytes: Uint8Array, what: string): Record<string, unknown> | Promise<Record<string, unknown>> {
  return bytes.length < BODY_BYTES_MIN ? parseJsonObject(bytes, what) : inTurns(parseLarge(bytes, what));
}

/** Yields after a millisecond or two of work. */
export function* parseLarge(bytes: Uint8Array, what: string): Work<Record<string, unknown>> {
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const from = yield* behindSpace(body, 0);
  if (body[from] !== OPEN_BRACE) throw new RegistryError("badRequest", `${what}: the body is not a JSON object`);
  try {
    return (yield* valueIn(body.subarray(from), 0)) as Record<string, unknown>;
  } catch (cause) {
    const why = (cause as Error).message;
    throw new RegistryError("badRequest", `${what}: the body is not JSON in UTF-8 (${why})`, { cause });
  }
}

/** What the bytes stand for, which are one value and the space around it. */
function* valueIn(bytes: Buffer, depth: number): Work<unknown> {
  if (bytes.length <= PIECE_BYTES || depth === DEPTH_MAX) {
    yield;
    return JSON.parse(decodeUtf8(bytes));
  }
  const from = yield* behindSpace(bytes, 0);
  let value: unknown;
  let to: number;
  if (bytes[from] === QUOTE) [value, to] = yield* textFrom(bytes, from + 1);
  else if (bytes[from] === OPEN_BRACKET) {
    const items: unknown[] = [];
    to = yield* partsOf(bytes, from + 1, CLOSE_BRACKET, function* (part, isLarge) {
      if (isLarge) items.push(yield* valueIn(part, depth + 1));
      else for (const item of parsed<unknown[]>("[", part, "]")) items.push(item);
      return items.length;
    });
    value = items;
  } else if (bytes[from] === OPEN_BRACE) {
    const fields: Record<string, unknown> = {};
    let count = 0;
    to = yield* partsOf(bytes, from + 1, CLOSE_BRACE, function* (part, isLarge) {
      const some = isLarge ? [yield* memberIn(part, depth)] : Object.entries(parsed<object>("{", part, "}"));
      for (const [key, field] of some) put(fields, key, field);
      count += some.length;
      return count;
    });
    value = fields;
  } else return JSON.parse(decodeUtf8(bytes));
  if ((yield* behindSpace(bytes, to)) < bytes.length) throw new SyntaxError("more follows where a value has ended");
  return value;
}

/**
 * Cuts what stands in brackets into parts that are worth parsing at once, and members that are larger than that.
 *
 * @param from  behind the opening bracket.
 * @param take  is given each part in order, and returns how many members there were by then.
 * @returns where it goes on behind the closing bracket.
 */
function* partsOf(
  bytes: Buffer,
  from: number,
  close: number,
  take: (part: Buffer, isLarge: boolean) => Work<number>,
): Work<number> {
  const first = yield* behindSpace(bytes, from);
  if (bytes[first] === close) return first + 1;
  let taken = 0;
  for (let partFrom = first; ; ) {
    const end = yield* partEnd(bytes, partFrom);
    yield;
    const before = taken;
    taken = yield* take(bytes.subarray(partFrom, end), end - partFrom > PIECE_BYTES);
    if (taken === before) throw new SyntaxError("a value is missing");
    if (bytes[end] === close) return end + 1;
    if (bytes[end] !== COMMA) throw new SyntaxError("a bracket is not closed");
    partFrom = end + 1;
  }
}

/**
 * The comma or the closing bracket behind as many members as a piece holds, or behind one that is larger; or the end of
 * all. What is broken inside shows when it is parsed.
 */
function* partEnd(bytes: Buffer, from: number): Work<number> {
  let depth = 0;
  let inText = false;
  let comma = -1;
  let at = from;
  for (let pauseAt = from + PIECE_BYTES; at < bytes.length; at++) {
    if (at > pauseAt) {
      if (comma !== -1) return comma;
      yield;
      pauseAt = at + PIECE_BYTES;
      if (inText && isPlain(bytes.subarray(at, pauseAt))) {
        at = pauseAt - 1;
        continue;
      }
    }
    const byte = bytes[at];
    if (inText) {
      if (byte === QUOTE) inText = false;
      else if (byte === BACKSLASH) at++;
    } else if (byte === QUOTE) inText = true;
    else if (byte === COMMA) {
      if (depth > 0) continue;
      if (at - from > PIECE_BYTES) return at;
      comma = at;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      if (depth === 0) return at;
      depth--;
    }
  }
  return bytes.length;
}

/** A name, a colon and a large value; or a large name. */
function* memberIn(bytes: Buffer, depth: number): Work<readonly [string, unknown]> {
  const nameFrom = yield* behindSpace(bytes, 0);
  if (bytes[nameFrom] !== QUOTE) throw new SyntaxError("a member has no name");
  const [name, nameTo] = yield* textFrom(bytes, nameFrom + 1);
  const colon = yield* behindSpace(bytes, nameTo);
  if (bytes[colon] !== COLON) throw new SyntaxError("a name has no colon behind it");
  return [name, yield* valueIn(bytes.subarray(colon + 1), depth + 1)];
}

/** @param from  behind the quote that begins the text. @returns the text, and where it goes on behind it. */
function* textFrom(bytes: Buffer, from: number): Work<readonly [text: string, to: number]> {
  const pieces: string[] = [];
  for (let at = from; ; ) {
    const until = Math.min(bytes.length, at + PIECE_BYTES);
    let end = isPlain(bytes.subarray(at, until)) ? until : endOrAfter(bytes, at, until);
    // A piece ends where a character does.
    while (((bytes[end] ?? 0) & 0xc0) === 0x80) end++;
    pieces.push(parsed<string>('"', bytes.subarray(at, end), '"'));
    yield;
    if (end >= bytes.length) throw new SyntaxError("a text has no end");
    if (bytes[end] === QUOTE) return [pieces.join(""), end + 1];
    at = end;
  }
}

/** Most pieces of most texts hold neither, which is found out in no time. */
function isPlain(piece: Buffer): boolean {
  return !piece.includes(QUOTE) && !piece.includes(BACKSLASH);
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

function* behindSpace(bytes: Buffer, from: number): Work<number> {
  let at = from;
  for (let pauseAt = from + PIECE_BYTES; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
    if (at < pauseAt) continue;
    yield;
    pauseAt = at + PIECE_BYTES;
  }
  return at;
}

function parsed<T>(open: string, part: Buffer, close: string): T {
  return JSON.parse(`${open}${decodeUtf8(part)}${close}`) as T;
}

/** As `JSON.parse` does it: there is no name that means something else. */
function put(fields: Record<string, unknown>, name: string, field: unknown): void {
  if (name !== "__proto__") fields[name] = field;
  else Object.defineProperty(fields, name, { value: field, writable: true, enumerable: true, configurable: true });
}
