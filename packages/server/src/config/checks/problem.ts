import type { ConfigType } from "@nacre/protocol";

/** The first thing that is wrong with a content. */
export interface Problem {
  /** Both from 1; the column counts UTF-16 units, as editors do. Undefined where the whole content is meant. */
  readonly place: Place | undefined;
  /** Part of a sentence. */
  readonly what: string;
}

export interface Place {
  readonly line: number;
  readonly column: number;
}

const WHAT_LENGTH_MAX = 500;

/** Types whose contents can be wrong. */
export const CHECKED_TYPES: ReadonlySet<ConfigType> = new Set(["json", "yaml", "xml", "toml", "properties"]);

/** One sentence without its full stop, such as `not valid json at line 2, column 5: a comma or } is expected`. */
export function sentence(type: string, { place, what }: Problem): string {
  const where = place === undefined ? "" : ` at line ${place.line}, column ${place.column}`;
  const short = what.length > WHAT_LENGTH_MAX ? `${what.slice(0, WHAT_LENGTH_MAX)}...` : what;
  return `not valid ${type}${where}: ${short.replaceAll(/\s+/g, " ").trim()}`;
}

/** The place of an offset; `\n`, `\r\n` and a lone `\r` each end a line. */
export function placeOf(text: string, offset: number): Place {
  const end = Math.min(Math.max(offset, 0), text.length);
  let line = 1;
  let lineFrom = 0;
  for (let at = 0; at < end; at++) {
    const code = text.charCodeAt(at);
    const isBreak = code === 10 || (code === 13 && text.charCodeAt(at + 1) !== 10);
    if (!isBreak) continue;
    line++;
    lineFrom = at + 1;
  }
  return { line, column: end - lineFrom + 1 };
}
