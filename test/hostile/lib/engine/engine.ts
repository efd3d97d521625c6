import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { GrpcLimits, ServerOptions } from "@nacre/grpc";

/** What the server process says of itself. */
export interface State {
  readonly connections: number;
  /** Calls of `Hold` that run, and that have ended. */
  readonly held: number;
  readonly cancelled: number;
  readonly watchers: number;
  readonly usedBytes: number;
  readonly rssBytes: number;
  /** The most since the last question. */
  readonly rssMaxBytes: number;
}

/** What a well-behaved client saw since the last question. */
export interface Service {
  readonly calls: number;
  readonly medianMs: number;
  readonly worstMs: number;
  readonly failures: readonly string[];
}

export type EngineOptions = Partial<Omit<ServerOptions, "methods" | "limits">> & {
  readonly limits?: Partial<GrpcLimits>;
};

export interface Bounds {
  /** How far the memory of the process may rise while the attack goes on. */
  readonly rssGrowthMaxBytes?: number;
  /** What may be left of the heap's growth afterwards. */
  readonly leftMaxBytes?: number;
}

export const MEBIBYTE = 1024 * 1024;
/** Catches a loop that stands still, not a machine that is busy. */
const WORST_CALL_MS = 2000;
const RSS_GROWTH_MAX_BYTES = 192 * MEBIBYTE;
/** What may be left afterwards, after a garbage collection: code that was compiled, caches of Node. */
const LEFT_MAX_BYTES = 16 * MEBIBYTE;
/** Whoever is to be gone is gone by then. */
const GONE_MS = 15_000;

/** The engine under attack in a process of its own, and a well-behaved client of it in another one. */
export class Engine {
  readonly port: number;
  readonly #server: ChildProcess;
  readonly #bystander: ChildProcess | undefined;

  private constructor(port: number, server: ChildProcess, bystander?: ChildProcess) {
    this.port = port;
    this.#server = server;
    this.#bystander = bystander;
  }

  /** The engine without a client of ours. */
  static async alone(options: EngineOptions = {}): Promise<Engine> {
    const server = start("server.fixture.ts", [JSON.stringify(options)]);
    const { port } = (await said(server)) as { port: number };
    return new Engine(port, server);
  }

  static async start(options: EngineOptions = {}, ca?: string): Promise<Engine> {
    const server = start("server.fixture.ts", [JSON.stringify(options)]);
    const { port } = (await said(server)) as { port: number };
    const bystander = start("bystander.fixture.ts", [String(port), "grpc", ...(ca === undefined ? [] : [ca])]);
    await said(bystander);
    return new Engine(port, server, bystander);
  }

  /** In the place of the engine a socket of Node that gives back what it reads: what Node itself does to others. */
  static async socket(): Promise<Engine> {
    const server = start("socket.fixture.ts", []);
    const { port } = (await said(server)) as { port: number };
    const bystander = start("bystander.fixture.ts", [String(port), "socket"]);
    await said(bystander);
    return new Engine(port, server, bystander);
  }

  state(): Promise<State> {
    return this.#ask({ what: "state" });
  }

  /** After a garbage collection. */
  settled(): Promise<State> {
    return this.#ask({ what: "collect" });
  }

  /** Sends one message of so many bytes to all calls of `Watch`. */
  async fanOut(bytes: number): Promise<void> {
    await this.#ask({ what: "fan-out", bytes });
  }

  /** How the bystander was served since it was asked last. */
  async service(): Promise<Service> {
    assert.ok(this.#bystander, "nobody calls an engine that is alone");
    this.#bystander.send("report");
    return (await said(this.#bystander)) as Service;
  }

  /** Waits until the server is in such a state. @throws when that takes too long. */
  async reaches(wanted: string, condition: (state: State) => boolean): Promise<State> {
    const until = performance.now() + GONE_MS;
    for (;;) {
      const state = await this.state();
      if (condition(state)) return state;
      assert.ok(performance.now() < until, `the server does not come to ${wanted}: ${JSON.stringify(state)}`);
    }
  }

  /** Waits until nobody but the bystander is connected. */
  idle(): Promise<State> {
    return this.reaches("one connection and no calls", ({ connections, held, watchers }) => {
      return connections === 1 && held === 0 && watchers === 0;
    });
  }

  /** Attacks, and checks that others were served, memory was bounded and nothing is left. */
  async survives(t: TestContext, attack: () => Promise<unknown>, bounds: Bounds = {}): Promise<void> {
    await this.service();
    const before = await this.settled();
    const startedAt = performance.now();
    await attack();
    const tookMs = performance.now() - startedAt;
    const service = await this.service();
    const during = await this.state();
    await this.idle();
    const after = await this.settled();
    const rssGrowth = Math.max(during.rssMaxBytes, after.rssMaxBytes) - before.rssBytes;
    t.diagnostic(
      `${ms(tookMs)}; others: ${service.calls} calls, median ${ms(service.medianMs)}, worst ${ms(service.worstMs)}; ` +
        `rss +${mib(rssGrowth)}, left ${mib(after.usedBytes - before.usedBytes)}`,
    );
    assert.deepEqual(service.failures, []);
    assert.ok(service.worstMs < WORST_CALL_MS, `a call of another client took ${ms(service.worstMs)}`);
    const growthMax = bounds.rssGrowthMaxBytes ?? RSS_GROWTH_MAX_BYTES;
    assert.ok(rssGrowth < growthMax, `the process grew by ${mib(rssGrowth)}`);
    const left = after.usedBytes - before.usedBytes;
    assert.ok(left < (bounds.leftMaxBytes ?? LEFT_MAX_BYTES), `${mib(left)} are left over`);
  }

  async stop(): Promise<void> {
    for (const child of [this.#bystander, this.#server]) {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) continue;
      const gone = once(child, "exit");
      child.disconnect();
      await gone;
    }
  }

  async #ask(question: object): Promise<State> {
    this.#server.send(question);
    return (await said(this.#server)) as State;
  }
}

const ms = (value: number): string => `${value < 10 ? value.toFixed(2) : Math.round(value)} ms`;
const mib = (bytes: number): string => `${(bytes / MEBIBYTE).toFixed(1)} MiB`;

function start(file: string, args: readonly string[]): ChildProcess {
  return fork(join(import.meta.dirname, file), args, {
    execArgv: ["--expose-gc"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
}

/** The next message of a process. @throws when it ends instead. */
async function said(child: ChildProcess): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const ended = (code: number | null, signal: string | null): void => {
    reject(new Error(`the process under attack has ended with ${code ?? signal}`));
  };
  child.once("exit", ended);
  child.once("message", resolve);
  try {
    if (child.exitCode !== null || child.signalCode !== null) ended(child.exitCode, child.signalCode);
    return await promise;
  } finally {
    child.off("exit", ended);
    child.off("message", resolve);
  }
}
