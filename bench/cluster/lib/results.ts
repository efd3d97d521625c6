import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Machine, thisMachine } from "../../lib/machine.ts";
import { machineText, sectionText } from "../../lib/page.ts";
import { type ClusterSection, LOOKED_BEFORE_MS } from "./rig.ts";

const ROOT = join(import.meta.dirname, "../../..");
const RESULTS = "bench/cluster/results.json";
const PAGE = "docs/reference/performance-cluster.md";
/** A machine of which more is in use before a section begins is not quiet. */
const QUIET_PERCENT = 10;

type Sections = Readonly<Record<string, ClusterSection>>;

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
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
  writeFileSync(join(ROOT, RESULTS), `${JSON.stringify({ machine, version, sections }, null, 2)}\n`);
  writeFileSync(join(ROOT, PAGE), page(machine, version, sections));
  return [RESULTS, PAGE];
}

function page(machine: Machine, version: string, sections: Sections): string {
  const parts = Object.entries(sections).map(([name, section]) => `${sectionText(name, section)}${busyText(section)}`);
  return `# Performance of a cluster

Written by \`npm run bench:cluster\`; \`npm run bench:cluster -- --only NAME\` measures one part again. Three members as
processes of one machine, over the loopback, with everything that uses and watches them on the same machine: members that
have a machine each share no processors, and have a network between them. Nothing here is promised or tested; what clients
notice when a cluster breaks is tested by \`npm run test:cluster\`. An aim is what we hold ourselves to on a quiet machine.

${machineText(machine)}
| Nacre | ${version} |

${parts.join("\n\n")}
`;
}

function busyText({ busyBefore }: ClusterSection): string {
  if (busyBefore === undefined) return "";
  const busy = ` Of the machine ${busyBefore} % was in use in the ${LOOKED_BEFORE_MS / 1000} s before`;
  return `${busy}${busyBefore > QUIET_PERCENT ? ": **it was not quiet**" : ""}.`;
}
