import { type Cell, round, type Table } from "../../lib/bench.ts";
import type { Machine } from "../../lib/machine.ts";
import { tableText } from "../../lib/page.ts";
import type { Figure, GrpcSection, Row } from "./bench.ts";
import { SERVERS, SOCKET } from "./echo-server.ts";

export interface Versions {
  /** Of the servers. */
  readonly nodes: readonly string[];
  readonly grpcJs: string;
  readonly h2load: string;
}

/** What the engine is to be, in calls for each CPU second of the server: so many times the others. */
const AIMS = { "grpc-js": 5, http2: 3 } as const;
const AIMED = "Calls per CPU second of the server";

export type GrpcSections = Readonly<Record<string, GrpcSection>>;

/** The performance page of the engine, from what was measured. */
export function page(machine: Machine, versions: Versions, sections: GrpcSections): string {
  const parts = Object.entries(sections).map(([name, section]) => sectionText(name, section));
  return `# Performance

Written by \`npm run bench:grpc\`; \`npm run bench:grpc -- --only NAME\` measures one part again. Three servers give the
same answers: \`engine\` is this package, \`grpc-js\` is the library \`@grpc/grpc-js\`, and \`http2\` is gRPC by hand on
\`node:http2\`, which does the least that is right on the wire. All run as they are without options (but \`http2\` without a
limit for the memory of a session, which grpc-js does not have either), each in a process of its own, and take turns in
every round. Nothing here is promised or tested: these are the figures of one run on one machine, with the load on the
same machine and everything over the loopback.

| | |
|---|---|
| Processor | ${machine.cpu}, ${machine.cores} cores |
| Memory | ${machine.memoryGiB} GiB |
| System | ${machine.system} |
| Node of the servers | ${versions.nodes.join(", ")} |
| Node of the generators | ${machine.node} |
| @grpc/grpc-js | ${versions.grpcJs} |
| h2load | ${versions.h2load} |

Figures are medians over the rounds. The spread is the distance of the lowest and the highest round in percent of the
median, for the server where it is widest. The last two columns say how many times the other server's figure the
engine's is: more is better for rates, less for times and memory.
${aimsText(sections.unary?.rows ?? [])}
${parts.join("\n\n")}
`;
}

/** At which loads the aims are reached on all versions of Node, and at which they are not. */
function aimsText(rows: readonly Row[]): string {
  if (rows.length === 0) return "";
  const loads = [...Map.groupBy(rows, ({ load }) => load)].map(([load, some]) => {
    const reached = Object.entries(AIMS).map(([server, aim]) => ({ aim, server, ratios: ratiosTo(server, some) }));
    const texts = reached.map(
      ({ server, ratios }) => `${ratios.map((ratio) => ratio.toFixed(1)).join(" to ")} times ${server}`,
    );
    return {
      all: reached.every(({ aim, ratios: [least = 0] }) => least >= aim),
      text: `- ${load}: ${texts.join(", ")}`,
    };
  });
  const those = (all: boolean): string[] => loads.filter((load) => load.all === all).map(({ text }) => text);
  return `
The engine is to make ${AIMS["grpc-js"]} times the unary calls of grpc-js for each CPU second of the server, and ${AIMS.http2} times those of http2. From the
least to the most over the versions of Node it makes

${those(true).join("\n")}

and fewer than it is to with

${those(false).join("\n") || "- none"}

One connection with one call at a time is bound by waking the process for each call, not by HTTP/2: the section after
the unary calls measures what a socket of \`node:net\` takes for it that looks at nothing and answers with constant bytes.
`;
}

/** How many times the calls of another server the engine makes, at the least and at the most over versions of Node. */
function ratiosTo(server: string, rows: readonly Row[]): [least: number, most: number] {
  const ratios = [...Map.groupBy(rows, ({ node }) => node).values()].map((line) => {
    const calls = (name: string): number => middle(line.find((row) => row.server === name)?.values[AIMED] ?? []);
    return calls("engine") / calls(server);
  });
  return [Math.min(...ratios), Math.max(...ratios)];
}

function sectionText(name: string, section: GrpcSection): string {
  const { title, method, remarks, measuredAt, tookSeconds } = section;
  const notes = remarks.length === 0 ? "" : `${remarks.map((remark) => `- ${remark}`).join("\n")}\n\n`;
  return `## ${title}

${method}

${tablesText(section)}

${notes}\`--only ${name}\`, measured on ${measuredAt.slice(0, 10)} in ${tookSeconds} s.`;
}

/** One table for each figure. */
export function tablesText({ figures, rows }: Pick<GrpcSection, "figures" | "rows">): string {
  return figures.map((figure) => `### ${figure.name}\n\n${tableText(figureTable(figure, rows))}`).join("\n\n");
}

function figureTable(figure: Figure, rows: readonly Row[]): Table {
  const lines = Map.groupBy(rows, ({ node, load }) => `${node} ${load}`);
  const servers = [...SERVERS, SOCKET].filter((name) => rows.some(({ server }) => server === name));
  const subjects = figure.aside === true ? [] : servers.filter((name) => name === "engine" || name === SOCKET);
  const pairs = subjects.flatMap((name) => ["grpc-js", "http2"].map((other) => [name, other] as const));
  return {
    columns: ["Node", "load", ...servers, "spread", ...pairs.map(([name, other]) => `${name} / ${other}`)],
    rows: [...lines.values()].map((line) => figureRow(figure, line, servers, pairs)),
    remarks: [],
  };
}

function figureRow(
  { name, digits }: Figure,
  line: readonly Row[],
  servers: readonly string[],
  pairs: readonly (readonly [string, string])[],
): Cell[] {
  const valuesOf = (server: string) => line.find((row) => row.server === server)?.values[name] ?? [];
  const values = servers.map(valuesOf);
  const cell = (value = Number.NaN): Cell => (Number.isFinite(value) ? round(value, digits) : "–");
  // How many times nothing something is, nobody wants to know.
  const ratio = (value = Number.NaN, to = Number.NaN): Cell =>
    Number.isFinite(value) && Math.abs(round(to, digits)) > 0 ? (value / to).toFixed(2) : "–";
  const spreads = values
    .filter((rounds) => rounds.length > 1)
    .map(spread)
    .filter(Number.isFinite);
  const widest = spreads.length === 0 ? "–" : `${Math.round(Math.max(...spreads) * 100)} %`;
  const { node = "", load = "" } = line[0] ?? {};
  const ratios = pairs.map(([one, other]) => ratio(middle(valuesOf(one)), middle(valuesOf(other))));
  return [node, load, ...values.map((rounds) => cell(middle(rounds))), widest, ...ratios];
}

function spread(rounds: readonly number[]): number {
  return (Math.max(...rounds) - Math.min(...rounds)) / middle(rounds);
}

/** The median; of two rounds the mean, so that neither the better nor the worse of them counts. */
function middle(rounds: readonly number[]): number {
  const sorted = rounds.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(at)] ?? Number.NaN) + (sorted[Math.ceil(at)] ?? Number.NaN)) / 2;
}
