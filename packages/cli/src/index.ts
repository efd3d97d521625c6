import type { Command } from "commander";

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
  /** Absent: it is none. */
  readonly stdoutIsTerminal?: boolean;
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

const HELP_FLAGS = ["-h", "--help"];

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
  // A server reads its words itself, and what reads those of the other commands would stay in its memory for months.
  if (argv[0] === "start" && !argv.some((word) => HELP_FLAGS.includes(word))) {
    const { runServer } = await import("@nacre/server/main");
    return runServer(argv.slice(1), env);
  }
  const { runProgram } = await import("./program.ts");
  return runProgram({ argv, env, output, surroundings });
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
  get stdoutIsTerminal() {
    return process.stdout.isTTY === true;
  },
  wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};
