import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";

const SCRIPTS = dirname(dirname(fileURLToPath(import.meta.url)));

/** In place of npm: notes what it was asked, takes a while, and leaves what an installation leaves. */
const NPM = `
import { appendFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
const [command] = process.argv.slice(2);
appendFileSync("asked", command + "\\n");
if (existsSync("broken")) { rmSync("broken"); console.error("no network"); process.exit(1); }
await new Promise((resolve) => setTimeout(resolve, 200));
mkdirSync("node_modules/node/bin", { recursive: true });
if (command === "ci") writeFileSync("node_modules/.package-lock.json", '{"packages":{"node_modules/x":{"version":"1"}}}');
else writeFileSync("node_modules/node/bin/node", "");
`;

/** A clone in which nothing is installed. */
async function clone(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), "nacre-setup-"));
  t.after(() => rm(root, { recursive: true }));
  await mkdir(join(root, "scripts", "lib"), { recursive: true });
  for (const file of ["setup.mjs", "lib/setup-lock.mjs"]) await cp(join(SCRIPTS, file), join(root, "scripts", file));
  await writeFile(join(root, "package-lock.json"), '{"packages":{"node_modules/x":{"version":"1"}}}');
  await writeFile(join(root, "npm.mjs"), NPM);
  return {
    root,
    setUp: () =>
      new Promise<{ code: number; output: string }>((resolve) => {
        const env = { ...process.env, npm_execpath: join(root, "npm.mjs") };
        execFile(process.execPath, [join(root, "scripts", "setup.mjs")], { env }, (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr }),
        );
      }),
    asked: async () => (await readFile(join(root, "asked"), "utf8").catch(() => "")).trim().split("\n"),
  };
}

describe("setting up a clone", () => {
  test("is done once when several begin at the same moment, and all go on when it is done", async (t) => {
    const { setUp, asked } = await clone(t);
    const ends = await Promise.all([setUp(), setUp(), setUp()]);
    assert.deepEqual(
      ends.map(({ code }) => code),
      [0, 0, 0],
    );
    assert.deepEqual(await asked(), ["ci", "rebuild"]);
    assert.equal(ends.filter(({ output }) => output.includes("Installing dependencies")).length, 1);
    assert.deepEqual(await setUp(), { code: 0, output: "" }, "nothing is left to do");
  });

  test("is not held up by a process that was killed", async (t) => {
    const { root, setUp, asked } = await clone(t);
    const long = new Date(Date.now() - 60_000);
    await mkdir(join(root, ".setup"));
    await writeFile(join(root, ".setup", "7"), "");
    await utimes(join(root, ".setup", "7"), long, long);
    await Promise.all([setUp(), setUp()]);
    assert.deepEqual(await asked(), ["ci", "rebuild"]);
  });

  test("that fails says why, and the next one tries", async (t) => {
    const { root, setUp, asked } = await clone(t);
    await writeFile(join(root, "broken"), "");
    const failed = await setUp();
    assert.equal(failed.code, 1);
    assert.match(failed.output, /no network/);
    assert.equal((await setUp()).code, 0);
    assert.deepEqual(await asked(), ["ci", "ci", "rebuild"]);
  });
});
