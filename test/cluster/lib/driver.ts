import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import type { Program } from "../../interop/lib/builds.ts";
import { tail } from "../../interop/lib/command.ts";
import { endsWithUs } from "./ends-with-us.ts";
import type { History, Host } from "./history.ts";

const READY_MAX_MS = 60_000;
/** Clients try for a while by themselves when no member answers. */
const ORDER_MAX_MS = 60_000;

/** What a program is told, on a line of its standard input. */
interface Order {
  readonly do: "register" | "deregister" | "subscribe" | "publish" | "listen";
  readonly service?: string;
  readonly ip?: string;
  readonly port?: number;
  readonly dataId?: string;
  readonly content?: string;
}

type Said =
  | { readonly ready: true }
  | { readonly done: number; readonly error?: string }
  | { readonly service: string; readonly hosts: readonly Host[] }
  | { readonly dataId: string; readonly content: string };

/**
 * An application on a real SDK, with the addresses of a whole cluster. It does what it is told, one order after the
 * other, and says what its subscriptions are shown; both as lines of JSON. All of it goes into a history.
 */
export class Driver {
  readonly name: string;
  /** What it was shown last of each configuration that it listens to. */
  readonly contents = new Map<string, string>();
  readonly #history: History;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #folder: string;
  readonly #errors: () => string;
  readonly #ready = Promise.withResolvers<void>();
  readonly #waiting = new Map<number, PromiseWithResolvers<void>>();
  readonly #registered = new Set<string>();
  #orders = 0;

  private constructor(name: string, program: Program, folder: string, addresses: readonly string[], history: History) {
    const [command, ...args] = program;
    this.name = name;
    this.#history = history;
    this.#folder = folder;
    this.#child = spawn(command, [...args, "drive", addresses.join(",")], {
      cwd: folder,
      // Clients keep snapshots and logs in the home folder.
      env: { ...process.env, HOME: folder },
      stdio: ["pipe", "pipe", "pipe"],
      // A group of its own: some clients start processes, which end with it.
      detached: true,
    });
    endsWithUs(this.#child);
    this.#errors = tail(this.#child.stderr);
    this.#child.stdin.on("error", () => {});
    let rest = "";
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#hear(line);
    });
    this.#child.on("error", (error) => this.#fail(error));
    this.#child.on("close", (code) => this.#fail(new Error(`${name} ended with ${code}:\n${this.#errors()}`)));
    this.#ready.promise.catch(() => {});
  }

  static async start(name: string, program: Program, addresses: readonly string[], history: History): Promise<Driver> {
    const folder = await mkdtemp(join(tmpdir(), "nacre-driver-"));
    const driver = new Driver(name, program, folder, addresses, history);
    try {
      await inTime(driver.#ready.promise, READY_MAX_MS, () => `${name} is not ready:\n${driver.#errors()}`);
      return driver;
    } catch (thrown) {
      await driver.kill();
      throw thrown;
    }
  }

  get errors(): string {
    return this.#errors();
  }

  async register(service: string, address: string): Promise<void> {
    await this.#tell({ do: "register", service, ...partsOf(address) });
    this.#registered.add(`${service} ${address}`);
    this.#history.add({ type: "registered", at: performance.now(), service, address });
  }

  async deregister(service: string, address: string): Promise<void> {
    await this.#tell({ do: "deregister", service, ...partsOf(address) });
    this.#registered.delete(`${service} ${address}`);
    this.#history.add({ type: "ended", at: performance.now(), service, address });
  }

  async subscribe(service: string): Promise<void> {
    await this.#tell({ do: "subscribe", service });
  }

  /** @throws Error when it was told that it is not done, or nothing. */
  async publish(dataId: string, content: string): Promise<void> {
    await this.#tell({ do: "publish", dataId, content });
  }

  async listen(dataId: string): Promise<void> {
    await this.#tell({ do: "listen", dataId });
  }

  /** Ends the application as a crash does: its machine closes its connections. */
  async kill(): Promise<void> {
    const isRunning = this.#child.exitCode === null && this.#child.signalCode === null;
    const gone = isRunning ? once(this.#child, "exit") : undefined;
    try {
      if (this.#child.pid !== undefined) process.kill(-this.#child.pid, "SIGKILL");
    } catch {
      // Nothing of it is left.
    }
    const at = performance.now();
    for (const each of this.#registered) {
      const [service = "", address = ""] = each.split(" ");
      this.#history.add({ type: "ended", at, service, address });
    }
    this.#registered.clear();
    this.#history.add({ type: "lost", at, viewer: this.name });
    await gone;
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #tell(order: Order): Promise<void> {
    const id = ++this.#orders;
    const waiting = Promise.withResolvers<void>();
    this.#waiting.set(id, waiting);
    this.#child.stdin.write(`${JSON.stringify({ id, ...order })}\n`);
    await inTime(waiting.promise, ORDER_MAX_MS, () => `${this.name}: no answer to ${JSON.stringify(order)}`);
  }

  #hear(line: string): void {
    const said = parse(line);
    if (said === undefined) return;
    if ("ready" in said) this.#ready.resolve();
    else if ("done" in said) {
      const waiting = this.#waiting.get(said.done);
      this.#waiting.delete(said.done);
      if (said.error === undefined) waiting?.resolve();
      else waiting?.reject(new Error(`${this.name}: ${said.error}`));
    } else if ("dataId" in said) this.contents.set(said.dataId, said.content);
    else this.#history.add({ type: "view", at: performance.now(), viewer: this.name, ...said });
  }

  #fail(error: unknown): void {
    this.#ready.reject(error);
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}

export function partsOf(address: string): { ip: string; port: number } {
  const colon = address.lastIndexOf(":");
  return { ip: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}

/** Clients print lines of their own between ours. */
function parse(line: string): Said | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const said = JSON.parse(line) as Said;
    return "ready" in said || "done" in said || "dataId" in said || ("service" in said && Array.isArray(said.hosts))
      ? said
      : undefined;
  } catch {
    return undefined;
  }
}

/** @throws Error with the sentence when the promise takes longer. */
export async function inTime<T>(promise: Promise<T>, maxMs: number, sentence: () => string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${sentence()} (within ${maxMs} ms)`)), maxMs);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
