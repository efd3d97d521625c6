import { OptionError } from "./option.ts";

export interface Property {
  readonly key: string;
  readonly value: string;
  /** Line on which the property starts, from 1. */
  readonly line: number;
}

const ESCAPES: Record<string, string> = { t: "\t", n: "\n", r: "\r", f: "\f" };

/**
 * The properties in a text, in order, by the rules of `java.util.Properties`: `=`, `:` or blanks end a key, a backslash
 * at the end of a line joins the next one, `#` and `!` start comment lines, `\uXXXX` and the usual escapes apply.
 *
 * @param file how the text is called in sentences.
 * @throws OptionError for a `\u` that four hexadecimal digits do not follow.
 */
export function parseProperties(text: string, file: string): Property[] {
  const properties: Property[] = [];
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
  for (let at = 0; at < lines.length; at += 1) {
    const line = at + 1;
    let logical = withoutIndent(lines[at] ?? "");
    if (logical === "" || logical.startsWith("#") || logical.startsWith("!")) continue;
    while (endsOpen(logical)) {
      at += 1;
      logical = logical.slice(0, -1) + withoutIndent(lines[at] ?? "");
      if (at >= lines.length) break;
    }
    const [key, value] = split(logical);
    const where = `${file}:${line}`;
    properties.push({ key: unescaped(key, where), value: unescaped(value, where), line });
  }
  return properties;
}

/**
 * A value with its `${NAME}` and `${NAME:default}` filled in; defaults may hold placeholders themselves.
 *
 * @param lookup gives the text behind a name, or undefined.
 * @throws OptionError for a name without a value and without a default.
 */
export function fillPlaceholders(value: string, lookup: (name: string) => string | undefined, where: string): string {
  return fill(value, lookup, where, 0);
}

function fill(value: string, lookup: (name: string) => string | undefined, where: string, depth: number): string {
  // Placeholders that lead back to themselves would never end.
  if (depth > 20) throw new OptionError(`The placeholders in ${where} refer to each other in a circle; break it.`);
  const start = value.indexOf("${");
  if (start < 0) return value;
  const end = closing(value, start + 2);
  if (end < 0) throw new OptionError(`The placeholder in ${where} has no closing brace; add it.`);
  const inner = value.slice(start + 2, end);
  const colon = inner.indexOf(":");
  const name = colon < 0 ? inner : inner.slice(0, colon);
  const found = lookup(name) ?? (colon < 0 ? undefined : inner.slice(colon + 1));
  if (found === undefined) {
    throw new OptionError(`${where} uses \${${name}}, which nothing sets; set it, or write \${${name}:default}.`);
  }
  return (
    value.slice(0, start) + fill(found, lookup, where, depth + 1) + fill(value.slice(end + 1), lookup, where, depth)
  );
}

function closing(value: string, from: number): number {
  let open = 1;
  for (let at = from; at < value.length; at += 1) {
    if (value.startsWith("${", at)) open += 1;
    else if (value[at] === "}") open -= 1;
    if (open === 0) return at;
  }
  return -1;
}

function withoutIndent(line: string): string {
  return line.replace(/^[ \t\f]+/, "");
}

/** An odd number of backslashes at the end continues the line; an even number is escaped backslashes. */
function endsOpen(line: string): boolean {
  let count = 0;
  while (line[line.length - 1 - count] === "\\") count += 1;
  return count % 2 === 1;
}

function split(line: string): [string, string] {
  let end = 0;
  while (end < line.length && !/[=: \t\f]/.test(line[end] ?? "")) end += line[end] === "\\" ? 2 : 1;
  end = Math.min(end, line.length);
  return [line.slice(0, end), line.slice(end).replace(/^[ \t\f]*[=:]?[ \t\f]*/, "")];
}

function unescaped(text: string, where: string): string {
  return text.replace(/\\(u[0-9A-Fa-f]{4}|[\s\S]|$)/g, (_, escaped: string) => {
    if (escaped.length === 5) return String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    if (escaped === "u") {
      throw new OptionError(`${where} holds \\u without four hexadecimal digits; write \\\\u for a backslash and a u.`);
    }
    return ESCAPES[escaped] ?? escaped;
  });
}
