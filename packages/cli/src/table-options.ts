import { DEFAULT_FILE, GROUPS, type Group, ROWS, type Option as Row, textOf } from "@nacre/server/options";
import { type Command, Option } from "commander";

export const SOURCES: string = [
  "A value comes from, in this order: the flag; the environment (a.b-c is A_BC; --port is also NACRE_PORT, and so",
  "on); the properties file; the default. Times take ms, s, m, h, d, and sizes KiB, MiB, GiB.",
].join("\n");

const WIDTH = 110;
const INDENT = " ".repeat(10);

/** Puts every option of the server into a command's help, by group; reading them is left to the server. */
export function addTableOptions(command: Command): Command {
  command.helpOption("-h, --help", "show this help").allowUnknownOption().allowExcessArguments();
  const config = readElsewhere(
    new Option("--config <file>", `properties file (default: ${DEFAULT_FILE} if it exists)`),
  );
  command.addOption(config.helpGroup(`${GROUPS.process}:`));
  for (const group of Object.keys(GROUPS) as Group[]) {
    for (const [, row] of ROWS) {
      if (row.group === group) command.addOption(tableOption(row).helpGroup(`${GROUPS[group]}:`));
    }
  }
  return command.configureHelp({
    helpWidth: WIDTH,
    // Property names are long: what they do stands below them and not in a column far to the right.
    formatItem: (term, _width, description, help) => {
      const text = help.boxWrap(description, WIDTH - INDENT.length);
      return `  ${term}\n${INDENT}${text.replaceAll("\n", `\n${INDENT}`)}`;
    },
  });
}

function tableOption(row: Row): Option {
  const shown = row.flag === undefined ? `--${row.name}` : `--${row.flag}, --${row.name}`;
  return readElsewhere(new Option(`${shown} ${PLACE[row.type](row)}`, `${row.what}${defaultOf(row)}`));
}

/** A flag without its value is answered by the server's reader, in the server's words. */
function readElsewhere(option: Option): Option {
  option.required = false;
  option.optional = true;
  return option;
}

const PLACE: Record<Row["type"], (row: Row) => string> = {
  boolean: () => "[boolean]",
  integer: () => "<number>",
  port: () => "<port>",
  duration: () => "<time>",
  bytes: () => "<size>",
  text: () => "<text>",
  path: () => "<path>",
  list: () => "<a,b>",
  enum: (row) => `<${row.type === "enum" ? row.values.join("|") : ""}>`,
};

function defaultOf(row: Row): string {
  return row.default === undefined ? "" : ` (default: ${textOf(row, row.default) || '""'})`;
}
