import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import type { Program } from "./builds.ts";
import { tail } from "./command.ts";
import type { ScenarioName } from "./scenarios.ts";

export interface Outcome {
  readonly ok: boolean;
  readonly detail: string;
}

/** A client program at work in a folder of its own: it runs its scenarios one after the other and reports each. */
export class ProgramProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #folder: string;
  readonly #outcomes = new Map<string, PromiseWithResolvers<Outcome>>();
  readonly #errors: () => string;

  private constructor(
    program: Program,
    folder: string,
    servers: readonly string[],
    scenarios: readonly ScenarioName[],
    restart: () => Promise<void>,
  ) {
    const [command, ...args] = program;
    this.#folder = folder;
    this.#child = spawn(command, [...args, ...servers, ...scenarios], {
      cwd: folder,
      // Clients keep snapshots and logs in the home folder.
      env: { ...process.env, HOME: folder },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#errors = tail(this.#child.stderr);
    for (const name of scenarios) {
      const outcome = Promise.withResolvers<Outcome>();
      // The test that waits for it may come later than the failure.
      outcome.promise.catch(() => undefined);
      this.#outcomes.set(name, outcome);
    }
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#hear(line, restart));
    this.#child.on("error", (error) => this.#fail(error));
    this.#child.on("close", (code) => this.#fail(new Error(`the program ended with ${code}:\n${this.#errors()}`)));
  }

  /** @param restart called when the program asks to have the server killed and started again. */
  static async start(
    program: Program,
    servers: readonly string[],
    scenarios: readonly ScenarioName[],
    restart: () => Promise<void>,
  ): Promise<ProgramProcess> {
    const folder = await mkdtemp(join(tmpdir(), "nacre-interop-client-"));
    return new ProgramProcess(program, folder, servers, scenarios, restart);
  }

  /** The end of what it wrote to standard error. */
  get errors(): string {
    return this.#errors();
  }

  async outcome(name: ScenarioName): Promise<Outcome> {
    const outcome = this.#outcomes.get(name);
    if (outcome === undefined) throw new Error(`${name} was not asked for`);
    return outcome.promise;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = once(this.#child, "exit");
      this.#child.kill("SIGKILL");
      await gone;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }

  #hear(line: string, restart: () => Promise<void>): void {
    const said = parse(line);
    if (said?.ask === "restart") {
      restart().then(
        () => this.#child.stdin.write("restarted\n"),
        (error: unknown) => this.#fail(error),
      );
    } else if (said?.name !== undefined) {
      this.#outcomes.get(said.name)?.resolve({ ok: said.ok === true, detail: said.detail ?? "" });
    }
  }

  #fail(error: unknown): void {
    for (const outcome of this.#outcomes.values()) outcome.reject(error);
  }
}

interface Said {
  readonly ask?: string;
  readonly name?: string;
  readonly ok?: boolean;
  readonly detail?: string;
}

/** Clients print lines of their own between ours. */
function parse(line: string): Said | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as Said;
  } catch {
    return undefined;
  }
}
