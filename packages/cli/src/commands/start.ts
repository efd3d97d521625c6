import { runServer } from "@nacre/server/main";
import type { Register } from "../index.ts";
import { addTableOptions, SOURCES } from "../table-options.ts";

/** `nacre start`: runs a server in the foreground until a signal stops it. */
export const startCommand: Register = (program, { argv, env, exit }) => {
  const command = program.command("start").description("Run a server until SIGTERM or SIGINT stops it.");
  addTableOptions(command)
    .addHelpText("after", `\n${SOURCES}`)
    .action(async () => exit(await runServer(wordsAfter("start", argv), env)));
};

/** The server reads its words itself: one reader for flags, environment and file gives one kind of sentence. */
export function wordsAfter(command: string, argv: readonly string[]): string[] {
  return argv.slice(argv.indexOf(command) + 1);
}
