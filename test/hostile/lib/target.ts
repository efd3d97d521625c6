import assert from "node:assert/strict";
import { type ChildProcessByStdio, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { Options } from "../../../packages/server/src/index.ts";
import { Bystander } from "./bystander.ts";

/** What an attack may leave behind: the caches and tables that it fills stay within their bounds. */
const GROWTH_MAX_BYTES = 48 * 1024 * 1024;
/** The machine may be busy with the attack itself; a server that stands still for longer is held up by it. */
const SLOWEST_ROUND_MS = 5000;

type Forked = ReturnType<typeof fork> & ChildProcessByStdio<null, Readable, Readable>;

/** A server in a process of its own, so that its memory and its pauses are not those of the attacker. */
export class Target {
  httpPort = 0;
  grpcPort = 0;
  /** Everything it wrote. At log level `error` that is what nobody foresaw. */
  printed = "";
  readonly #child: Forked;

  private constructor(child: Forked) {
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => {
        this.printed += chunk;
      });
  }

  static async start(options: Partial<Options> = {}): Promise<Target> {
    const given = JSON.stringify({ logLevel: "error", consolePort: -1, ...options });
    const child = fork(join(import.meta.dirname, "server.fixture.ts"), [given], {
      execArgv: ["--expose-gc"],
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    const target = new Target(child as Forked);
    const failed = once(child, "exit").then(() => {
      throw new Error(`the server did not start: ${target.printed}`);
    });
    const [ports] = await Promise.race([once(child, "message"), failed]);
    failed.catch(() => {});
    return Object.assign(target, ports as { httpPort: number; grpcPort: number });
  }

  get url(): string {
    return `http://127.0.0.1:${this.httpPort}/nacos`;
  }

  /** Bytes in use after a garbage collection. */
  async heapBytes(): Promise<number> {
    assert.equal(this.#child.exitCode, null, `the server has ended: ${this.printed}`);
    const answer = once(this.#child, "message");
    this.#child.send("heap");
    const [{ heapBytes }] = (await answer) as [{ heapBytes: number }];
    return heapBytes;
  }

  /** Resolves when what it wrote matches. */
  async prints(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.printed)) await once(this.#child.stderr, "data");
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.disconnect();
    await gone;
  }

  /**
   * Attacks while a well-behaved client works on. Afterwards that client is still served, nothing unforeseen was logged,
   * and the memory is what it was, but for what bounded tables keep.
   */
  async survives(attack: (bystander: Bystander) => Promise<void>, growthMaxBytes = GROWTH_MAX_BYTES): Promise<void> {
    const bystander = await Bystander.start(this.grpcPort);
    // The first rounds compile the paths that the later ones are measured on.
    for (let warm = 0; warm < 3; warm++) await bystander.round();
    const before = await this.heapBytes();
    let over = false;
    const attacked = attack(bystander).finally(() => {
      over = true;
    });
    const [slowestMs] = await Promise.all([bystander.roundsUntil(() => over), attacked]);
    await bystander.round();
    bystander.close();
    const grown = (await this.heapBytes()) - before;
    assert.ok(grown < growthMaxBytes, `the heap grew by ${Math.round(grown / 1024 / 1024)} MiB`);
    assert.ok(slowestMs < SLOWEST_ROUND_MS, `the bystander waited ${Math.round(slowestMs)} ms`);
    assert.doesNotMatch(this.printed, /"level":"(error|fatal)"|^\s+at /m);
  }
}
