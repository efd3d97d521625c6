/**
 * Measures Nacre and writes `docs/reference/performance.md`.
 *
 * `npm run bench` measures everything and writes the page; `--only NAME[,NAME]` measures a part and leaves the figures of
 * the rest as they stand; `--quick` measures less, prints, and writes nothing.
 */
import { parseArgs } from "node:util";
import { configImport } from "./benches/config-import.ts";
import { configNotify } from "./benches/config-notify.ts";
import { configPolls } from "./benches/config-polls.ts";
import { configSize } from "./benches/config-size.ts";
import { durableLog } from "./benches/durable-log.ts";
import { fanOut } from "./benches/fan-out.ts";
import { idleConnections } from "./benches/idle-connections.ts";
import { namingSize } from "./benches/naming-size.ts";
import { push } from "./benches/push.ts";
import { raftLog } from "./benches/raft-log.ts";
import { configGrpcRates, configHttpRates, grpcRates, httpRates } from "./benches/rates.ts";
import { repeated } from "./benches/repeated.ts";
import { serverSize } from "./benches/server-size.ts";
import { start } from "./benches/start.ts";
import { type Bench, type Section, say, scaleOf } from "./lib/bench.ts";
import { tableText } from "./lib/page.ts";
import { readResults, writeResults } from "./lib/results.ts";

const BENCHES: readonly Bench[] = [
  start,
  grpcRates,
  httpRates,
  push,
  fanOut,
  repeated,
  idleConnections,
  namingSize,
  serverSize,
  configGrpcRates,
  configHttpRates,
  configNotify,
  configPolls,
  configSize,
  configImport,
  durableLog,
  raftLog,
];

const { values } = parseArgs({ options: { only: { type: "string" }, quick: { type: "boolean", default: false } } });
const only = values.only?.split(",");
for (const name of only ?? [])
  if (!BENCHES.some((bench) => bench.name === name)) {
    const names = BENCHES.map((bench) => bench.name).join(", ");
    process.stderr.write(`There is no bench ${name}; there are ${names}.\n`);
    process.exit(2);
  }

// Sections that are not measured now stay as they are in the results of an earlier run.
const held = only === undefined ? {} : readResults();
const sections: Record<string, Section> = {};
for (const bench of BENCHES) {
  if (only !== undefined && !only.includes(bench.name)) continue;
  say(`\n${bench.title} (${bench.name})`);
  const startedAt = performance.now();
  const table = await bench.run(scaleOf(values.quick));
  const { title, method } = bench;
  const tookSeconds = Math.round((performance.now() - startedAt) / 1000);
  sections[bench.name] = { title, method, ...table, measuredAt: new Date().toISOString(), tookSeconds };
  say(tableText(table));
  for (const remark of table.remarks) say(`- ${remark}`);
  if (!values.quick) save();
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
