import type { ConfigType } from "@nacre/protocol";
import { jsonProblem } from "./json.ts";
import { type Problem, sentence } from "./problem.ts";
import { propertiesProblem } from "./properties.ts";

/** Types that a JSON schema can describe. */
const SCHEMA_TYPES: ReadonlySet<ConfigType> = new Set(["json", "yaml"]);

/**
 * One sentence about the first thing that is wrong with a content, undefined when nothing is. Takes as long as it
 * takes and as much memory: only the worker calls it. Parsers are loaded when the first content asks for them.
 */
export async function check(type: ConfigType, text: string, schema = ""): Promise<string | undefined> {
  try {
    const problem = await problemOf(type, text, SCHEMA_TYPES.has(type) ? schema : "");
    return problem === undefined ? undefined : sentence(type, problem);
  } catch (error) {
    if (error instanceof RangeError) return sentence(type, { place: undefined, what: "it is nested too deeply" });
    // What the parser of YAML throws for aliases that grow without measure.
    if (error instanceof ReferenceError) return sentence(type, { place: undefined, what: error.message });
    if (error instanceof Error && error.name === "SchemaError") return error.message;
    throw error;
  }
}

async function problemOf(type: ConfigType, text: string, schema: string): Promise<Problem | undefined> {
  switch (type) {
    case "json": {
      const problem = jsonProblem(text);
      if (problem !== undefined || schema.trim() === "") return problem;
      const { compileSchema, jsonSchemaProblem } = await import("./schema.ts");
      return jsonSchemaProblem(text, compileSchema(schema));
    }
    case "yaml": {
      const { readYaml } = await import("./yaml.ts");
      const read = readYaml(text);
      if ("problem" in read) return read.problem;
      if (schema.trim() === "") return undefined;
      const { compileSchema, yamlSchemaProblem } = await import("./schema.ts");
      return yamlSchemaProblem(text, read.documents, compileSchema(schema));
    }
    case "xml":
      return (await import("./xml.ts")).xmlProblem(text);
    case "toml":
      return (await import("./toml.ts")).tomlProblem(text);
    case "properties":
      return propertiesProblem(text);
    case "text":
    case "html":
    case "unset":
      return undefined;
  }
}
