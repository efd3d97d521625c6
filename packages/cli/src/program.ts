import { VERSION } from "@nacre/server/version";
import { Command, CommanderError } from "commander";
import { CliError } from "./failure.ts";
import type { Context, Register } from "./index.ts";

/** Loaded by name, so that a start does not read what asks servers, and what asks servers does not read a server. */
const COMMANDS: Readonly<Record<string, () => Promise<Register>>> = {
  start: async () => (await import("./commands/start.ts")).startCommand,
  options: async () => (await import("./commands/options.ts")).optionsCommand,
  config: async () => (await import("./commands/config/index.ts")).configCommand,
  namespace: async () => (await import("./commands/namespace.ts")).namespaceCommand,
  service: async () => (await import("./commands/service.ts")).serviceCommand,
  instance: async () => (await import("./commands/instance.ts")).instanceCommand,
  cluster: async () => (await import("./commands/cluster.ts")).clusterCommand,
  converge: async () => (await import("./commands/converge.ts")).convergeCommand,
  raft: async () => (await import("./commands/raft.ts")).raftCommand,
  backup: async () => (await import("./commands/backup.ts")).backupCommand,
  restore: async () => (await import("./commands/restore.ts")).restoreCommand,
  stop: async () => (await import("./commands/cluster.ts")).stopCommand,
  doctor: async () => (await import("./commands/doctor.ts")).doctorCommand,
  import: async () => (await import("./commands/import.ts")).importCommand,
};

const VERSION_FLAGS = ["-V", "--version"];

/** @returns the exit code. */
export async function runProgram(given: Omit<Context, "exit">): Promise<number> {
  const result = { code: 0 };
  const context: Context = { ...given, exit: (code) => void Object.assign(result, { code }) };
  try {
    const program = await programFor(given.argv[0], context);
    await program.parseAsync([...given.argv], { from: "user" });
  } catch (thrown) {
    if (thrown instanceof CliError) {
      given.output.err(`${thrown.message}\n`);
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
