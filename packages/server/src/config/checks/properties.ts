import { type Problem, placeOf } from "./problem.ts";

/**
 * Java's reader of properties takes nearly everything; what it refuses is `\u` without four hexadecimal digits, in
 * keys and values. Comments are left alone; a line that ends in an odd number of backslashes goes on in the next one,
 * whatever that starts with.
 */
export function propertiesProblem(text: string): Problem | undefined {
  let isStart = true;
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (isStart && /[ \t\f\r\n]/.test(character)) continue;
    if (isStart && (character === "#" || character === "!")) {
      at = lineEnd(text, at);
      continue;
    }
    isStart = character === "\n" || character === "\r";
    if (character !== "\\") continue;
    at++;
    if (text[at] === "u" && !/^[0-9a-fA-F]{4}$/.test(text.slice(at + 1, at + 5))) {
      return { place: placeOf(text, at - 1), what: "\\u must be followed by four hexadecimal digits" };
    }
    // An escaped \r\n is one line break.
    if (text[at] === "\r" && text[at + 1] === "\n") at++;
  }
  return undefined;
}

/** Offset of the line break that ends the line, or of the end of the text. */
function lineEnd(text: string, from: number): number {
  for (let at = from; at < text.length; at++) if (text[at] === "\n" || text[at] === "\r") return at;
  return text.length;
}
