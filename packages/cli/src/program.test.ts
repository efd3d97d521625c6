import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { VERSION } from "@nacre/server/version";

const NACRE = fileURLToPath(new URL("../bin/nacre.mjs", import.meta.url));
const run = promisify(execFile);

async function version(env: Record<string, string>): Promise<string> {
  const { stdout } = await run(process.execPath, [NACRE, "--version"], { env });
  return stdout.trim();
}

describe("the nacre program", () => {
  test("keeps compiled code in the user's cache folder, not in the shared one for temporary files", async (context) => {
    const folder = await mkdtemp(join(tmpdir(), "nacre-cli-"));
    context.after(() => rm(folder, { recursive: true, force: true }));
    assert.equal(await version({ HOME: folder, LOCALAPPDATA: folder, TMPDIR: folder, TEMP: folder }), VERSION);
    const held = await readdir(folder, { recursive: true });
    assert.ok(held.some((path) => path.endsWith(join("nacre", "compiled"))));
    assert.ok(!held.some((path) => path.includes("node-compile-cache")));
  });

  test("runs where that folder cannot be made", async (context) => {
    const folder = await mkdtemp(join(tmpdir(), "nacre-cli-"));
    context.after(() => rm(folder, { recursive: true, force: true }));
    const file = join(folder, "file");
    await writeFile(file, "");
    assert.equal(await version({ HOME: file, XDG_CACHE_HOME: file, LOCALAPPDATA: file }), VERSION);
  });

  test("makes no home folder for a user that has none", async (context) => {
    const folder = await mkdtemp(join(tmpdir(), "nacre-cli-"));
    context.after(() => rm(folder, { recursive: true, force: true }));
    assert.equal(await version({ HOME: join(folder, "none"), LOCALAPPDATA: "" }), VERSION);
    assert.deepEqual(await readdir(folder), []);
  });
});
