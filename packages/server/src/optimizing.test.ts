import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const MODULE = new URL("./optimizing.ts", import.meta.url).href;
const NACRE = fileURLToPath(new URL("../../cli/bin/nacre.mjs", import.meta.url));

/** Whether each step of a process of its own has V8's flags as they were: the version of cached code names them. */
async function unchanged(steps: readonly string[], flags: readonly string[] = []): Promise<boolean[]> {
  const code = `
    import { cachedDataVersionTag } from "node:v8";
    import { pauseOptimizing, resumeOptimizing } from ${JSON.stringify(MODULE)};
    const before = cachedDataVersionTag();
    const after = (step) => (step(), cachedDataVersionTag() === before);
    console.log(JSON.stringify([${steps.map((step) => `after(${step})`)}]));`;
  const { stdout } = await run(process.execPath, [...flags, "--input-type=module", "-e", code]);
  return JSON.parse(stdout) as boolean[];
}

describe("a pause of V8's optimizing compilers", () => {
  test("ends with every flag as it was", async () => {
    assert.deepEqual(await unchanged(["pauseOptimizing", "resumeOptimizing"]), [false, true]);
  });

  test("leaves alone what the process was started with, and what no pause has changed", async () => {
    for (const flag of ["--no-opt", "--noopt", "--no-maglev"])
      assert.deepEqual(await unchanged(["pauseOptimizing", "resumeOptimizing"], [flag]), [true, true], flag);
    assert.deepEqual(await unchanged(["resumeOptimizing"]), [true]);
  });

  test("is over before a server does anything", async () => {
    // A data folder that cannot be made ends the start after everything is loaded.
    const probe = `
      const { cachedDataVersionTag } = process.getBuiltinModule("node:v8");
      const before = cachedDataVersionTag();
      process.on("exit", () => console.log("unchanged", cachedDataVersionTag() === before));`;
    const imported = `--import=data:text/javascript,${encodeURIComponent(probe)}`;
    const words = ["start", "--port=0", "--bind=127.0.0.1", `--data=${NACRE}`];
    const failed = await run(process.execPath, [imported, NACRE, ...words]).then(
      () => assert.fail("a file is no data folder"),
      (thrown: { stdout: string }) => thrown,
    );
    assert.match(failed.stdout, /^unchanged true$/m);
  });
});
