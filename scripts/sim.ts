/**
 * Runs the simulators of naming and of configuration: `npm run sim` draws seeds until it is stopped or one fails,
 * `npm run sim -- --seed N` replays one, `--seeds N` stops after so many, `--steps N` makes the runs longer.
 */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { runConfigSim } from "@nacre/testkit/config-sim";
import { runNamingSim } from "@nacre/testkit/naming-sim";
import { say } from "./lib/steps.ts";

const { values } = parseArgs({
  options: { seed: { type: "string" }, seeds: { type: "string" }, steps: { type: "string", default: "400" } },
});
const steps = whole("steps", values.steps);
const runs = values.seed !== undefined ? 1 : values.seeds === undefined ? Infinity : whole("seeds", values.seeds);

for (let run = 0; run < runs; run++) {
  const seed = values.seed === undefined ? randomInt(2 ** 32) : whole("seed", values.seed);
  say(`seed ${seed}, ${steps} steps`);
  try {
    runNamingSim(seed, steps);
    runConfigSim(seed, steps);
  } catch (err) {
    say(`${(err as Error).stack}\n\nReplay it with: npm run sim -- --seed ${seed} --steps ${steps}`);
    process.exitCode = 1;
    break;
  }
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} must be a whole number, not '${text}'`);
  return value;
}
