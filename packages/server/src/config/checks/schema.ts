import { Ajv, type ErrorObject, type Options, type ValidateFunction } from "ajv";
import { Ajv2019 } from "ajv/dist/2019.js";
import { Ajv2020 } from "ajv/dist/2020.js";
import { jsonProblem, scanJson } from "./json.ts";
import { type Problem, placeOf, sentence } from "./problem.ts";
import { type YamlDocument, yamlOffset, yamlValue } from "./yaml.ts";

/** Formats are notes to people: checking them takes a package of patterns, and servers of this wire never did. */
const OPTIONS: Options = { strict: false, validateFormats: false, allErrors: false, logger: false };

/** A schema that can not be used: a sentence about the schema, not about the content. */
export class SchemaError extends Error {
  override readonly name = "SchemaError";
}

/** @throws SchemaError when the schema is no JSON schema of a draft that is known. */
export function compileSchema(schema: string): ValidateFunction {
  const problem = jsonProblem(schema);
  if (problem !== undefined) throw new SchemaError(`the schema is ${sentence("json", problem)}`);
  const value: unknown = JSON.parse(schema);
  if (typeof value !== "boolean" && (typeof value !== "object" || value === null || Array.isArray(value))) {
    throw new SchemaError("the schema must be a JSON object");
  }
  try {
    return validatorOf(value).compile(value);
  } catch (cause) {
    if (cause instanceof SchemaError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SchemaError(`the schema can not be used: ${why.slice(0, 300)}`, { cause });
  }
}

function validatorOf(schema: object | boolean): Ajv {
  const draft = typeof schema === "object" && "$schema" in schema ? String(schema.$schema) : "draft-07";
  if (draft.includes("2020-12")) return new Ajv2020(OPTIONS);
  if (draft.includes("2019-09")) return new Ajv2019(OPTIONS);
  if (draft.includes("draft-07")) return new Ajv(OPTIONS);
  throw new SchemaError(`the schema names ${draft}; draft-07, 2019-09 and 2020-12 are known`);
}

export function jsonSchemaProblem(text: string, validate: ValidateFunction): Problem | undefined {
  if (validate(JSON.parse(text))) return undefined;
  const { keys, ofKey, what } = firstRule(validate.errors ?? []);
  const { found } = scanJson(text, keys);
  return { place: placeOf(text, ofKey && found.depth === keys.length ? found.keyAt : found.valueAt), what };
}

/** Of a stream, each document has to fit; empty ones say nothing. */
export function yamlSchemaProblem(
  text: string,
  documents: readonly YamlDocument[],
  validate: ValidateFunction,
): Problem | undefined {
  for (const document of documents) {
    if (document.contents === null) continue;
    const value = yamlValue(document);
    if (validate(value)) continue;
    const { keys, ofKey, what } = firstRule(validate.errors ?? []);
    return { place: placeOf(text, yamlOffset(document, keys, ofKey)), what };
  }
  return undefined;
}

interface BrokenRule {
  /** From the root to the value that breaks it. */
  readonly keys: readonly string[];
  /** Whether it is the last key itself that may not be there. */
  readonly ofKey: boolean;
  readonly what: string;
}

function firstRule(errors: readonly ErrorObject[]): BrokenRule {
  const last = errors.at(-1);
  // Of alternatives, each one failed for a reason of its own: the rule that none of them fits is the one to tell.
  const error = last?.keyword === "anyOf" || last?.keyword === "oneOf" ? last : errors[0];
  if (error === undefined) return { keys: [], ofKey: false, what: "does not fit its schema" };
  const extra: unknown = error.params.additionalProperty ?? error.params.unevaluatedProperty;
  const path = typeof extra === "string" ? `${error.instancePath}/${escapedKey(extra)}` : error.instancePath;
  const keys = path.split("/").slice(1).map(plainKey);
  const message = typeof extra === "string" ? "is not a property that the schema knows" : error.message;
  const allowed = error.keyword === "enum" ? ` (${JSON.stringify(error.params.allowedValues).slice(0, 200)})` : "";
  const what = `${path === "" ? "the root" : path} ${message}${allowed}, rule ${error.keyword}`;
  return { keys, ofKey: typeof extra === "string", what };
}

function plainKey(part: string): string {
  return part.replaceAll("~1", "/").replaceAll("~0", "~");
}

function escapedKey(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}
