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
  visit,
} from "yaml";
import { type Problem, placeOf, sentence } from "./problem.ts";

/** How often an alias may stand for a collection when values are made of the text: more is a bomb. */
const ALIASES_MAX = 100;

export type YamlDocument = Document.Parsed<ParsedNode>;

/** What is wrong with the first faulty document of a stream; else its documents. */
export function readYaml(
  text: string,
): { readonly problem: Problem } | { readonly documents: readonly YamlDocument[] } {
  // The parser looks for repeated keys in time that grows with their square; `repeatedKey` does it once per key.
  const parsed = parseAllDocuments(text, { prettyErrors: false, merge: true, uniqueKeys: false, logLevel: "silent" });
  const documents: readonly YamlDocument[] = Array.isArray(parsed) ? parsed : [];
  for (const document of documents) {
    const error = document.errors[0];
    if (error !== undefined) return { problem: { place: placeOf(text, error.pos[0]), what: error.message } };
    const repeated = repeatedKey(document);
    if (repeated !== undefined) {
      return {
        problem: { place: placeOf(text, repeated.at), what: `the key ${repeated.key} stands twice in one map` },
      };
    }
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
  if (error !== undefined) throw refused({ place: placeOf(text, error.pos[0]), what: error.message });
  if (more.length > 0) throw refused({ place: undefined, what: "it holds more than one document" });
  try {
    return document.toJS({ maxAliasCount: ALIASES_MAX });
  } catch (cause) {
    throw refused({ place: undefined, what: cause instanceof Error ? cause.message : "it has no value" });
  }
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

function startOf(node: Node | null | undefined): number | undefined {
  return node?.range?.[0];
}

function keyText(key: unknown): string | undefined {
  return isScalar(key) ? String(key.value) : undefined;
}

function repeatedKey(document: YamlDocument): { readonly key: string; readonly at: number } | undefined {
  let repeated: { key: string; at: number } | undefined;
  visit(document, {
    Map(_key, map) {
      const seen = new Set<unknown>();
      for (const { key } of map.items) {
        // Several merges of one map are allowed.
        if (!isScalar(key) || key.value === "<<" || typeof key.value === "symbol") continue;
        if (seen.has(key.value)) {
          repeated = { key: String(key.value), at: key.range?.[0] ?? 0 };
          return visit.BREAK;
        }
        seen.add(key.value);
      }
      return undefined;
    },
  });
  return repeated;
}

function refused(problem: Problem): RegistryError {
  return new RegistryError("invalidParameter", sentence("yaml", problem));
}
