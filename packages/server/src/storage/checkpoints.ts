import { Worker } from "node:worker_threads";
import type { StorageLogger } from "./logger.ts";

/** What the thread is told: statements that it performs, a checkpoint, or to leave. */
export type CheckpointOrder = "checkpoint" | "end" | readonly string[];

/** Pages of the store's write-ahead log after which they are copied into the store. */
const PAGES = 1000;

/**
 * Copies what was written from SQLite's write-ahead log into the store, in a thread that starts when there is something to
 * copy: after a long snapshot that may be hundreds of megabytes, and SQLite would copy them inside one call (L7). Without
 * the thread SQLite does so itself, at a later point.
 */
export class Checkpoints {
  readonly #path: string;
  readonly #pagesWaiting: () => number;
  readonly #logger: StorageLogger;
  #worker: Worker | undefined;
  #ended: Promise<void> = Promise.resolve();
  #busy = false;
  #hasEnded = false;
  #performed: (failed: string | undefined) => void = () => {};
  #stopped = false;

  constructor(path: string, pagesWaiting: () => number, logger: StorageLogger) {
    this.#path = path;
    this.#pagesWaiting = pagesWaiting;
    this.#logger = logger;
  }

  /** Starts a checkpoint if one is due and none is under way. */
  consider(): void {
    if (this.#stopped || this.#busy || this.#pagesWaiting() < PAGES) return;
    this.#busy = true;
    this.#tell("checkpoint");
  }

  /**
   * Statements that would hold the event loop for long, one list at a time. Nothing else writes meanwhile.
   *
   * @throws Error when one fails, or the thread has ended.
   */
  async perform(statements: readonly string[]): Promise<void> {
    if (this.#stopped) throw new Error("the store is being closed");
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#performed = (failed) => (failed === undefined ? resolve() : reject(new Error(failed)));
    this.#tell(statements);
    // Whoever waits for it keeps the process alive.
    this.#worker?.ref();
    await promise.finally(() => this.#worker?.unref());
  }

  /** Lets the thread finish and leave the store, so that whoever closes it last finds nobody else there. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#worker?.ref();
    this.#worker?.postMessage("end" satisfies CheckpointOrder);
    await this.#ended;
  }

  #tell(order: CheckpointOrder): void {
    if (this.#hasEnded) return this.#performed("the thread has ended");
    this.#worker ??= this.#start();
    this.#worker.postMessage(order);
  }

  #start(): Worker {
    const file = import.meta.url.endsWith(".ts") ? "checkpoint-worker.ts" : "checkpoint-worker.js";
    const worker = new Worker(new URL(file, import.meta.url), {
      name: "checkpoints",
      workerData: this.#path,
      // Flags of the process are not for this thread: an inspector or a test runner would follow into it.
      execArgv: [],
    });
    worker.unref();
    worker.on("message", (answer: "checkpointed" | { readonly failed: string | undefined }) => {
      if (answer === "checkpointed") this.#busy = false;
      else this.#performed(answer.failed);
    });
    worker.on("error", (err) => {
      this.#hasEnded = true;
      this.#performed("the thread ended");
      // Stays busy: SQLite's own checkpoints take over.
      this.#logger.warn({ err }, "the thread that tidies the store ended; the server does so itself from now on");
    });
    this.#ended = new Promise((resolve) => worker.on("exit", () => resolve()));
    return worker;
  }
}
