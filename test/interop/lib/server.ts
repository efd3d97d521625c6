import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { tail } from "./command.ts";
import type { Served } from "./served.ts";

const MAIN = join(import.meta.dirname, "../../../packages/cli/src/main.ts");
const START_MAX_MS = 30_000;
/** Below the range from which systems draw the ports of outgoing connections. */
const PORT_MIN = 20_000;
const PORT_MAX = 30_000;

/** A server alone, in a process of its own, on ports and in a folder that it keeps when it is killed and started again. */
export class ServerProcess implements Served {
  readonly port: number;
  readonly #folder: string;
  readonly #flags: readonly string[];
  #child: ChildProcess | undefined;
  #printed: () => string = () => "";

  private constructor(port: number, folder: string, flags: readonly string[]) {
    this.port = port;
    this.#folder = folder;
    this.#flags = flags;
  }

  static async start(...flags: string[]): Promise<ServerProcess> {
    const folder = await mkdtemp(join(tmpdir(), "nacre-interop-"));
    const server = new ServerProcess(await freePort(), folder, flags);
    try {
      await server.#run();
    } catch (failed) {
      await server.stop();
      throw failed;
    }
    return server;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get addresses(): string {
    return this.address;
  }

  async settled(): Promise<void> {}

  /** The end of what the server printed. */
  get printed(): string {
    return this.#printed();
  }

  /** Kills the server as a power cut would and starts it again. */
  async killAndRestart(): Promise<void> {
    await this.#kill();
    await this.#run();
  }

  async stop(): Promise<void> {
    await this.#kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #run(): Promise<void> {
    const ports = ["--port", String(this.port), "--bind", "127.0.0.1", "--nacos.console.port", "-1"];
    const words = ["start", ...ports, "--data", this.#folder];
    const child = spawn(process.execPath, [MAIN, ...words, ...this.#flags], { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    this.#printed = tail(child.stdout, child.stderr);
    const lines = createInterface({ input: child.stdout });
    const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
    const tooLate = setTimeout(() => reject(new Error("the server is not ready in time")), START_MAX_MS);
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}:\n${this.#printed()}`)));
    lines.on("line", (line) => line.startsWith("Ready") && resolve());
    try {
      await ready;
    } finally {
      clearTimeout(tooLate);
    }
  }

  async #kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }
}

/** A port that is free, with those that the server derives from it: 1000 and 1001 above. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
    const free = await Promise.all([port, port + 1000, port + 1001].map(isFree));
    if (free.every(Boolean)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer()
    .once("error", () => resolve(false))
    .listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  return promise;
}
