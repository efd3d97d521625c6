import { XMLValidator } from "fast-xml-parser";
import type { Problem } from "./problem.ts";

/** Tags, attributes and entities. Document types are not read, so nothing they declare can grow. */
export function xmlProblem(text: string): Problem | undefined {
  const result = XMLValidator.validate(text);
  if (result === true) return undefined;
  const { line, col, msg } = result.err;
  return { place: { line, column: col ?? 1 }, what: msg.replace(/\.$/, "") };
}
