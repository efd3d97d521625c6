import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Remote } from "./remote.ts";
import type { Memory } from "./vitals.ts";

const MAIN = fileURLToPath(new URL("../../packages/cli/bin/nacre.mjs", import.meta.url));
const PROBE = new URL("./probe.ts", import.meta.url).href;
const START_MAX_MS = 30_000;

export interface ServerFlags {
  /** False: nothing but the command itself, so that start and memory are those of a user's server. */
  readonly probe?: boolean;
  readonly flags?: readonly string[];
  readonly nodeFlags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A data folder that stays; absent: one of its own, gone with the server. */
  readonly data?: string;
}

/** `nacre start` in a process of its own, on the loopback and free ports. */
export class ServerProcess {
  readonly httpPort: number;
  readonly grpcPort: number;
  /** From spawning the process to its line "Ready", in milliseconds. */
  readonly readyMs: number;
  readonly #remote: Remote;
  readonly #folder: string | undefined;

  private constructor(ports: { http: number; grpc: number }, readyMs: number, remote: Remote, folder?: string) {
    this.httpPort = ports.http;
    this.grpcPort = ports.grpc;
    this.readyMs = readyMs;
    this.#remote = remote;
    this.#folder = folder;
  }

  static async start(given: ServerFlags = {}): Promise<ServerProcess> {
    const { probe = true, flags = [], nodeFlags = [], env = {}, data } = given;
    const folder = data === undefined ? await mkdtemp(join(tmpdir(), "nacre-bench-")) : undefined;
    const node = [...nodeFlags, ...(probe ? ["--expose-gc", "--import", PROBE] : [])];
    const words = ["start", "--port=0", "--bind=127.0.0.1", `--data=${data ?? folder}`, "--nacre.log.level=warn"];
    const stdio = ["ignore", "pipe", "inherit", ...(probe ? (["ipc"] as const) : [])] as const;
    const startedAt = performance.now();
    const child = spawn(process.execPath, [...node, MAIN, ...words, ...flags], {
      stdio: [...stdio],
      serialization: "advanced",
      env: { ...process.env, ...env },
    });
    const remote = new Remote(child);
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    const ports = { http: 0, grpc: 0 };
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const tooLate = setTimeout(() => reject(new Error("the server is not ready in time")), START_MAX_MS);
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
    lines.on("line", (line) => {
      ports.http ||= Number(/^ {2}HTTP +\S+:(\d+)/.exec(line)?.[1] ?? 0);
      ports.grpc ||= Number(/^ {2}gRPC +port (\d+)/.exec(line)?.[1] ?? 0);
      if (line.startsWith("Ready")) resolve(performance.now() - startedAt);
    });
    try {
      return new ServerProcess(ports, await promise, remote, folder);
    } catch (thrown) {
      await remote.end();
      throw thrown;
    } finally {
      clearTimeout(tooLate);
    }
  }

  get pid(): number {
    return this.#remote.child.pid ?? 0;
  }

  cpuMs(): Promise<number> {
    return this.#remote.call("cpu");
  }

  /** After forced collections. */
  memory(): Promise<Memory> {
    return this.#remote.call("memory");
  }

  watchLoop(): Promise<void> {
    return this.#remote.call("watchLoop");
  }

  loopHoldMs(): Promise<number> {
    return this.#remote.call("loopHold");
  }

  turnCpuMs(): Promise<number> {
    return this.#remote.call("turnCpu");
  }

  /** As the system counts it, nothing forced. Bytes: all, and the part that is not shared with files. */
  async residentBytes(): Promise<{ readonly all: number; readonly anonymous: number }> {
    const status = await readFile(`/proc/${this.pid}/status`, "utf8");
    const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0);
    return { all: kib("VmRSS") * 1024, anonymous: kib("RssAnon") * 1024 };
  }

  /** A clean stop, so that what is written is complete. */
  async stop(): Promise<void> {
    const { child } = this.#remote;
    const gone = once(child, "exit");
    child.kill("SIGTERM");
    const killed = setTimeout(() => child.kill("SIGKILL"), 10_000);
    await gone;
    clearTimeout(killed);
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true });
  }
}
