import type { Query } from "../sqlite.ts";
import { reads, writes } from "./reads-and-writes.ts";
import { searches } from "./searches.ts";

/** Gives for each value its name, so that a query shows which of its parameters are which. */
const NAMES = new Proxy({}, { get: (_, name) => ({ name }) });

/** `statements.ts`: what Kysely makes of the queries. */
export function renderStatements(): string {
  return `// Written by scripts/docs.ts from queries/; run \`npm run docs\` after a change.
import { fixed } from "./fixed.ts";

/** The queries as Kysely compiles them: to load it would hold the event loop of a server for 40 to 140 ms. */
${group("writes", writes)}
${group("reads", reads)}
${group("searches", searches)}`;
}

function group(name: string, queries: Readonly<Record<string, (values: object) => Query>>): string {
  const lines = Object.entries(queries).map(([key, query]) => {
    const { sql, parameters } = query(NAMES);
    if (/[`\\$]/.test(sql)) throw new Error(`${key} has characters that a template takes for its own`);
    return `  ${key}: fixed(\`${sql}\`, ${JSON.stringify(parameters.map(nameOrNumber))}),\n`;
  });
  return `export const ${name} = {\n${lines.join("")}};\n`;
}

function nameOrNumber(parameter: unknown): string | number {
  if (typeof parameter === "number") return parameter;
  const { name } = parameter as { name?: unknown };
  if (typeof name !== "string") throw new Error(`a fixed query holds ${String(parameter)}: write it as a literal`);
  return name;
}
