/** Checks that packages import only what they may, and lists files that have grown long. */
import { boundaryViolations, longFiles } from "./lib/boundaries.ts";
import { sources } from "./lib/sources.ts";
import { checkStep } from "./lib/steps.ts";

export function checkBoundaries(): { wrong: string[]; warnings: string[] } {
  const files = sources("packages/*/src/**/*.ts");
  const manifests = Object.fromEntries(
    sources("packages/*/package.json").map(({ path, text }) => [path.split("/")[1] ?? "", JSON.parse(text)]),
  );
  const all = [...files, ...sources("test/**/*.ts", "bench/**/*.ts", "scripts/**/*.ts")];
  return { wrong: boundaryViolations(files, manifests), warnings: longFiles(all) };
}

if (import.meta.main) process.exitCode = checkStep("boundaries", checkBoundaries).ok ? 0 : 1;
