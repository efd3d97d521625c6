import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { newAuthority } from "@nacre/testkit/certificates";
import { RegistryClient } from "@nacre/testkit/registry-client";
import { nacre } from "./run.fixture.ts";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));
const STOP_MAX_MS = 15_000;

interface Running {
  readonly child: ChildProcess;
  readonly text: { out: string; err: string };
  readonly exit: Promise<unknown[]>;
  readonly printed: (pattern: RegExp) => Promise<void>;
}

/** The real command in a process and a folder of its own. Whatever the test leaves running is ended with it. */
async function nacreStart(context: TestContext, args: string[], script?: "npm script"): Promise<Running> {
  const folder = await mkdtemp(join(tmpdir(), "nacre-cli-"));
  const env = { PATH: process.env.PATH ?? "", ...(script && { npm_lifecycle_event: "start" }) };
  const argv = [MAIN, "start", "--bind=127.0.0.1", `--data=${join(folder, "data")}`, ...args];
  // As npm does it, with a shell in between that does not become the server.
  const [file, words] = script
    ? ["sh", ["-c", '"$0" "$@"; exit $?', process.execPath, ...argv]]
    : [process.execPath, argv];
  const child = spawn(file, words, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
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

  test("ends with 0 when it is ordered to stop from its own machine", async (context) => {
    const running = await nacreStart(context, ["--port=0"]);
    await running.printed(/^Ready after \d+ ms\.$/m);
    const url = /HTTP {5}(http:\S+)/.exec(running.text.out)?.[1] ?? assert.fail(running.text.out);
    const ordered = await nacre(["stop", "--server", url]);
    assert.equal(ordered.code, 0, ordered.err);
    assert.deepEqual(await running.exit, [0, null], running.text.err);
    assert.match(running.text.out, /^Stopping: an operator ordered it to stop\.$/m);
  });

  test("that npm has started stops when the shell between them is gone", async (context) => {
    const running = await nacreStart(context, ["--port=0"], "npm script");
    await running.printed(/^Ready after \d+ ms\.$/m);
    running.child.kill("SIGTERM");
    // The pipes close when the server has ended too.
    await running.exit;
    assert.match(running.text.out, /^Stopping on SIGTERM\.$/m);
  });

  test("answers a gRPC port in use with the option that names it", async (context) => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    context.after(() => other.close());
    const address = other.address();
    assert.ok(address !== null && typeof address === "object");
    const running = await nacreStart(context, ["--port=0", `--nacre.grpc.port=${address.port}`]);
    assert.deepEqual(await running.exit, [1, null]);
    assert.match(lastSentence(running.text.err), /choose another port with --nacre\.grpc\.port\.$/);
  });

  test("answers a certificate and a key that do not belong together with one sentence and exit code 1", async (context) => {
    const folder = await mkdtemp(join(tmpdir(), "nacre-cli-tls-"));
    context.after(() => rm(folder, { recursive: true }));
    const [one, two] = [newAuthority().issue("server"), newAuthority().issue("server")];
    await writeFile(join(folder, "cert.pem"), one.cert);
    await writeFile(join(folder, "key.pem"), two.key);
    const tls = { enableTls: "true", certChainFile: join(folder, "cert.pem"), certPrivateKey: join(folder, "key.pem") };
    const flags = Object.entries(tls).map(([name, value]) => `--nacos.remote.server.rpc.tls.${name}=${value}`);
    const running = await nacreStart(context, ["--port=0", ...flags]);
    assert.deepEqual(await running.exit, [1, null]);
    assert.match(lastSentence(running.text.err), /^TLS cannot use .*cert\.pem, .*key\.pem: .*; correct nacos\.remote/);
  });

  test("answers a main port in use with one sentence and exit code 1", async (context) => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    context.after(() => other.close());
    const address = other.address();
    assert.ok(address !== null && typeof address === "object");
    const running = await nacreStart(context, [`--port=${address.port}`, "--nacre.grpc.port=0"]);
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

  test("answers a data folder where nothing can be made with one sentence and exit code 1", async (context) => {
    if (process.platform !== "linux") return;
    const running = await nacreStart(context, ["--port=0", "--data=/proc/nacre/data"]);
    assert.deepEqual(await running.exit, [1, null]);
    assert.match(
      lastSentence(running.text.err),
      /\/proc\/nacre\/data cannot be made or written \(ENOENT\): choose another folder/,
    );
  });

  test("answers a bad option with one sentence and exit code 2", async (context) => {
    const running = await nacreStart(context, ["--port=x"]);
    assert.deepEqual(await running.exit, [2, null]);
    assert.equal(running.text.err.trimEnd().split("\n").length, 1);
  });

  test("answers a gRPC port in use with one sentence that says where the port comes from, and exit code 1", async (context) => {
    const taken = await nacreStart(context, ["--port=0"]);
    await taken.printed(/^Ready/m);
    const grpcPort = Number(/gRPC {5}port (\d+)/.exec(taken.text.out)?.[1]);
    const running = await nacreStart(context, ["--port=0", `--nacre.grpc.port=${grpcPort}`]);
    assert.deepEqual(await running.exit, [1, null]);
    assert.match(lastSentence(running.text.err), new RegExp(`^Port ${grpcPort}.* is in use by another process; `));
  });

  test("answers a data folder that another process holds with one sentence and exit code 1", async (context) => {
    const folder = await mkdtemp(join(tmpdir(), "nacre-cli-"));
    context.after(() => rm(folder, { recursive: true, force: true }));
    const first = await nacreStart(context, ["--port=0", `--data=${folder}`]);
    await first.printed(/^Ready/m);
    const second = await nacreStart(context, ["--port=0", `--data=${folder}`]);
    assert.deepEqual(await second.exit, [1, null]);
    assert.match(lastSentence(second.text.err), /is in use by another process/);
    first.child.kill("SIGKILL");
    await first.exit;
    const third = await nacreStart(context, ["--port=0", `--data=${folder}`]);
    await third.printed(/^Ready/m);
  });

  test("answers a data folder that cannot be made with one sentence and exit code 1", async (context) => {
    const folder = await mkdtemp(join(tmpdir(), "nacre-cli-"));
    context.after(() => rm(folder, { recursive: true, force: true }));
    await writeFile(join(folder, "file"), "");
    // A file in the way stops every user; a folder without write access does not stop root.
    const running = await nacreStart(context, ["--port=0", `--data=${join(folder, "file", "below")}`]);
    assert.deepEqual(await running.exit, [1, null]);
    assert.match(lastSentence(running.text.err), /file.*below/);
  });

  test("exits 0 within 15 s of SIGTERM although clients hold on to every kind of connection", async (context) => {
    const running = await nacreStart(context, ["--port=0"]);
    await running.printed(/^Ready/m);
    const { httpPort, grpcPort } = portsOf(running);
    const client = await RegistryClient.connect(grpcPort);
    context.after(() => client.close());
    await held(context, httpPort, "GET /nacos/v1/console/health/liveness HTTP/1.1\r\nHost: a\r\n\r\n");
    await held(context, httpPort, "POST /nacos/v1/ns/instance HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
    await held(context, httpPort, "GET /nac");
    const unread = "GET /nacos/actuator/prometheus HTTP/1.1\r\nHost: a\r\n\r\n".repeat(5000);
    await held(context, httpPort, unread, false);
    await held(context, grpcPort, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    await held(context, grpcPort, "");
    const signalledAt = performance.now();
    running.child.kill("SIGTERM");
    assert.deepEqual(await running.exit, [0, null], running.text.err);
    assert.ok(performance.now() - signalledAt < STOP_MAX_MS);
  });

  test("leaves at once with 130 on a second SIGINT while it waits for clients", async (context) => {
    const running = await nacreStart(context, ["--port=0"]);
    await running.printed(/^Ready/m);
    await held(context, portsOf(running).grpcPort, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    running.child.kill("SIGINT");
    await running.printed(/^Stopping on SIGINT/m);
    // Two signals in quick succession are one keypress, which npm and the terminal each pass on.
    const again = setInterval(() => running.child.kill("SIGINT"), 100);
    context.after(() => clearInterval(again));
    const signalledAt = performance.now();
    assert.deepEqual(await running.exit, [130, null], running.text.err);
    assert.ok(performance.now() - signalledAt < 5000);
  });
});

function portsOf({ text }: Running): { httpPort: number; grpcPort: number } {
  return {
    httpPort: Number(/HTTP {5}http:\/\/[^:]+:(\d+)/.exec(text.out)?.[1]),
    grpcPort: Number(/gRPC {5}port (\d+)/.exec(text.out)?.[1]),
  };
}

/** A connection whose client writes this, perhaps reads what comes back, and never ends its half. */
async function held(context: TestContext, port: number, bytes: string, reads = true): Promise<void> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true }).on("error", () => {});
  context.after(() => socket.destroy());
  await once(socket, "connect");
  if (reads) socket.resume();
  socket.write(bytes);
}

/** Logs share stderr with the sentence and are JSON lines. */
function lastSentence(err: string): string {
  const lines = err.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
  assert.equal(lines.length, 1, err);
  return lines[0] ?? "";
}
