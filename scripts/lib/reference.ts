import { FAILURES } from "@nacre/protocol";
import { GROUPS, type Group, type Option, ROWS, rangeOf, textOf } from "@nacre/server/options";

export const GENERATED = "<!-- Written by scripts/docs.ts from the source; run `npm run docs` after a change. -->";

/** `docs/reference/options.md`, from the table of options. */
export function optionsPage(): string {
  const parts = [
    "# Options",
    "",
    GENERATED,
    "",
    "A value comes from the first of these that gives one: a flag (`--port 8848`, `--port=8848`, `--any.property=value`),",
    "the environment, the properties file (`--config FILE` or `NACRE_CONFIG`, else `conf/application.properties` in the",
    "working directory if it exists), the default. A property `a.b-c` is the environment variable `A_BC` or `A_B_C`; an",
    "option with a short flag such as `--port` is also `NACRE_PORT`. Properties files have Java's syntax, and their values",
    `may hold \`\${NAME}\` and \`\${NAME:default}\`. Times take \`ms\`, \`s\`, \`m\`, \`h\`, \`d\`, sizes \`KiB\`, \`MiB\`, \`GiB\`; bare numbers`,
    "are milliseconds and bytes.",
    "",
    "`nacre options` shows what a start would use and where each value comes from. A key of Nacos without effect here, and",
    "an unknown key, gives one line at the start.",
  ];
  for (const group of Object.keys(GROUPS) as Group[]) {
    parts.push(
      "",
      `## ${GROUPS[group]}`,
      "",
      "| Option | Default | Values | What it does | Why this default |",
      "|---|---|---|---|---|",
    );
    for (const [, option] of ROWS) if (option.group === group) parts.push(optionLine(option));
  }
  return `${parts.join("\n")}\n`;
}

function optionLine(option: Option): string {
  const names = [`\`${option.name}\``];
  if (option.flag !== undefined) names.push(`\`--${option.flag}\``);
  for (const alias of option.aliases ?? []) names.push(`also \`${alias}\``);
  for (const variable of option.env ?? []) names.push(`\`${variable}\``);
  const value = option.default === undefined ? "none" : `\`${textOf(option, option.default) || '""'}\``;
  return row([names.join("<br>"), value, valuesOf(option), option.what, option.why]);
}

function valuesOf(option: Option): string {
  switch (option.type) {
    case "boolean":
      return "true, false";
    case "enum":
      return option.values.join(", ");
    case "list":
      return "texts, separated by commas";
    case "text":
      return option.rule?.says ?? "text";
    case "path":
      return "path";
    default:
      return rangeOf(option).replace(/, in (milliseconds|bytes).*$/, "");
  }
}

/** `docs/reference/failures.md`, from the table of failures. */
export function failuresPage(): string {
  const retry = { never: "not as it is", later: "the same call later", otherMember: "the same call at another member" };
  const parts = [
    "# Failures",
    "",
    GENERATED,
    "",
    "Every failure a caller can meet. gRPC answers carry the number in `errorCode`, v2 and v3 HTTP answers in `code`; the",
    "HTTP status is the same in every dialect. The message beside it names the field and the rule.",
    "",
    "| Failure | gRPC | HTTP code | HTTP status | Text | Worth trying again |",
    "|---|---|---|---|---|---|",
  ];
  for (const [name, failure] of Object.entries(FAILURES)) {
    parts.push(row([`\`${name}\``, failure.rpc, failure.api, failure.http, failure.text, retry[failure.retry]]));
  }
  return `${parts.join("\n")}\n`;
}

function row(cells: readonly (string | number)[]): string {
  return `| ${cells.map((cell) => String(cell).replaceAll("|", "\\|")).join(" | ")} |`;
}
