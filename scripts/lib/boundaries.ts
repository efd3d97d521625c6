import { posix } from "node:path";
import type { Source } from "./sources.ts";

/** What the code of a package may import of the workspace; its tests may also import the testkit. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  protocol: [],
  core: ["protocol"],
  grpc: [],
  server: ["protocol", "core", "grpc"],
  cli: ["protocol", "core", "server"],
  testkit: ["protocol", "core", "grpc", "server"],
};
/** Packages that run anywhere: nothing of Node, nothing of third parties. */
const PURE = ["protocol", "core"];
/** Packages that are useful by themselves and bring nothing else along. */
const WITHOUT_THIRD_PARTIES = [...PURE, "grpc"];
/** Where decisions are made: replays and simulations give them time and chance. */
const CORE_PATHS = /^packages\/(core\/|grpc\/src\/(hpack|http2|grpc)\/)/;
/** What only `npm run docs` and tests load, to write sources of it: nothing that runs may pull it in. */
const DEVELOPMENT_PATHS = /^packages\/server\/src\/storage\/sql\/queries\//;
const LINES_MAX = 400;

/** A core gets time, chance and timers with its events; reading them itself would make a replay differ. */
const BANNED_IN_CORE = [
  /\bDate\.now\b/,
  /\bnew Date\(\s*\)/,
  /\bMath\.random\b/,
  /\bset(Timeout|Interval|Immediate)\b/,
  /\bqueueMicrotask\b/,
  /\bperformance\b/,
  /(?<!\.)\bprocess\b\./,
  /\bcrypto\b\./,
];

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** Sentences about imports and words that break the rules of the packages; `manifests` by package folder. */
export function boundaryViolations(files: readonly Source[], manifests: Readonly<Record<string, Manifest>>): string[] {
  const wrong = Object.entries(manifests).flatMap(([name, manifest]) => manifestViolations(name, manifest));
  for (const { path, text } of files) {
    const name = /^packages\/([^/]+)\//.exec(path)?.[1];
    if (name === undefined) continue;
    const code = withoutComments(text);
    const isTest = isTestFile(path);
    for (const specifier of importsOf(code)) {
      const why = importViolation(name, path, specifier, isTest, manifests[name]);
      if (why !== undefined) wrong.push(`${path} imports ${specifier}: ${why}.`);
    }
    if (!CORE_PATHS.test(path) || isTest) continue;
    for (const banned of BANNED_IN_CORE) {
      const word = banned.exec(code)?.[0];
      if (word !== undefined)
        wrong.push(`${path} uses ${word}: a core is given time, chance and timers with its events.`);
    }
  }
  return wrong;
}

/** Sentences about files that have grown long. */
export function longFiles(files: readonly Source[]): string[] {
  return files.flatMap(({ path, text }) => {
    const lines = text.split("\n").length - 1;
    return lines > LINES_MAX ? [`${path} has ${lines} lines; past ${LINES_MAX}, look for a second idea inside.`] : [];
  });
}

export function importsOf(code: string): string[] {
  const found = code.matchAll(
    /^(?:import|export)\b[^"';]*?\bfrom\s*["']([^"'\n]+)["']|^import\s*["']([^"'\n]+)["']|\bimport\(\s*["']([^"'\n]+)["']/gm,
  );
  return [...found].flatMap((match) => match[1] ?? match[2] ?? match[3] ?? []);
}

function importViolation(
  name: string,
  path: string,
  specifier: string,
  isTest: boolean,
  manifest: Manifest | undefined,
): string | undefined {
  if (specifier.startsWith(".")) {
    const depth = path.split("/").length - 3;
    const up = /^(\.\.\/)+/.exec(specifier)?.[0].length ?? 0;
    if (up / 3 > depth) return "other packages are imported by name";
    const target = posix.join(posix.dirname(path), specifier);
    const runs = !isTest && !DEVELOPMENT_PATHS.test(path);
    return runs && DEVELOPMENT_PATHS.test(target) ? "only npm run docs and tests load it" : undefined;
  }
  const workspace = /^@nacre\/([^/]+)/.exec(specifier)?.[1];
  if (workspace !== undefined) {
    if (MAY_IMPORT[name]?.includes(workspace) || (isTest && workspace === "testkit")) return undefined;
    return workspace === "testkit" ? "only tests see the testkit" : `${name} may not see ${workspace}`;
  }
  if (isTest) return undefined;
  if (PURE.includes(name)) return `${name} runs anywhere, so it imports nothing of Node or third parties`;
  if (specifier.startsWith("node:")) return undefined;
  const library = specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
  const isDevelopment = DEVELOPMENT_PATHS.test(path) && manifest?.devDependencies?.[library] !== undefined;
  return manifest?.dependencies?.[library] === undefined && !isDevelopment
    ? `it is no dependency of packages/${name}/package.json`
    : undefined;
}

function manifestViolations(name: string, manifest: Manifest): string[] {
  if (!WITHOUT_THIRD_PARTIES.includes(name)) return [];
  return Object.keys(manifest.dependencies ?? {})
    .filter((dependency) => !dependency.startsWith("@nacre/"))
    .map(
      (dependency) =>
        `packages/${name}/package.json depends on ${dependency}: ${name} has no third-party dependencies.`,
    );
}

/** Fixtures beside tests, and suites and fakes of the testkit, count as tests: nothing of them is ever published. */
function isTestFile(path: string): boolean {
  return /\.(test|fixture)\.ts$/.test(path) || path.startsWith("packages/testkit/");
}

/** Comments may name what code may not use. Good enough for our sources: a `//` inside a text is kept after a colon. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:"'`])\/\/.*$/gm, "$1");
}
