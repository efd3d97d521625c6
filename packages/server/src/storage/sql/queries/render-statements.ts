import type { Prepared } from "./prepared.ts";
import { reads, writes } from "./reads-and-writes.ts";
import { searches } from "./searches.ts";

/** `statements.ts`: what Kysely makes of the queries. */
export function renderStatements(): string {
  return `// Written by scripts/docs.ts from queries/; run \`npm run docs\` after a change.
import { fixed } from "./fixed.ts";

/** The queries as Kysely compiles them: to load it would hold the event loop of a server for 40 to 140 ms. */
${group("writes", writes)}
${group("reads", reads)}
${group("searches", searches)}`;
}

function group(name: string, queries: Readonly<Record<string, Prepared>>): string {
  const lines = Object.entries(queries).map(([key, { sql, parameters }]) => {
    if (/[`\\$]/.test(sql)) throw new Error(`${key} has characters that a template takes for its own`);
    return `  ${key}: fixed(\`${sql}\`, ${JSON.stringify(parameters)}),\n`;
  });
  return `export const ${name} = {\n${lines.join("")}};\n`;
}
