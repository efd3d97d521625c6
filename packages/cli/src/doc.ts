import type { Command } from "commander";
import type { Context } from "./index.ts";
import { programFor } from "./program.ts";

const SERVER = "Server:";
const HELP = "--help";

/** The page `docs/reference/cli.md`, from the commands as they register themselves. */
export async function renderCliDoc(): Promise<string> {
  const program = await programFor(undefined, documented);
  const parts = [
    "# Commands",
    "",
    "<!-- Written by scripts/docs.ts from the source; run `npm run docs` after a change. -->",
    "",
    "Commands that ask a server work with Nacre, Nacos 1.x, 2.x and 3.x, and r-nacos: the admin API of version 3 where the",
    "server has it, else version 1. What only Nacre can do says so.",
    "",
    "| Exit code | Meaning |",
    "|---|---|",
    "| 0 | done |",
    "| 1 | failed, or there are differences; one sentence on stderr names the server and what mends it |",
    "| 2 | the command line is wrong; of `doctor`: nobody could be asked |",
    "| 3 | what was asked for is not there |",
    "",
    "With `--json`, lists are `{total, page, pages, items}` and everything else is one object. Names are `namespace`, `group`,",
    "`dataId`, `md5`; times are epoch milliseconds. Without it, tables are for people and may change.",
    "",
    "## Every command that asks a server",
    "",
    "| Option | What it does |",
    "|---|---|",
    "| `--server <url>` | address of the server, also `NACRE_SERVER`; default `http://127.0.0.1:8848/nacos`. Without a path, `/nacos` and none are tried |",
    "| `--username <name>`, `--password <text>` | log in, also `NACRE_USERNAME`, `NACRE_PASSWORD` (other users of the machine see flags) |",
    "| `--json` | write JSON for programs |",
  ];
  for (const command of program.commands) {
    const isLeaf = command.commands.length === 0 || command.registeredArguments.length > 0;
    for (const leaf of [...(isLeaf ? [command] : []), ...command.commands]) parts.push(...section(leaf));
  }
  return `${parts.join("\n")}\n`;
}

function section(command: Command): string[] {
  const help = command.createHelp();
  const name = [command.parent?.parent ? `${command.parent.name()} ` : "", command.name()].join("");
  const usage = command.usage().replace(/^\[options\] ?(\[command\] ?)?/, "");
  const lines = [
    "",
    `## nacre ${name}`,
    "",
    command.description(),
    "",
    "```",
    `nacre ${name} ${usage}`.trimEnd(),
    "```",
  ];
  if (name === "start" || name === "options")
    return [...lines, "", "It takes [the options of the server](options.md) as flags."];
  const options = help
    .visibleOptions(command)
    .filter(
      ({ long, helpGroupHeading }) =>
        long !== HELP && long !== "--json" && (name === "import" || helpGroupHeading !== SERVER),
    );
  if (options.length === 0) return lines;
  const rows = options.map(
    (option) => `| \`${option.flags}\` | ${help.optionDescription(option).replaceAll("|", "\\|")} |`,
  );
  return [...lines, "", "| Option | What it does |", "|---|---|", ...rows];
}

/** No command runs, so there is nothing that it could read or write; an empty environment gives the defaults. */
const documented = {
  argv: [],
  env: {},
  output: { out: () => {}, err: () => {}, bytes: () => {} },
} as unknown as Context;
