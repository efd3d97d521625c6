import { OptionError, ROWS, readOptions, readTextFile, shown, textOf } from "@nacre/server/options";
import type { Register } from "../index.ts";
import { addTableOptions } from "../table-options.ts";
import { wordsAfter } from "./start.ts";

/** `nacre options`: what a start with the same flags, environment and file would run with. */
export const optionsCommand: Register = (program, { argv, env, output, exit }) => {
  const command = program
    .command("options")
    .description("Show the options a start would use, and where each comes from.");
  addTableOptions(command).action(() => {
    try {
      const { options, origins, notices } = readOptions(wordsAfter("options", argv), env, readTextFile);
      for (const notice of notices) output.err(`${notice.sentence}\n`);
      for (const [key, option] of ROWS) {
        output.out(`${option.name}=${shown(option, textOf(option, options[key]))}  # ${origins[key] ?? "default"}\n`);
      }
    } catch (thrown) {
      if (!(thrown instanceof OptionError)) throw thrown;
      output.err(`${thrown.message}\n`);
      exit(2);
    }
  });
};
