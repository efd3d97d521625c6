import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export interface StepResult {
  readonly name: string;
  readonly ok: boolean;
  readonly tookMs: number;
  /** What the summary says beside the result. */
  readonly note: string;
}

/** Writes one line for people. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Runs a command of this repository with the pinned Node in front; its output is shown when it fails. */
export function commandStep(
  name: string,
  command: string,
  args: readonly string[],
  show = false,
  env: Readonly<Record<string, string>> = {},
): StepResult {
  const startedAt = performance.now();
  const path = `${dirname(process.execPath)}:${ROOT}/node_modules/.bin:${process.env.PATH ?? ""}`;
  const stdio = show ? "inherit" : "pipe";
  const ran = spawnSync(command, args, {
    cwd: ROOT,
    encoding: "utf8",
    stdio,
    env: { ...process.env, ...env, PATH: path },
    maxBuffer: 2 ** 28,
  });
  const ok = ran.status === 0;
  if (!ok && !show) say(`${ran.stdout ?? ""}${ran.stderr ?? ""}${ran.error?.message ?? ""}`);
  return report({ name, ok, tookMs: performance.now() - startedAt, note: "" });
}

/** Runs a check in this process. It returns what is wrong, one sentence each, and what is only worth knowing. */
export function checkStep(
  name: string,
  check: () => { wrong: readonly string[]; warnings?: readonly string[] },
): StepResult {
  const startedAt = performance.now();
  const { wrong, warnings = [] } = check();
  for (const sentence of warnings) say(`  warning: ${sentence}`);
  for (const sentence of wrong) say(`  ${sentence}`);
  return report({ name, ok: wrong.length === 0, tookMs: performance.now() - startedAt, note: "" });
}

function report(result: StepResult): StepResult {
  say(lineOf(result));
  return result;
}

export function lineOf({ name, ok, tookMs, note }: StepResult): string {
  return `${ok ? "pass" : "FAIL"}  ${name.padEnd(28)} ${(tookMs / 1000).toFixed(1).padStart(6)} s  ${note}`.trimEnd();
}
