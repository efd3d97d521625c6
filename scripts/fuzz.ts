/**
 * Feeds random and mutated input to every decoder and parser. `npm run fuzz` runs 150,000 cases on a new seed,
 * `--seed N` replays one, `--cases N` makes the run longer or shorter.
 */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { runTargets } from "../test/fuzz/targets.ts";
import { say } from "./lib/steps.ts";

const { values } = parseArgs({ options: { seed: { type: "string" }, cases: { type: "string", default: "150000" } } });
const cases = whole("cases", values.cases);
const seed = values.seed === undefined ? randomInt(2 ** 31) : whole("seed", values.seed);

say(`seed ${seed}`);
const startedAt = performance.now();
let total = 0;
try {
  runTargets(cases, seed, (name, count, tookMs) => {
    total += count;
    say(`${String(count).padStart(8)} cases ${String(Math.round((count * 1000) / tookMs)).padStart(8)}/s  ${name}`);
  });
  const seconds = (performance.now() - startedAt) / 1000;
  say(`${total} cases in ${seconds.toFixed(1)} s, ${Math.round(total / seconds)}/s, seed ${seed}: nothing found.`);
} catch (err) {
  say(`${(err as Error).stack}\n\nReplay it with: npm run fuzz -- --seed ${seed} --cases ${cases}`);
  process.exitCode = 1;
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} must be a whole number, not '${text}'`);
  return value;
}
