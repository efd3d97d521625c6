import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import type { Program } from "./builds.ts";
import { tail } from "./command.ts";
import type { Asked } from "./outside.ts";
import type { ScenarioName } from "./scenarios.ts";

export interface Outcome {
  readonly ok: boolean;
  readonly detail: string;
}

type Answer = (asked: Asked) => Promise<Readonly<Record<string, unknown>>>;

/**
 * A client program at work in a folder of its own: it runs its scenarios one after the other and reports each on a line
 * of JSON. A line `{"ask": …}` asks for something done from outside and is answered on a line of its standard input,
 * with `error` in it when it could not be done.
 */
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
    answer: Answer,
  ) {
    const [command, ...args] = program;
    this.#folder = folder;
    this.#child = spawn(command, [...args, ...servers, ...scenarios], {
      cwd: folder,
      // Clients keep snapshots and logs in the home folder.
      env: { ...process.env, HOME: folder },
      stdio: ["pipe", "pipe", "pipe"],
      // A group of its own: some clients start processes, which end with it in `stop`.
      detached: true,
    });
    this.#errors = tail(this.#child.stderr);
    for (const name of scenarios) {
      const outcome = Promise.withResolvers<Outcome>();
      // The test that waits for it may come later than the failure.
      outcome.promise.catch(() => undefined);
      this.#outcomes.set(name, outcome);
    }
    let rest = "";
    // Not readline: it ends lines at U+2028 too, which texts within JSON may hold.
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#hear(line, answer);
    });
    this.#child.on("error", (error) => this.#fail(error));
    this.#child.on("close", (code) => this.#fail(new Error(`the program ended with ${code}:\n${this.#errors()}`)));
  }

  /** @param answer called with what the program asks for. */
  static async start(
    program: Program,
    servers: readonly string[],
    scenarios: readonly ScenarioName[],
    answer: Answer,
  ): Promise<ProgramProcess> {
    const folder = await mkdtemp(join(tmpdir(), "nacre-interop-client-"));
    return new ProgramProcess(program, folder, servers, scenarios, answer);
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
    const gone =
      this.#child.exitCode === null && this.#child.signalCode === null ? once(this.#child, "exit") : undefined;
    try {
      if (this.#child.pid !== undefined) process.kill(-this.#child.pid, "SIGKILL");
    } catch {
      // Nothing of it is left.
    }
    await gone;
    await rm(this.#folder, { recursive: true, force: true });
  }

  #hear(line: string, answer: Answer): void {
    const said = parse(line);
    if (said === undefined) return;
    if ("ask" in said) {
      answer(said)
        .catch((error: unknown) => ({ error: String(error) }))
        .then((reply) => this.#child.stdin.write(`${JSON.stringify(reply)}\n`));
    } else {
      this.#outcomes.get(said.name)?.resolve({ ok: said.ok, detail: said.detail });
    }
  }

  #fail(error: unknown): void {
    for (const outcome of this.#outcomes.values()) outcome.reject(error);
  }
}

interface Reported extends Outcome {
  readonly name: string;
}

/** Clients print lines of their own between ours. */
function parse(line: string): Asked | Reported | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as Asked | Reported;
  } catch {
    return undefined;
  }
}
