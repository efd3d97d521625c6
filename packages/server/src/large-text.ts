import { nodeCrypto } from "./node-crypto.ts";
import { turn } from "./storage/turn.ts";

/**
 * Texts of megabytes, worked on piece by piece with the event loop free in between: to hash 10 MiB takes 15 ms, and to
 * write as JSON what is full of quotes and line breaks 70 ms.
 */

/** UTF-16 units of a piece: a millisecond or two. */
const PIECE = 256 * 1024;

export function isLarge(text: string): boolean {
  return text.length > PIECE;
}

/** What others waited for while the caller was given the text comes before the first piece, and after the last. */
export async function digestInTurns(text: string): Promise<{ readonly md5: string; readonly bytes: number }> {
  const hash = nodeCrypto().createHash("md5");
  let bytes = 0;
  for (const piece of piecesOf(text)) {
    await turn();
    hash.update(piece);
    bytes += Buffer.byteLength(piece);
  }
  await turn();
  return { md5: hash.digest("hex"), bytes };
}

export function hasLarge(fields: Readonly<Record<string, unknown>>): boolean {
  return Object.values(fields).some((field) => typeof field === "string" && isLarge(field));
}

/** What `JSON.stringify` makes of the object, in UTF-8 and in pieces. Large are only texts that are fields of its own. */
export async function jsonPieces(fields: Readonly<Record<string, unknown>>): Promise<Buffer[]> {
  const pieces: Buffer[] = [];
  let text = "{";
  for (const [key, field] of Object.entries(fields)) {
    const json = typeof field === "string" && isLarge(field) ? undefined : JSON.stringify(field);
    if (json === undefined && typeof field !== "string") continue;
    text += `${text === "{" && pieces.length === 0 ? "" : ","}${JSON.stringify(key)}:`;
    if (json !== undefined) text += json;
    else {
      pieces.push(Buffer.from(`${text}"`));
      for (const piece of piecesOf(field as string)) {
        await turn();
        pieces.push(Buffer.from(JSON.stringify(piece).slice(1, -1)));
      }
      text = '"';
    }
  }
  await turn();
  pieces.push(Buffer.from(`${text}}`));
  return pieces;
}

/** A surrogate pair stays in one piece. */
export function* piecesOf(text: string): Generator<string> {
  for (let from = 0; from < text.length; ) {
    let to = from + PIECE;
    if (to < text.length && isLow(text.charCodeAt(to)) && isHigh(text.charCodeAt(to - 1))) to--;
    yield text.slice(from, to);
    from = to;
  }
}

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit < 0xdc00;
const isLow = (unit: number): boolean => unit >= 0xdc00 && unit < 0xe000;
