import { spawn, spawnSync } from "node:child_process";

/** Enough of a tool's last words to understand a failure. */
const TAIL_CHARACTERS = 4000;

/**
 * Runs a command to its end.
 *
 * @throws Error with the end of what it printed when it does not exit with 0.
 */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: { cwd: string; env?: Record<string, string> },
): Promise<void> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const printed = tail(child.stdout, child.stderr);
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.on("error", reject).on("close", resolve);
  const code = await promise;
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}:\n${printed()}`);
}

/** Why a toolchain cannot be used, or undefined when all its commands answer. */
export function missingCommand(commands: readonly (readonly [string, ...string[]])[]): string | undefined {
  for (const [command, ...args] of commands) {
    const { error, status } = spawnSync(command, args, { stdio: "ignore" });
    if (error !== undefined || status !== 0) return `${command} is not installed`;
  }
  return undefined;
}

/** Gathers what streams print and gives the last part of it. */
export function tail(...streams: readonly NodeJS.ReadableStream[]): () => string {
  let text = "";
  for (const stream of streams) {
    stream.on("data", (chunk: Buffer) => {
      text = (text + chunk.toString()).slice(-TAIL_CHARACTERS);
    });
  }
  return () => text.trim();
}
