/** Everything a change must pass before its tests run: types, lint and format, boundaries, documentation. */
import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import { checkBoundaries } from "./check-boundaries.ts";
import { checkDocs } from "./docs.ts";
import { checkStep, commandStep, ROOT, type StepResult } from "./lib/steps.ts";

const PROJECTS = [
  "packages/protocol/tsconfig.json",
  "packages/protocol/tsconfig.test.json",
  "packages/core/tsconfig.json",
  "packages/core/tsconfig.test.json",
  "packages/grpc/tsconfig.json",
  "packages/server/tsconfig.json",
  "packages/testkit/tsconfig.json",
  "packages/cli/tsconfig.json",
  "test/tsconfig.json",
  "bench/tsconfig.json",
  "examples/tsconfig.json",
  "scripts/tsconfig.json",
];

export function check(): StepResult[] {
  return [
    ...PROJECTS.filter(hasSources).map((project) =>
      commandStep(`types ${project.replace(/\/tsconfig(\.test)?\.json$/, "$1")}`, "tsc", ["-p", project]),
    ),
    commandStep("lint and format", "biome", ["ci", "--error-on-warnings", "--colors=off"]),
    checkStep("boundaries", checkBoundaries),
    checkStep("docs", checkDocs),
  ];
}

/** The compiler refuses a project without a single file. */
function hasSources(project: string): boolean {
  const folder = project.slice(0, project.lastIndexOf("/"));
  const exclude = (path: string): boolean => path.includes("node_modules");
  return existsSync(join(ROOT, project)) && globSync(`${folder}/**/*.ts`, { cwd: ROOT, exclude }).length > 0;
}

if (import.meta.main) process.exitCode = check().every((step) => step.ok) ? 0 : 1;
