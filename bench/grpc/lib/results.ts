import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { thisMachine } from "../../lib/machine.ts";
import { type GrpcSections, page, type Versions } from "./page.ts";

const ROOT = join(import.meta.dirname, "../../..");
const RESULTS = "bench/grpc/results.json";
const PAGE = "packages/grpc/docs/performance.md";

/** Of an earlier run; nothing when there was none. */
export function readResults(): GrpcSections {
  try {
    return (JSON.parse(readFileSync(join(ROOT, RESULTS), "utf8")) as { sections: GrpcSections }).sections;
  } catch {
    return {};
  }
}

/** @returns the files that were written. */
export function writeResults(nodes: readonly string[], sections: GrpcSections): string[] {
  const machine = thisMachine();
  const versions: Versions = { nodes, grpcJs: grpcJsVersion(), h2load: h2loadVersion() };
  mkdirSync(dirname(join(ROOT, PAGE)), { recursive: true });
  writeFileSync(join(ROOT, RESULTS), `${JSON.stringify({ machine, versions, sections }, figureText, 2)}\n`);
  writeFileSync(join(ROOT, PAGE), page(machine, versions, sections));
  return [RESULTS, PAGE];
}

/** More digits than five say nothing here. */
function figureText(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
}

function grpcJsVersion(): string {
  const text = readFileSync(join(ROOT, "node_modules/@grpc/grpc-js/package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

function h2loadVersion(): string {
  return execFileSync("h2load", ["--version"], { encoding: "utf8" })
    .trim()
    .replace(/^h2load /, "");
}
