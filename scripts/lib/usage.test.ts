import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const SIM = fileURLToPath(new URL("../sim.ts", import.meta.url));

function sim(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SIM, ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
}

describe("npm run sim", () => {
  test("shows with --help what it takes", () => {
    const { status, stdout, stderr } = sim("--help");
    assert.deepEqual([status, stderr], [0, ""]);
    assert.match(stdout, /^Runs the simulators: [\s\S]*`--seeds N` stops after so many/);
    assert.doesNotMatch(stdout, /\*/);
  });

  const wrong: readonly (readonly [string[], RegExp])[] = [
    [["--sedes", "3"], /^Unknown option '--sedes'; --help lists what there is\.\n$/],
    [["--seed", "x"], /^--seed must be a whole number, not 'x'\.\n$/],
    [["--only", "namin", "--seeds", "1"], /^--only takes naming, config, .*, and not 'namin'\.\n$/],
    [["here"], /^Unexpected argument 'here'; --help lists what there is\.\n$/],
  ];
  for (const [args, sentence] of wrong)
    test(`says in one line what is wrong with ${args.join(" ")}`, () => {
      const { status, stdout, stderr } = sim(...args);
      assert.deepEqual([status, stdout], [2, ""]);
      assert.match(stderr, sentence);
    });
});
