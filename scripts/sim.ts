/**
 * Runs the simulators: `npm run sim` draws seeds until it is stopped or one fails, `npm run sim -- --seed N` replays one,
 * `--seeds N` stops after so many, `--from N` counts up from there instead of drawing, `--only naming,distro` runs some
 * of the simulators, `--workers N` uses so many processes, `--steps N` makes the runs of naming and config longer.
 */
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { fileURLToPath } from "node:url";
import { runClusterSim } from "@nacre/testkit/cluster-sim";
import { runConfigSim } from "@nacre/testkit/config-sim";
import { runDistroSeed } from "@nacre/testkit/distro-sim";
import { runMembershipSim } from "@nacre/testkit/membership-sim";
import { runNamingSim } from "@nacre/testkit/naming-sim";
import { runRaftSim } from "@nacre/testkit/raft-sim";
import { say } from "./lib/steps.ts";
import { optionsIn, UsageError, withUsage } from "./lib/usage.ts";

const SIMULATORS: Record<string, (seed: number, steps: number) => unknown> = {
  naming: runNamingSim,
  config: runConfigSim,
  membership: (seed) => runMembershipSim(seed),
  distro: (seed) => runDistroSeed(seed),
  raft: (seed) => runRaftSim(seed),
  cluster: (seed) => runClusterSim(seed),
};

let steps = 0;
let workers = 1;
let from: number | undefined;
let runs = Infinity;
let names: readonly string[] = [];

await withUsage(import.meta.url, async () => {
  const values = optionsIn(process.argv.slice(2), {
    seed: { type: "string" },
    seeds: { type: "string" },
    from: { type: "string" },
    only: { type: "string" },
    workers: { type: "string", default: "1" },
    steps: { type: "string", default: "400" },
  });
  steps = whole("steps", values.steps);
  workers = Math.max(1, whole("workers", values.workers));
  const first = values.seed ?? values.from;
  from = first === undefined ? undefined : whole(values.seed === undefined ? "from" : "seed", first);
  if (values.seed !== undefined) runs = 1;
  else if (values.seeds !== undefined) runs = whole("seeds", values.seeds);
  names = values.only?.split(",") ?? Object.keys(SIMULATORS);
  for (const name of names)
    if (SIMULATORS[name] === undefined)
      throw new UsageError(`--only takes ${Object.keys(SIMULATORS).join(", ")}, and not '${name}'.`);
  const isShared = workers > 1 && runs > 1;
  if (!(isShared ? await share() : await run())) process.exitCode = 1;
});

async function run(): Promise<boolean> {
  const startedAt = performance.now();
  for (let at = 0; at < runs; at++) {
    const seed = from === undefined ? randomInt(2 ** 32) : from + at;
    // Seeds that are drawn have to be known whatever happens; a range says enough when it is through.
    if (from === undefined) say(`seed ${seed}`);
    for (const name of names) {
      try {
        await SIMULATORS[name]?.(seed, steps);
      } catch (err) {
        const replay = `npm run sim -- --only ${name} --seed ${seed} --steps ${steps}`;
        say(`${(err as Error).stack}\n\nReplay it with: ${replay}`);
        return false;
      }
    }
  }
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
  say(`${runs} seeds${from === undefined ? "" : ` from ${from}`} of ${names.join(", ")} in ${seconds} s`);
  return true;
}

/** Each process runs a part of the seeds; all of them are run, so that every failure is told. */
async function share(): Promise<boolean> {
  const part = Math.ceil(runs / workers);
  const children = Array.from({ length: workers }, (_, at) => {
    const args = [fileURLToPath(import.meta.url), "--only", names.join(), "--steps", String(steps)];
    if (part !== Infinity) args.push("--seeds", String(Math.max(0, Math.min(part, runs - at * part))));
    if (from !== undefined) args.push("--from", String(from + at * part));
    const child = spawn(process.execPath, args, { stdio: "inherit" });
    return new Promise<number | null>((resolve) => child.on("exit", resolve));
  });
  return (await Promise.all(children)).every((code) => code === 0);
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new UsageError(`--${name} must be a whole number, not '${text}'.`);
  return value;
}
