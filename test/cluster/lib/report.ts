import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Act, Scenario } from "./scenario.ts";

const FILE = join(import.meta.dirname, "../../../docs/reference/cluster-scenarios.md");

export interface Outcome {
  readonly ok: boolean;
  readonly measured: string;
}

/** The page of what clients noticed of each fault, as Markdown. Of scenarios that were not run, rows of `before` stay. */
export function reportPage(
  acts: readonly Act[],
  outcomes: ReadonlyMap<Scenario, Outcome>,
  left: readonly string[],
  before: string,
): string {
  const rows = acts
    .flatMap((act) => act.scenarios)
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((scenario) => {
      const { id, fault, required, reference } = scenario;
      const outcome = outcomes.get(scenario);
      const row = before.split("\n").find((line) => line.startsWith(`| ${id} |`));
      if (outcome === undefined && row !== undefined) return row;
      const met = outcome === undefined ? "not run" : outcome.ok ? "yes" : "**no**";
      return `| ${[id, fault, required, met, outcome?.measured ?? "", reference].map(cell).join(" | ")} |`;
    });
  return `${[
    "# What clients notice when a cluster breaks",
    "",
    "Three members in processes of their own on one machine with two cores, applications on released SDKs and an observer",
    "on each member: `npm run test:cluster -- --report` runs the scenarios and writes this page. Every time is one that a",
    "client saw. What Nacos does follows from its sources and the reports of its users; it was not measured here.",
    "",
    "| # | Fault | Required | Met | Measured | Nacos |",
    "|---|---|---|---|---|---|",
    ...rows,
    ...(left.length === 0 ? [] : ["", `Left out: ${left.join("; ")}.`]),
  ].join("\n")}\n`;
}

export async function writeReport(
  acts: readonly Act[],
  outcomes: ReadonlyMap<Scenario, Outcome>,
  left: readonly string[],
): Promise<void> {
  const before = await readFile(FILE, "utf8").catch(() => "");
  await writeFile(FILE, reportPage(acts, outcomes, left, before));
}

function cell(text: string): string {
  // Folders are of the run.
  return text
    .replaceAll(/\S*\/nacre-member-[^/\s]*\//g, "")
    .trim()
    .replaceAll(/\s+/g, " ")
    .replaceAll("|", "\\|");
}
