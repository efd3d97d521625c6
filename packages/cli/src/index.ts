import { VERSION } from "@nacre/server/version";
import { Command, CommanderError } from "commander";
import { CliError } from "./failure.ts";

/** Where a command writes; tests collect it. */
export interface Output {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** What is not text: exact contents and archives. Resolves when there is room for more. */
  readonly bytes: (bytes: Uint8Array) => Promise<void> | void;
}

/** What else a command meets of its process. */
export interface Surroundings {
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdinIsTerminal: boolean;
  readonly stderrIsTerminal: boolean;
  /** Ends what runs until it is stopped, such as a watch; absent: the first SIGINT or SIGTERM does. */
  readonly stopped?: AbortSignal;
  readonly wait: (ms: number) => Promise<unknown>;
}

/** A command registers itself and reports the exit code of its run. */
export type Register = (program: Command, context: Context) => void;

export interface Context {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly output: Output;
  readonly exit: (code: number) => void;
  readonly surroundings: Surroundings;
}

/** Loaded by name, so that a start does not read what asks servers, and what asks servers does not read a server. */
const COMMANDS: Readonly<Record<string, () => Promise<Register>>> = {
  start: async () => (await import("./commands/start.ts")).startCommand,
  options: async () => (await import("./commands/options.ts")).optionsCommand,
  config: async () => (await import("./commands/config/index.ts")).configCommand,
  namespace: async () => (await import("./commands/namespace.ts")).namespaceCommand,
  service: async () => (await import("./commands/service.ts")).serviceCommand,
  instance: async () => (await import("./commands/instance.ts")).instanceCommand,
  import: async () => (await import("./commands/import.ts")).importCommand,
};

const VERSION_FLAGS = ["-V", "--version"];

/**
 * Runs one `nacre` command.
 *
 * @param argv words after `nacre`.
 * @returns the exit code: 0 done, 1 failed, 2 the command line is wrong, 3 what was asked for is not there.
 */
export async function run(
  argv: readonly string[],
  env: Context["env"],
  output: Output = streams,
  surroundings: Surroundings = processSurroundings,
): Promise<number> {
  const result = { code: 0 };
  const context: Context = { argv, env, output, surroundings, exit: (code) => void Object.assign(result, { code }) };
  try {
    const program = await programFor(argv[0], context);
    await program.parseAsync([...argv], { from: "user" });
  } catch (thrown) {
    if (thrown instanceof CliError) {
      output.err(`${thrown.message}\n`);
      return thrown.exitCode;
    }
    if (!(thrown instanceof CommanderError)) throw thrown;
    // Help and version end with 0; every other complaint is about the command line.
    return thrown.exitCode === 0 ? 0 : 2;
  }
  return result.code;
}

/** The program with the command of this name, or with all of them when it names none. */
export async function programFor(name: string | undefined, context: Context): Promise<Command> {
  const program = new Command("nacre")
    .description("A service registry and configuration server for Nacos clients.")
    .version(VERSION, "-V, --version", "show the version")
    .helpOption("-h, --help", "show this help")
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ writeOut: context.output.out, writeErr: context.output.err })
    .enablePositionalOptions();
  if (VERSION_FLAGS.includes(name ?? "")) return program;
  const wanted = Object.keys(COMMANDS).includes(name ?? "") ? [name ?? ""] : Object.keys(COMMANDS);
  for (const one of wanted) (await COMMANDS[one]?.())?.(program, context);
  return program;
}

const streams: Output = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  bytes: async (bytes) => {
    if (!process.stdout.write(bytes)) await new Promise((resolve) => process.stdout.once("drain", resolve));
  },
};

const processSurroundings: Surroundings = {
  // Streams of the process are made when they are first asked for: a start has no use for its stdin.
  get stdin() {
    return process.stdin;
  },
  get stdinIsTerminal() {
    return process.stdin.isTTY === true;
  },
  get stderrIsTerminal() {
    return process.stderr.isTTY === true;
  },
  wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};
