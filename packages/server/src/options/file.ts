import { readFileSync } from "node:fs";

/** The text of a file, or undefined when there is none. @throws the system's error for anything else. */
export function readTextFile(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw cause;
  }
}
