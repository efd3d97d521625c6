import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./steps.ts";

export interface Source {
  /** From the root of the repository, with slashes. */
  readonly path: string;
  readonly text: string;
}

/** The files below the root that match, in order, without what others wrote or a build left. */
export function sources(...patterns: readonly string[]): Source[] {
  const exclude = (path: string): boolean => /(^|\/)(node_modules|\.cache|target|\.git)(\/|$)/.test(path);
  const found = patterns.flatMap((pattern) => globSync(pattern, { cwd: ROOT, exclude }));
  return [...new Set(found)]
    .filter((path) => !exclude(path))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));
}
