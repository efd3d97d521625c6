import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Program } from "../../interop/lib/builds.ts";
import { tail } from "../../interop/lib/command.ts";
import type { ScenarioName } from "./scenarios.ts";
import type { Addresses } from "./server-process.ts";

export interface Outcome {
  readonly ok: boolean;
  readonly reason: string;
}

/** A client program at work: it runs its scenarios one after the other and says a line for each. */
export class ClientProcess {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #outcomes = new Map<string, PromiseWithResolvers<Outcome>>();
  readonly #errors: () => string;

  private constructor(program: Program, folder: string, at: Addresses, scenarios: readonly ScenarioName[]) {
    const [command, ...args] = program;
    // Not all clients take an address in the place of the name in a certificate.
    const servers = [`127.0.0.1:${at.plain}`, `localhost:${at.tls}`, `127.0.0.1:${at.gzip}`, `127.0.0.1:${at.pings}`];
    this.#folder = folder;
    const child = spawn(command, [...args, ...servers, at.caFile, ...scenarios], {
      cwd: folder,
      env: { ...process.env, HOME: folder, PYTHONUTF8: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    this.#errors = tail(child.stderr);
    for (const name of scenarios) {
      const outcome = Promise.withResolvers<Outcome>();
      // The test that waits for it may come later than the failure.
      outcome.promise.catch(() => undefined);
      this.#outcomes.set(name, outcome);
    }
    createInterface({ input: child.stdout }).on("line", (line) => {
      const [, not, name = "", reason = ""] = /^(not )?ok (\S+) ?(.*)$/.exec(line) ?? [];
      this.#outcomes.get(name)?.resolve({ ok: not === undefined, reason });
    });
    child.on("error", (error) => this.#fail(error));
    child.on("close", (code) => this.#fail(new Error(`the program ended with ${code}:\n${this.#errors()}`)));
  }

  static async start(program: Program, at: Addresses, scenarios: readonly ScenarioName[]): Promise<ClientProcess> {
    const folder = await mkdtemp(join(tmpdir(), "nacre-grpc-client-"));
    return new ClientProcess(program, folder, at, scenarios);
  }

  /** The end of what it wrote to standard error. */
  get errors(): string {
    return this.#errors();
  }

  /** Ends the program when there is none within `maxMs`: what comes after would wait as long, each in turn. */
  async outcome(name: ScenarioName, maxMs: number): Promise<Outcome> {
    const outcome = this.#outcomes.get(name);
    if (outcome === undefined) throw new Error(`${name} was not asked for`);
    const tooLate = setTimeout(() => {
      this.#fail(new Error(`${name} did not end within ${maxMs} ms; the program was ended`));
      this.#child.kill("SIGKILL");
    }, maxMs);
    return outcome.promise.finally(() => clearTimeout(tooLate));
  }

  async stop(): Promise<void> {
    if (this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = once(this.#child, "exit");
      this.#child.kill("SIGKILL");
      await gone;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }

  #fail(error: unknown): void {
    for (const outcome of this.#outcomes.values()) outcome.reject(error);
  }
}
