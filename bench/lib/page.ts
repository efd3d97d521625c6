import type { Cell, Section, Table } from "./bench.ts";
import type { Machine } from "./machine.ts";

/** The performance page, from what was measured. */
export function page(machine: Machine, sections: Readonly<Record<string, Section>>): string {
  const parts = Object.entries(sections).map(([name, section]) => sectionText(name, section));
  return `# Performance

Written by \`npm run bench\`; \`npm run bench -- --only NAME\` measures one part again. Nothing here is promised or tested:
these are the figures of one run on one machine, with the generators of the load on the same machine and everything over
the loopback.

${machineText(machine)}

${parts.join("\n\n")}
`;
}

export function machineText({ cpu, cores, memoryGiB, system, node }: Machine): string {
  return `| | |
|---|---|
| Processor | ${cpu}, ${cores} cores |
| Memory | ${memoryGiB} GiB |
| System | ${system} |
| Node | ${node} |`;
}

export function sectionText(name: string, section: Section): string {
  const { title, method, remarks, measuredAt, tookSeconds } = section;
  const notes = remarks.length === 0 ? "" : `\n\n${remarks.map((remark) => `- ${remark}`).join("\n")}`;
  return `## ${title}

${method}

${tableText(section)}${notes}

\`--only ${name}\`, measured on ${measuredAt.slice(0, 10)} in ${tookSeconds} s.`;
}

/** A Markdown table; numbers stand to the right. */
export function tableText({ columns, rows }: Table): string {
  const right = columns.map((_, at) => rows.every((row) => /^[<>≤≥]? ?[\d-]/.test(String(row[at]))));
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    line(columns),
    `|${right.map((isRight) => (isRight ? "---:" : "---")).join("|")}|`,
    ...rows.map((row) => line(row.map(cellText))),
  ].join("\n");
}

/** Thousands apart, as people read them. */
function cellText(cell: Cell): string {
  return typeof cell === "number" ? cell.toLocaleString("en-US", { maximumFractionDigits: 2 }) : cell;
}
