import { VERSION } from "@nacre/server/version";
import { Command, CommanderError } from "commander";
import { optionsCommand } from "./commands/options.ts";
import { startCommand } from "./commands/start.ts";

/** Where a command writes; tests collect it. */
export interface Output {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** A command registers itself and reports the exit code of its run. */
export type Register = (program: Command, context: Context) => void;

export interface Context {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly output: Output;
  readonly exit: (code: number) => void;
}

const COMMANDS: readonly Register[] = [startCommand, optionsCommand];

/**
 * Runs one `nacre` command.
 *
 * @param argv words after `nacre`.
 * @returns the exit code; 2 when the command line is wrong.
 */
export async function run(argv: readonly string[], env: Context["env"], output: Output = streams): Promise<number> {
  const result = { code: 0 };
  const program = new Command("nacre")
    .description("A service registry for Nacos clients.")
    .version(VERSION, "-V, --version", "show the version")
    .helpOption("-h, --help", "show this help")
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ writeOut: output.out, writeErr: output.err })
    .enablePositionalOptions();
  const context: Context = { argv, env, output, exit: (code) => void Object.assign(result, { code }) };
  for (const register of COMMANDS) register(program, context);
  try {
    await program.parseAsync([...argv], { from: "user" });
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    // Help and version end with 0; every other complaint is about the command line.
    return thrown.exitCode === 0 ? 0 : 2;
  }
  return result.code;
}

const streams: Output = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
};
