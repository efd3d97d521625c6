/**
 * Measures clusters of three members and writes `docs/reference/performance-cluster.md`.
 *
 * `npm run bench:cluster` measures everything and writes the page; `--only NAME[,NAME]` measures a part, or all parts whose
 * names begin so, and leaves the figures of the rest as they stand; `--quick` measures less, prints, and writes nothing. `--profile FOLDER` has each
 * member leave a CPU profile there when it ends, and writes nothing else either. Linux only: members are told apart by
 * their sockets, and what they use is read from /proc.
 */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { say, scaleOf } from "../lib/bench.ts";
import { tableText } from "../lib/page.ts";
import { convergence } from "./benches/convergence.ts";
import { idle } from "./benches/idle.ts";
import { joining } from "./benches/joining.ts";
import { killed } from "./benches/killed.ts";
import { raftFailover, raftStart } from "./benches/raft-failover.ts";
import { raftNotices } from "./benches/raft-notices.ts";
import { raftCatchUp, raftLogSize } from "./benches/raft-sizes.ts";
import { raftReads, raftWrites } from "./benches/raft-writes.ts";
import { rolling } from "./benches/rolling.ts";
import { spread } from "./benches/spread.ts";
import { readResults, writeResults } from "./lib/results.ts";
import { abandon, type ClusterBench, type ClusterSection, measure } from "./lib/rig.ts";

const BENCHES: readonly ClusterBench[] = [
  spread,
  convergence,
  joining,
  idle,
  rolling,
  killed,
  raftWrites,
  raftReads,
  raftNotices,
  raftFailover,
  raftStart,
  raftCatchUp,
  raftLogSize,
];

const { values } = parseArgs({
  options: { only: { type: "string" }, quick: { type: "boolean", default: false }, profile: { type: "string" } },
});
const only = values.only?.split(",");
const isMeant = (bench: ClusterBench, name: string) => bench.name === name || bench.name.startsWith(`${name}-`);
for (const name of only ?? [])
  if (!BENCHES.some((bench) => isMeant(bench, name))) {
    const names = BENCHES.map((bench) => bench.name).join(", ");
    process.stderr.write(`There is no bench ${name}; there are ${names}.\n`);
    process.exit(2);
  }
// Members take the environment of this process.
if (values.profile !== undefined) process.env.NODE_OPTIONS = `--cpu-prof --cpu-prof-dir=${resolve(values.profile)}`;

for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => void abandon().finally(() => process.exit(1)));

// Clients whose member or whose section ends under them may fail where nobody waits for them.
process.on("uncaughtException", (thrown) => say(`  failed where nobody waits: ${thrown.message}`));

// Sections that are not measured now stay as they are in the results of an earlier run.
const held = only === undefined ? {} : readResults();
const sections: Record<string, ClusterSection> = {};
for (const bench of BENCHES) {
  if (only !== undefined && !only.some((name) => isMeant(bench, name))) continue;
  say(`\n${bench.title} (${bench.name})`);
  const section = await measure(bench, scaleOf(values.quick));
  sections[bench.name] = section;
  say(tableText(section));
  for (const remark of section.remarks) say(`- ${remark}`);
  say(`${section.tookSeconds} s`);
  if (!values.quick && values.profile === undefined) save();
}
process.exit(0);

/** After each section, so that a run that is cut short keeps what it has measured. */
function save(): void {
  const order = BENCHES.flatMap(({ name }) => {
    const section = sections[name] ?? held[name];
    return section === undefined ? [] : [[name, section] as const];
  });
  for (const path of writeResults(Object.fromEntries(order))) say(`wrote ${path}`);
}
