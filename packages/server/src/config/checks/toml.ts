import { parse, TomlError } from "smol-toml";
import type { Problem } from "./problem.ts";

export function tomlProblem(text: string): Problem | undefined {
  try {
    parse(text);
    return undefined;
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // Behind the first line, the message draws the place.
    const what = error.message.split("\n", 1)[0]?.replace(/^Invalid TOML document: /, "") ?? "";
    return { place: { line: error.line, column: error.column }, what };
  }
}
