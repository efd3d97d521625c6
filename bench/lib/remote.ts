import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";

/** Calls between the bench and the processes it starts, over the channel that Node puts between parent and child. */
interface Question {
  readonly nacreBench: number;
  readonly name: string;
  readonly argument: unknown;
}

type Answered = { readonly nacreBench: number; readonly value?: unknown; readonly error?: string };

// biome-ignore lint/suspicious/noExplicitAny: each handler knows what its caller sends
export type Handlers = Record<string, (argument: any) => unknown>;

/** In the child: answers the parent's calls. */
export function answer(handlers: Handlers): void {
  // A bench that was killed leaves nothing behind.
  process.once("disconnect", () => process.exit());
  process.on("message", async (message: Question) => {
    if (typeof message?.nacreBench !== "number") return;
    const reply = (rest: object) => process.send?.({ nacreBench: message.nacreBench, ...rest });
    try {
      reply({ value: await handlers[message.name]?.(message.argument) });
    } catch (thrown) {
      reply({ error: String((thrown as Error)?.stack ?? thrown) });
    }
  });
}

/** In the parent: a child that answers. */
export class Remote {
  readonly child: ChildProcess;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #next = 1;
  #ended: Error | undefined;

  constructor(child: ChildProcess) {
    this.child = child;
    child.on("message", (message: Answered) => {
      const waiting = this.#waiting.get(message?.nacreBench);
      if (waiting === undefined) return;
      this.#waiting.delete(message.nacreBench);
      if (message.error === undefined) waiting.resolve(message.value);
      else waiting.reject(new Error(message.error));
    });
    child.once("exit", (code, signal) => {
      this.#ended = new Error(`the process ended with ${code ?? signal}`);
      for (const { reject } of this.#waiting.values()) reject(this.#ended);
    });
  }

  /** Starts one of the generators in `bench/load`. */
  static load(file: string, execArgv: readonly string[] = []): Remote {
    const path = new URL(`../load/${file}`, import.meta.url);
    return new Remote(fork(path, { serialization: "advanced", execArgv: [...execArgv] }));
  }

  call<T = void>(name: string, argument?: unknown): Promise<T> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const nacreBench = this.#next++;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(nacreBench, { resolve: resolve as (value: unknown) => void, reject });
      this.child.send({ nacreBench, name, argument });
    });
  }

  async end(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const { child } = this;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  }
}
