import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A Node that server processes run on; everything else runs on the Node of the bench. */
export interface Runtime {
  /** `26` */
  readonly major: string;
  /** `v26.10.0` */
  readonly version: string;
  readonly path: string;
}

export const MAJORS = ["22", "24", "26"];

const CACHE = join(import.meta.dirname, "../../.cache");

/** @throws Error when this Node is not installed and npm cannot install it. */
export function runtime(major: string): Runtime {
  const path = major === ownMajor() ? process.execPath : installed(major);
  return { major, path, version: execFileSync(path, ["--version"], { encoding: "utf8" }).trim() };
}

export function ownMajor(): string {
  return process.versions.node.split(".")[0] ?? "";
}

/** The npm package `node` brings the program; it is installed once, beside the bench. */
function installed(major: string): string {
  const folder = join(CACHE, `node-${major}`);
  const path = join(folder, "node_modules", "node", "bin", process.platform === "win32" ? "node.exe" : "node");
  if (existsSync(path)) return path;
  process.stdout.write(`Installing Node ${major} for the servers ...\n`);
  mkdirSync(folder, { recursive: true });
  // Its install script puts the program in place; newer versions of npm ask for a permission.
  writeFileSync(join(folder, "package.json"), '{ "private": true, "allowScripts": { "node": true } }\n');
  const words = ["install", `--prefix=${folder}`, "--no-audit", "--no-fund", "--loglevel=error", `node@${major}`];
  execFileSync("npm", words, { stdio: ["ignore", "ignore", "inherit"], cwd: folder });
  if (existsSync(path)) return path;
  throw new Error(`npm installed node@${major}, but there is no program at ${path}`);
}
