import { namespaceOf, RegistryError } from "@nacre/protocol";

/** Characters of a pattern: the longest namespace, group and name, their stars and separators. */
export const PATTERN_LENGTH_MAX = 800;

const SEPARATOR = ">>";

/** What one part of a pattern asks of the group or the name. */
export type PatternItem =
  | { readonly kind: "any" }
  | { readonly kind: "exact" | "prefix" | "suffix" | "contains"; readonly text: string }
  /** A star in the middle: accepted on the wire, and matched by no name. */
  | { readonly kind: "never" };

/** What can be watched, by the three parts that a pattern looks at. */
export interface Resource {
  readonly namespace: string;
  readonly group: string;
  readonly name: string;
}

export interface FuzzyPattern {
  /** As the client wrote it: notifications must repeat this text, the client looks its watchers up by it. */
  readonly text: string;
  readonly namespace: string;
  readonly group: PatternItem;
  readonly name: PatternItem;
}

/**
 * Reads `namespace>>groupPattern>>namePattern`. A blank namespace means `public`; it is never a pattern itself.
 *
 * @param what  what is watched, for messages: `service` or `dataId`.
 * @throws RegistryError `invalidParameter` naming the part that is missing, surplus or too long.
 */
export function parsePattern(text: string, what = "service"): FuzzyPattern {
  if (text.length > PATTERN_LENGTH_MAX)
    throw invalid(`has ${text.length} characters; the longest one allowed has ${PATTERN_LENGTH_MAX}`);
  const parts = text.split(SEPARATOR);
  const [namespace, group, name] = parts;
  if (namespace === undefined || group === undefined || name === undefined || parts.length > 3)
    throw invalid(`must be written namespace>>group>>${what}, with exactly two ">>"`);
  return {
    text,
    namespace: namespaceOf(namespace),
    group: parseItem(group, "group"),
    name: parseItem(name, what),
  };
}

/** Whether something belongs to the pattern. */
export function matches(pattern: FuzzyPattern, { namespace, group, name }: Resource): boolean {
  return matchesParts(pattern, namespace, group, name);
}

/** As `matches`, for whoever looks at very many. */
export function matchesParts(pattern: FuzzyPattern, namespace: string, group: string, name: string): boolean {
  return pattern.namespace === namespace && itemMatches(pattern.group, group) && itemMatches(pattern.name, name);
}

function parseItem(text: string, part: string): PatternItem {
  if (text.trim() === "") throw invalid(`has a blank ${part}; write * for every ${part}`);
  // The Java client means "any name" by `.*`; taken literally it would match no ordinary name.
  if (/^\*+$/.test(text) || text === ".*") return { kind: "any" };
  const starts = text.startsWith("*");
  const ends = text.endsWith("*");
  if (starts && ends) return { kind: "contains", text: text.replaceAll("*", "") };
  const rest = starts ? text.slice(1) : ends ? text.slice(0, -1) : text;
  if (rest.includes("*")) return { kind: "never" };
  return { kind: starts ? "suffix" : ends ? "prefix" : "exact", text: rest };
}

function itemMatches(item: PatternItem, value: string): boolean {
  switch (item.kind) {
    case "any":
      return true;
    case "exact":
      return value === item.text;
    case "prefix":
      return value.startsWith(item.text);
    case "suffix":
      return value.endsWith(item.text);
    case "contains":
      return value.includes(item.text);
    case "never":
      return false;
  }
}

function invalid(rule: string): RegistryError {
  return new RegistryError("invalidParameter", `the fuzzy watch pattern ${rule}`);
}
