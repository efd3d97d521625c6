/** HTTP/2 clients that know nothing of gRPC. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { missingCommand } from "../../interop/lib/command.ts";
import { SERVICE } from "../echo-service.ts";
import type { Addresses } from "./server-process.ts";

export interface ToolTest {
  readonly name: string;
  readonly missing: () => string | undefined;
  run(at: Addresses): Promise<void>;
}

const GRPC = ["-H", "content-type: application/grpc", "-H", "te: trailers"];
const H2LOAD_CALLS = 5_000;

const curl = () => missingCommand([["curl", "--version"]]);
const h2load = () => missingCommand([["h2load", "--version"]]);

export const TOOL_TESTS: readonly ToolTest[] = [
  {
    name: "curl: a call with prior knowledge of HTTP/2",
    missing: curl,
    run: (at) => calls(["--http2-prior-knowledge", `http://127.0.0.1:${at.plain}/${SERVICE}/Echo`]),
  },
  {
    name: "curl: a call over TLS, HTTP/2 chosen by ALPN",
    missing: curl,
    run: (at) => calls(["--http2", "--cacert", at.caFile, `https://localhost:${at.tls}/${SERVICE}/Echo`]),
  },
  {
    name: "curl: a deadline that the client leaves to the server",
    missing: curl,
    async run(at) {
      const words = [
        "--http2-prior-knowledge",
        "-H",
        "grpc-timeout: 200m",
        `http://127.0.0.1:${at.plain}/${SERVICE}/Hang`,
      ];
      const { head } = await curlCall(words, "curl deadline");
      assert.match(head, /^grpc-status: 4\r?$/m);
    },
  },
  {
    name: "curl: a request that is no call",
    missing: curl,
    async run(at) {
      const url = `http://127.0.0.1:${at.plain}/`;
      const words = ["-sS", "-m", "10", "--http2-prior-knowledge", "-w", "\n%{http_version} %{http_code}", url];
      assert.match(await run("curl", words), /\n2 4\d\d$/);
    },
  },
  {
    name: "h2load: 10 connections, 20 calls at once on each",
    missing: h2load,
    run: (at) => load(`http://127.0.0.1:${at.plain}`),
  },
  { name: "h2load: the same over TLS", missing: h2load, run: (at) => load(`https://127.0.0.1:${at.tls}`) },
];

async function calls(words: readonly string[]): Promise<void> {
  const { head, body } = await curlCall(words, "hello");
  assert.deepEqual(body, framed("hello"));
  assert.match(head, /^HTTP\/2 200/);
  assert.match(head, /^grpc-status: 0\r?$/m);
}

/** @returns the fields, trailing ones too, and the messages in their frames. */
async function curlCall(words: readonly string[], message: string): Promise<{ head: string; body: Buffer }> {
  return withMessage(message, async (file, folder) => {
    const [head, body] = [join(folder, "head"), join(folder, "body")];
    await writeFile(body, "");
    await run("curl", ["-sS", "-m", "10", ...GRPC, "--data-binary", `@${file}`, "-D", head, "-o", body, ...words]);
    return { head: await readFile(head, "utf8"), body: await readFile(body) };
  });
}

async function load(origin: string): Promise<void> {
  const printed = await withMessage("x".repeat(100), (file) => {
    const amount = ["-n", String(H2LOAD_CALLS), "-c", "10", "-m", "20", "-d", file];
    return run("h2load", [...amount, ...GRPC, `${origin}/${SERVICE}/Echo`]);
  });
  assert.match(printed, new RegExp(`${H2LOAD_CALLS} succeeded, 0 failed, 0 errored, 0 timeout`), printed);
  assert.match(printed, new RegExp(`status codes: ${H2LOAD_CALLS} 2xx`), printed);
}

async function withMessage<T>(text: string, use: (file: string, folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "nacre-grpc-tool-"));
  try {
    const file = join(folder, "message");
    await writeFile(file, framed(text));
    return await use(file, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A gRPC message: not compressed, its length, its bytes. */
function framed(text: string): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(Buffer.byteLength(text), 1);
  return Buffer.concat([head, Buffer.from(text)]);
}

/** What the command printed to standard output, which is gathered whole: it is short. */
async function run(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  let [printed, errors] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const [code] = await once(child, "close");
  assert.equal(code, 0, `${command} ended with ${code}: ${printed}${errors}`);
  return printed;
}
