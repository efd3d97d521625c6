import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Section } from "./bench.ts";
import { thisMachine } from "./machine.ts";
import { page } from "./page.ts";

const ROOT = join(import.meta.dirname, "../..");
const RESULTS = "bench/results.json";
const PAGE = "docs/reference/performance.md";

type Sections = Readonly<Record<string, Section>>;

/** Of an earlier run; nothing when there was none. */
export function readResults(): Sections {
  try {
    return (JSON.parse(readFileSync(join(ROOT, RESULTS), "utf8")) as { sections: Sections }).sections;
  } catch {
    return {};
  }
}

/** @returns the files that were written. */
export function writeResults(sections: Sections): string[] {
  const machine = thisMachine();
  writeFileSync(join(ROOT, RESULTS), `${JSON.stringify({ machine, sections }, null, 2)}\n`);
  writeFileSync(join(ROOT, PAGE), page(machine, sections));
  return [RESULTS, PAGE];
}
