import { fork } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { Remote } from "../../lib/remote.ts";
import type { Memory } from "../../lib/vitals.ts";
import type { Certificate, Reading } from "../servers/harness.ts";
import type { Runtime } from "./runtimes.ts";

export const SERVERS = ["grpc-js", "http2", "engine"] as const;
/** Measured beside them where it says what the machine takes of each. */
export const SOCKET = "socket";
export type ServerName = (typeof SERVERS)[number] | typeof SOCKET;

/** Which server is measured, and on what. */
export interface Subject {
  readonly server: ServerName;
  readonly runtime: Runtime;
}

/** One of the measured servers in a process of its own. */
export class EchoServer {
  readonly port: number;
  readonly #remote: Remote;

  private constructor(remote: Remote, port: number) {
    this.#remote = remote;
    this.port = port;
  }

  static async start({ server, runtime }: Subject, certificate?: Certificate): Promise<EchoServer> {
    const child = fork(new URL(`../servers/${server}.ts`, import.meta.url), {
      execPath: runtime.path,
      // Node 22 and 24 say that reading TypeScript is an experiment.
      execArgv: ["--expose-gc", "--disable-warning=ExperimentalWarning"],
    });
    const remote = new Remote(child);
    try {
      return new EchoServer(remote, await remote.call<number>("listen", certificate));
    } catch (thrown) {
      await remote.end();
      throw new Error(`the server ${server} does not start on Node ${runtime.version}`, { cause: thrown });
    }
  }

  read(): Promise<Reading> {
    return this.#remote.call("read");
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

  /** Orders a message of this size on every open stream; resolves when the server has handed over the last one. */
  fanOut(bytes: number): Promise<void> {
    return this.#remote.call("fanOut", bytes);
  }

  /** From now on `peakBytes` counts anew. */
  async forgetPeak(): Promise<void> {
    await writeFile(`/proc/${this.#remote.child.pid}/clear_refs`, "5").catch(() => {});
  }

  /** The largest resident set, as the system saw it; not a number where it does not say. */
  async peakBytes(): Promise<number> {
    const status = await readFile(`/proc/${this.#remote.child.pid}/status`, "utf8").catch(() => "");
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) * 1024;
  }

  end(): Promise<void> {
    return this.#remote.end();
  }
}
