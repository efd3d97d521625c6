/**
 * Measures gRPC servers side by side and writes `packages/grpc/docs/performance.md`.
 *
 * `npm run bench:grpc` measures everything and writes the page; `--only NAME[,NAME]` measures a part and leaves the
 * figures of the rest as they stand. `--quick` measures little, on the Node of the bench, and `--node MAJOR[,MAJOR]` and
 * `--servers NAME[,NAME]` leave the others out; these print, and write nothing, since the page compares what ran together.
 */
import { parseArgs } from "node:util";
import { say, scaleOf } from "../lib/bench.ts";
import { fanOut } from "./benches/fan-out.ts";
import { idle } from "./benches/idle.ts";
import { large } from "./benches/large.ts";
import { oneByOne } from "./benches/one-by-one.ts";
import { storm } from "./benches/storm.ts";
import { tls, unary } from "./benches/unary.ts";
import { type GrpcBench, type GrpcSection, Rows } from "./lib/bench.ts";
import { SERVERS, SOCKET, type Subject } from "./lib/echo-server.ts";
import { h2loadMissing } from "./lib/h2load.ts";
import { tablesText } from "./lib/page.ts";
import { readResults, writeResults } from "./lib/results.ts";
import { MAJORS, ownMajor, runtime } from "./lib/runtimes.ts";

const BENCHES: readonly GrpcBench[] = [unary, oneByOne, tls, idle, fanOut, large, storm];

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    node: { type: "string" },
    servers: { type: "string" },
    quick: { type: "boolean", default: false },
  },
});
const names = chosen(
  "only",
  BENCHES.map(({ name }) => name),
  values.only,
);
const servers = chosen("servers", [...SERVERS, SOCKET], values.servers);
const majors = chosen("node", MAJORS, values.node ?? (values.quick ? ownMajor() : undefined));
const benches = BENCHES.filter(({ name }) => names.includes(name));
const missing = h2loadMissing();
if (missing !== undefined && benches.some((bench) => bench === unary || bench === tls)) fail(missing);

const scale = scaleOf(values.quick);
const runtimes = majors.map(runtime);
const writes = !values.quick && values.node === undefined && values.servers === undefined;
// Sections that are not measured now stay as they are in the results of an earlier run.
const held = values.only === undefined ? {} : readResults();
const sections: Record<string, GrpcSection> = {};
for (const bench of benches) {
  say(`\n${bench.title} (${bench.name})`);
  const section = await sectionOf(bench);
  sections[bench.name] = section;
  say(tablesText(section));
  for (const remark of section.remarks) say(`- ${remark}`);
  say(`${section.tookSeconds} s`);
  if (writes) save();
}
process.exit(0);

async function sectionOf(bench: GrpcBench): Promise<GrpcSection> {
  const startedAt = performance.now();
  const rows = new Rows();
  const remarks = new Set<string>();
  const measured = (bench.servers ?? SERVERS).filter((name) => servers.includes(name));
  for (const on of runtimes) {
    for (let round = 0; round < bench.rounds(scale); round++) {
      // Each server comes first once, so that a machine that gets slower or faster favours none.
      const turn = round % measured.length;
      for (const server of [...measured.slice(turn), ...measured.slice(0, turn)]) {
        const subject: Subject = { server, runtime: on };
        for (const sample of await bench.measure(subject, scale, (text) => remarks.add(text)))
          rows.add(subject, sample);
      }
    }
  }
  const { title, method, figures } = bench;
  const tookSeconds = Math.round((performance.now() - startedAt) / 1000);
  const measuredAt = new Date().toISOString();
  return { title, method, figures, rows: rows.all(), remarks: [...remarks], measuredAt, tookSeconds };
}

/** After each section, so that a run that is cut short keeps what it has measured. */
function save(): void {
  const order = BENCHES.flatMap(({ name }) => {
    const section = sections[name] ?? held[name];
    return section === undefined ? [] : [[name, section] as const];
  });
  const versions = runtimes.map(({ version }) => version);
  for (const path of writeResults(versions, Object.fromEntries(order))) say(`wrote ${path}`);
}

/** What an option names, or all there is. */
function chosen<T extends string>(option: string, all: readonly T[], given: string | undefined): readonly T[] {
  const wanted = given?.split(",");
  const unknown = wanted?.find((name) => !all.some((known) => known === name));
  if (unknown !== undefined) fail(`--${option}: there is no ${unknown}; there are ${all.join(", ")}.`);
  return wanted === undefined ? all : all.filter((name) => wanted.includes(name));
}

function fail(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(2);
}
