/**
 * Feeds random and mutated input to every decoder and parser, and to the gRPC machine. `npm run fuzz` runs 150,000 cases
 * and twenty million inputs of the machine on a new seed, `--seed N` replays one, `--cases N` makes the run longer or
 * shorter, `--only TEXT` runs targets whose name contains it.
 */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { CASES_DEFAULT, runTargets, targetNames } from "../test/fuzz/targets.ts";
import { say } from "./lib/steps.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    cases: { type: "string", default: String(CASES_DEFAULT) },
    only: { type: "string", default: "" },
  },
});
const cases = whole("cases", values.cases);
const seed = values.seed === undefined ? randomInt(2 ** 31) : whole("seed", values.seed);

say(`seed ${seed}`);
const startedAt = performance.now();
let total = 0;
try {
  runTargets(cases, seed, values.only, (name, count, tookMs) => {
    total += count;
    say(`${String(count).padStart(8)} cases ${String(Math.round((count * 1000) / tookMs)).padStart(8)}/s  ${name}`);
  });
  if (total === 0) throw new Error(`no target has '${values.only}' in its name; there are ${targetNames().join(", ")}`);
  const seconds = (performance.now() - startedAt) / 1000;
  say(`${total} cases in ${seconds.toFixed(1)} s, ${Math.round(total / seconds)}/s, seed ${seed}: nothing found.`);
} catch (err) {
  say(
    `${(err as Error).stack}\n\nReplay it with: npm run fuzz -- --seed ${seed} --cases ${cases} --only "${values.only}"`,
  );
  process.exitCode = 1;
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} must be a whole number, not '${text}'`);
  return value;
}
