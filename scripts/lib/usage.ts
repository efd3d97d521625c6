import { readFileSync } from "node:fs";
import { type ParseArgsConfig, parseArgs } from "node:util";

/** What a script was told wrongly, as a sentence: nobody needs the stack of that. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The comment at the top of a script, which says what it does and takes. */
export function headerOf(source: string): string {
  const [, comment = ""] = /^\/\*\*\n(.*?)\n \*\//s.exec(source) ?? [];
  return comment.replaceAll(/^ \* ?/gm, "");
}

/** @throws UsageError that names the option and where to find those that there are. */
export function optionsIn<const T extends NonNullable<ParseArgsConfig["options"]>>(args: string[], options: T) {
  try {
    return parseArgs({ args, options }).values;
  } catch (thrown) {
    const [sentence = ""] = (thrown as Error).message.split(". ");
    throw new UsageError(`${sentence.replace(/\.$/, "")}; --help lists what there is.`);
  }
}

/** The options of a program that registers tests and has no work of its own to wait for; else it ends as `withUsage` says. */
export function optionsOrExit<const T extends NonNullable<ParseArgsConfig["options"]>>(url: string, options: T) {
  if (asksForHelp()) {
    showHeader(url);
    process.exit(0);
  }
  try {
    return optionsIn(process.argv.slice(2), options);
  } catch (thrown) {
    process.stderr.write(`${(thrown as UsageError).message}\n`);
    process.exit(2);
  }
}

/** Runs a script; `--help` shows its header instead, and what it was told wrongly is said in one line. */
export async function withUsage(url: string, run: () => Promise<void>): Promise<void> {
  if (asksForHelp()) return showHeader(url);
  try {
    await run();
  } catch (thrown) {
    if (!(thrown instanceof UsageError)) throw thrown;
    process.stderr.write(`${thrown.message}\n`);
    process.exitCode = 2;
  }
}

function asksForHelp(): boolean {
  return process.argv.slice(2).some((arg) => arg === "--help" || arg === "-h");
}

function showHeader(url: string): void {
  process.stdout.write(`${headerOf(readFileSync(new URL(url), "utf8"))}\n`);
}
