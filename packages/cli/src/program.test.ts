import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { IN_MEMORY, startServer } from "@nacre/server";
import { VERSION } from "@nacre/server/version";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));
const NACRE = fileURLToPath(new URL("../bin/nacre.mjs", import.meta.url));
const run = promisify(execFile);

async function version(env: Record<string, string>): Promise<string> {
  const { stdout } = await run(process.execPath, [NACRE, "--version"], { env });
  return stdout.trim();
}

describe("the exit code of the nacre program", () => {
  test("is 0 for done, 1 for failed, 2 for a wrong call, 3 for what is not there", async (context) => {
    const server = await startServer({ port: 0, dataDir: IN_MEMORY, bindAddress: "127.0.0.1", logLevel: "error" });
    context.after(() => server.stop(0));
    await server.ready();
    const ended = async (stdin: string, ...argv: string[]) => {
      const child = spawn(process.execPath, [MAIN, ...argv], { env: { NACRE_SERVER: server.url } });
      const exit = once(child, "close");
      child.stdin.end(stdin);
      const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
      return { code: (await exit)[0], out, err };
    };
    // Past what a pipe takes at once.
    const content = "配置\r\n".repeat(40_000);
    assert.equal((await ended(content, "config", "set", "big")).code, 0);
    assert.deepEqual(await ended("", "config", "get", "big"), { code: 0, out: content, err: "" });
    const failed = await ended("x", "config", "set", "big", "--if-md5", "0".repeat(32));
    assert.deepEqual([failed.code, failed.out, failed.err.split("\n").length], [1, "", 2]);
    assert.equal((await ended("", "config", "list")).code, 2);
    assert.equal((await ended("", "config", "get", "none")).code, 3);
    const away = await ended("", "config", "ls", "--server", "http://127.0.0.1:1/nacos");
    assert.equal(away.code, 1);
    assert.match(
      away.err,
      /^http:\/\/127\.0\.0\.1:1\/nacos gave no answer \(.*\): check the address, and that the server runs\.\n$/,
    );
  });

  test("is 0 for a watch that ^C ends", async (context) => {
    const server = await startServer({ port: 0, dataDir: IN_MEMORY, bindAddress: "127.0.0.1", logLevel: "error" });
    context.after(() => server.stop(0));
    await server.ready();
    const child = spawn(process.execPath, [MAIN, "config", "watch", "w"], { env: { NACRE_SERVER: server.url } });
    const exit = once(child, "close");
    await once(child.stderr, "data");
    child.kill("SIGINT");
    assert.deepEqual(await exit, [0, null]);
  });
});

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
