import { RegistryError } from "@nacre/protocol";
import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type Node,
  type ParsedNode,
  parseAllDocuments,
  type Scalar,
  visit,
  type YAMLMap,
  type YAMLParseError,
} from "yaml";
import { type Problem, placeOf, sentence } from "./problem.ts";

/** How often an alias may stand for a collection when values are made of the text: more is a bomb. */
const ALIASES_MAX = 100;
/**
 * Characters that data may hold, where each value counts as so many more: the event loop's heap holds it with aliases
 * written out. An archive's metadata comes to a third of it at most.
 */
const DATA_CHARACTERS_MAX = 32 * 1024 * 1024;
const VALUE_CHARACTERS = 32;

export type YamlDocument = Document.Parsed<ParsedNode>;

/** What is wrong with the first faulty document of a stream; else its documents. */
export function readYaml(
  text: string,
): { readonly problem: Problem } | { readonly documents: readonly YamlDocument[] } {
  // The parser looks for repeated keys in time that grows with their square; `misused` looks at each key once.
  const parsed = parseAllDocuments(text, { prettyErrors: false, merge: true, uniqueKeys: false, logLevel: "silent" });
  const documents: readonly YamlDocument[] = Array.isArray(parsed) ? parsed : [];
  for (const document of documents) {
    const error = document.errors[0];
    if (error !== undefined) return { problem: { place: placeOf(text, error.pos[0]), what: faultOf(error) } };
    const wrong = misused(document);
    if (wrong !== undefined) return { problem: { place: placeOf(text, wrong.at), what: wrong.what } };
  }
  return { documents };
}

/** The values of a document. @throws ReferenceError when aliases make it grow without measure. */
export function yamlValue(document: YamlDocument): unknown {
  return document.toJS({ maxAliasCount: ALIASES_MAX });
}

/**
 * Data of one document with every scalar as its text, and null as null.
 *
 * @throws RegistryError `invalidParameter` with line and column.
 */
export function yamlTexts(text: string): unknown {
  const documents = parseAllDocuments(text, {
    prettyErrors: false,
    uniqueKeys: false,
    logLevel: "silent",
    schema: "failsafe",
    customTags: ["null"],
  });
  const [document, ...more] = Array.isArray(documents) ? documents : [];
  if (document === undefined) return undefined;
  const error = document.errors[0];
  if (error !== undefined) throw refused({ place: placeOf(text, error.pos[0]), what: faultOf(error) });
  if (more.length > 0) throw refused({ place: undefined, what: "it holds more than one document" });
  let data: unknown;
  try {
    data = document.toJS({ maxAliasCount: ALIASES_MAX });
  } catch (cause) {
    throw refused({ place: undefined, what: cause instanceof Error ? cause.message : "it has no value" });
  }
  if (!isHoldable(data)) throw refused({ place: undefined, what: "it is too large with its aliases written out" });
  return data;
}

/** Ends also where an alias stands within what it stands for. */
function isHoldable(data: unknown): boolean {
  const values: unknown[] = [data];
  let left = DATA_CHARACTERS_MAX;
  while (left >= 0 && values.length > 0) {
    const value = values.pop();
    left -= VALUE_CHARACTERS;
    if (typeof value === "string") left -= value.length;
    else if (Array.isArray(value)) for (const item of value) values.push(item);
    else
      for (const [key, field] of Object.entries(value ?? {})) {
        left -= key.length;
        values.push(field);
      }
  }
  return left >= 0;
}

/** Offset of the value that keys lead to, or of the deepest one on the way that is there. */
export function yamlOffset(document: YamlDocument, keys: readonly string[], ofKey: boolean): number {
  let node: Node | null = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [depth, key] of keys.entries()) {
    const inner: Node | null | undefined = isAlias(node) ? node.resolve(document) : node;
    const isLast = depth === keys.length - 1;
    if (isSeq(inner)) {
      node = (inner.items[Number(key)] as Node | undefined) ?? null;
    } else if (isMap(inner)) {
      const pair = inner.items.find((one) => isPair(one) && keyText(one.key) === key);
      if (pair === undefined) return offset;
      node = pair.value as Node | null;
      if ((isLast && ofKey) || startOf(node) === undefined) return startOf(pair.key as Node | null) ?? offset;
    } else {
      return offset;
    }
    offset = startOf(node) ?? offset;
  }
  return offset;
}

function faultOf(error: YAMLParseError): string {
  return error.code === "RESOURCE_EXHAUSTION" ? "it is nested too deeply" : error.message;
}

function startOf(node: Node | null | undefined): number | undefined {
  return node?.range?.[0];
}

function keyText(key: unknown): string | undefined {
  return isScalar(key) ? String(key.value) : undefined;
}

/** What makes a document useless although its grammar is right; in one walk, so that the time grows with the text. */
function misused(document: YamlDocument): { readonly what: string; readonly at: number } | undefined {
  const anchors = new Set<string>();
  let found: { what: string; at: number } | undefined;
  visit(document, {
    Node(_key, node) {
      if (isAlias(node)) {
        if (anchors.has(node.source)) return undefined;
        found = { what: `no anchor named ${node.source} stands before this alias`, at: node.range?.[0] ?? 0 };
        return visit.BREAK;
      }
      if (node.anchor !== undefined) anchors.add(node.anchor);
      const repeated = isMap(node) ? repeatedKey(node) : undefined;
      if (repeated === undefined) return undefined;
      found = { what: `the key ${String(repeated.value)} stands twice in one map`, at: repeated.range?.[0] ?? 0 };
      return visit.BREAK;
    },
  });
  return found;
}

function repeatedKey(map: YAMLMap): Scalar | undefined {
  const seen = new Set<unknown>();
  for (const { key } of map.items) {
    // Several merges of one map are allowed.
    if (!isScalar(key) || key.value === "<<" || typeof key.value === "symbol") continue;
    if (seen.has(key.value)) return key;
    seen.add(key.value);
  }
  return undefined;
}

function refused(problem: Problem): RegistryError {
  return new RegistryError("invalidParameter", sentence("yaml", problem));
}
