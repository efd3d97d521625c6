import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

/** What users start: server and commands. */
export const MAIN = join(import.meta.dirname, "../../../packages/cli/bin/nacre.mjs");
/** As for users, compiled code is kept from one start to the next; but not among theirs. */
export const COMPILED = join(import.meta.dirname, "../.cache/compiled");
const COMMAND_MAX_MS = 45_000;

/**
 * Runs a command as an operator does.
 *
 * @param cwd  where it leaves what it remembers.
 * @returns what it printed.
 * @throws Error with what it printed, when it ends with another code than those expected.
 */
export async function nacre(cwd: string, words: readonly string[], codes: readonly number[] = [0]): Promise<string> {
  const env = { ...process.env, NODE_COMPILE_CACHE: COMPILED };
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [MAIN, ...words], {
      cwd,
      env,
      timeout: COMMAND_MAX_MS,
    });
    if (!codes.includes(0)) throw new Error(`nacre ${words.join(" ")} ended with 0:\n${stdout}`);
    return stdout;
  } catch (thrown) {
    const { code, stdout, stderr } = thrown as {
      readonly code?: number;
      readonly stdout?: string;
      readonly stderr?: string;
    };
    if (typeof code === "number" && codes.includes(code)) return `${stdout}${stderr}`;
    throw new Error(`nacre ${words.join(" ")}: ${(thrown as Error).message}\n${stdout}${stderr}`);
  }
}
