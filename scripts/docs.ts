/**
 * Writes the reference pages that derive from tables in the source, and the SQL that derives from queries. With `--check` nothing is written: a stale page, a
 * dependency without a line in `dependencies.md` and a link to a file that does not exist are failures.
 */
import { existsSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { renderCliDoc } from "@nacre/cli/doc";
import { renderRoutesDoc } from "@nacre/server/http-doc";
import { renderMetricsDoc } from "@nacre/server/metrics-doc";
import { ROWS } from "@nacre/server/options";
import { renderStatements } from "@nacre/server/sql-statements";
import { failuresPage, GENERATED, optionsPage } from "./lib/reference.ts";
import { sources } from "./lib/sources.ts";
import { checkStep, ROOT, say } from "./lib/steps.ts";
import { troubleshootingPage } from "./lib/troubleshooting.ts";

// Commands are loaded when they are asked for.
const cliPage = await renderCliDoc();

const STATEMENTS = "packages/server/src/storage/sql/statements.ts";

const PAGES: Record<string, () => string> = {
  "docs/reference/options.md": optionsPage,
  "docs/reference/failures.md": failuresPage,
  "docs/reference/http.md": renderRoutesDoc,
  "docs/reference/metrics.md": renderMetricsDoc,
  "docs/reference/cli.md": () => cliPage,
  "docs/troubleshooting.md": () => troubleshootingPage(GENERATED),
  [STATEMENTS]: renderStatements,
};

export function checkDocs(): { wrong: string[]; warnings: string[] } {
  return { wrong: [...stalePages(), ...unexplainedDependencies(), ...deadLinks()], warnings: unreadOptions() };
}

/** An option that no code reads is documented and does nothing. */
function unreadOptions(): string[] {
  const code = sources("packages/server/src/**/*.ts")
    .filter(({ path }) => !path.includes("/src/options") && !path.endsWith(".test.ts"))
    .map(({ text }) => text)
    .join("\n");
  return ROWS.filter(([key]) => !new RegExp(`\\b${key}\\b`).test(code)).map(
    ([key]) => `no code reads the option ${key}.`,
  );
}

function stalePages(): string[] {
  const held = new Map(sources("docs/reference/*.md", "docs/*.md", STATEMENTS).map(({ path, text }) => [path, text]));
  return Object.entries(PAGES).flatMap(([path, page]) =>
    held.get(path) === page() ? [] : [`${path} is stale; run npm run docs.`],
  );
}

function unexplainedDependencies(): string[] {
  const page = sources("docs/reference/dependencies.md")[0]?.text ?? "";
  const explained = new Set([...page.matchAll(/^\| `([^`]+)`/gm)].map((match) => match[1]));
  const used = new Set<string>();
  for (const { text } of sources("package.json", "packages/*/package.json", "test/package.json")) {
    const manifest = JSON.parse(text) as Record<string, Record<string, string> | undefined>;
    for (const name of Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })) {
      if (!name.startsWith("@nacre/")) used.add(name);
    }
  }
  return [
    ...[...used]
      .filter((name) => !explained.has(name))
      .map((name) => `${name} has no line in docs/reference/dependencies.md.`),
    ...[...explained]
      .filter((name) => !used.has(name ?? ""))
      .map((name) => `docs/reference/dependencies.md explains ${name}, which nothing uses.`),
  ];
}

function deadLinks(): string[] {
  return sources("*.md", "docs/**/*.md", "packages/**/*.md").flatMap(({ path, text }) =>
    [...text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)]
      .map((match) => match[1] ?? "")
      .filter((target) => !/^[a-z]+:/.test(target) && !existsSync(join(ROOT, dirname(path), target)))
      .map((target) => `${path} links to ${target}, which does not exist.`),
  );
}

if (import.meta.main) {
  if (process.argv.includes("--check")) {
    process.exitCode = checkStep("docs", checkDocs).ok ? 0 : 1;
  } else {
    for (const [path, page] of Object.entries(PAGES)) {
      writeFileSync(join(ROOT, path), page());
      say(path);
    }
  }
}
