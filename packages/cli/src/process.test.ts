import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));
const STOP_MAX_MS = 15_000;

interface Running {
  readonly child: ChildProcess;
  readonly text: { out: string; err: string };
  readonly exit: Promise<unknown[]>;
  readonly printed: (pattern: RegExp) => Promise<void>;
}

/** The real command in a process and a folder of its own. Whatever the test leaves running is ended with it. */
async function nacreStart(context: TestContext, args: string[]): Promise<Running> {
  const folder = await mkdtemp(join(tmpdir(), "nacre-cli-"));
  const env = { PATH: process.env.PATH ?? "" };
  const argv = [MAIN, "start", "--bind=127.0.0.1", `--data=${join(folder, "data")}`, ...args];
  const child = spawn(process.execPath, argv, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  const text = { out: "", err: "" };
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    text.out += chunk;
  });
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    text.err += chunk;
  });
  // `close` and not `exit`: by then everything that was printed has been read.
  const exit = once(child, "close");
  context.after(async () => {
    child.kill("SIGKILL");
    await exit;
    await rm(folder, { recursive: true, force: true });
  });
  const printed = async (pattern: RegExp): Promise<void> => {
    while (!pattern.test(text.out)) {
      const ended = await Promise.race([once(child.stdout ?? child, "data").then(() => false), exit.then(() => true)]);
      assert.ok(
        !ended || pattern.test(text.out),
        `the process ended before it printed ${pattern}: ${text.out}${text.err}`,
      );
    }
  };
  return { child, text, exit, printed };
}

describe("the nacre process", () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`starts, says where it listens, and exits 0 within 15 s of ${signal}`, async (context) => {
      const running = await nacreStart(context, ["--port=0"]);
      await running.printed(/^Ready after \d+ ms\.$/m);
      const url = /HTTP {5}(http:\S+)/.exec(running.text.out)?.[1] ?? assert.fail(running.text.out);
      const answer = await fetch(`${url}/v1/console/health/liveness`);
      await answer.text();
      assert.equal(answer.status, 200);
      const signalledAt = performance.now();
      running.child.kill(signal);
      assert.deepEqual(await running.exit, [0, null], running.text.err);
      assert.ok(performance.now() - signalledAt < STOP_MAX_MS);
    });
  }

  test("answers a main port in use with one sentence and exit code 1", async (context) => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    context.after(() => other.close());
    const address = other.address();
    assert.ok(address !== null && typeof address === "object");
    const running = await nacreStart(context, [
      `--port=${address.port}`,
      "--nacre.grpc.port=0",
    ]);
    assert.deepEqual(await running.exit, [1, null]);
    assert.match(lastSentence(running.text.err), new RegExp(`^Port ${address.port} is in use by another process; `));
  });

  test("answers a data folder that is a file with one sentence and exit code 1", async (context) => {
    const folder = await mkdtemp(join(tmpdir(), "nacre-cli-"));
    context.after(() => rm(folder, { recursive: true, force: true }));
    await writeFile(join(folder, "taken"), "");
    const running = await nacreStart(context, ["--port=0", `--data=${join(folder, "taken")}`]);
    assert.deepEqual(await running.exit, [1, null]);
    assert.match(lastSentence(running.text.err), /taken/);
    assert.doesNotMatch(running.text.err, /^\s+at /m, "no stack");
  });

  test("answers a bad option with one sentence and exit code 2", async (context) => {
    const running = await nacreStart(context, ["--port=x"]);
    assert.deepEqual(await running.exit, [2, null]);
    assert.equal(running.text.err.trimEnd().split("\n").length, 1);
  });
});

/** Logs share stderr with the sentence and are JSON lines. */
function lastSentence(err: string): string {
  const lines = err.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
  assert.equal(lines.length, 1, err);
  return lines[0] ?? "";
}
