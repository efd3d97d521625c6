import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { tail } from "../../interop/lib/command.ts";
import type { ServerName } from "./servers.ts";

const SERVE = join(import.meta.dirname, "../serve.ts");
const START_MAX_MS = 30_000;
const STOP_MAX_MS = 5_000;

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** Ports on 127.0.0.1 and the file of the authority that the TLS one is signed by. */
export interface Addresses {
  readonly plain: number;
  readonly tls: number;
  /** Takes compressed requests. */
  readonly gzip: number;
  /** Leads to `plain` and counts pings. */
  readonly pings: number;
  readonly caFile: string;
}

/** The test service in a process of its own. */
export class ServerProcess {
  readonly addresses: Addresses;
  readonly #child: Child;
  readonly #printed: () => string;

  private constructor(child: Child, addresses: Addresses, printed: () => string) {
    this.#child = child;
    this.addresses = addresses;
    this.#printed = printed;
  }

  static async start(name: ServerName): Promise<ServerProcess> {
    const child = spawn(process.execPath, [SERVE, "--server", name], { stdio: ["pipe", "pipe", "pipe"] });
    const printed = tail(child.stderr);
    const { promise, resolve, reject } = Promise.withResolvers<Addresses>();
    const tooLate = setTimeout(() => reject(new Error("the server is not ready in time")), START_MAX_MS);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}:\n${printed()}`)));
    createInterface({ input: child.stdout }).once("line", (line) => resolve(JSON.parse(line) as Addresses));
    try {
      return new ServerProcess(child, await promise, printed);
    } catch (failed) {
      child.kill("SIGKILL");
      throw failed;
    } finally {
      clearTimeout(tooLate);
    }
  }

  /** The end of what it wrote to standard error, and how it ended if it did. */
  get printed(): string {
    const { exitCode, signalCode } = this.#child;
    return `${this.#printed()}${exitCode === null && signalCode === null ? "" : `\nended with ${exitCode ?? signalCode}`}`;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    const kill = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MAX_MS);
    this.#child.stdin.end();
    await gone;
    clearTimeout(kill);
  }
}
