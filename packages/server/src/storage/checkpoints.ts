import { Worker } from "node:worker_threads";
import type { StorageLogger } from "./logger.ts";

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
    this.#worker ??= this.#start();
    this.#worker.postMessage(true);
  }

  /** Lets the thread finish and leave the store, so that whoever closes it last finds nobody else there. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#worker?.ref();
    this.#worker?.postMessage(false);
    await this.#ended;
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
    worker.on("message", () => {
      this.#busy = false;
    });
    worker.on("error", (err) => {
      // Stays busy: SQLite's own checkpoints take over.
      this.#logger.warn({ err }, "the thread that tidies the store ended; the server does so itself from now on");
    });
    this.#ended = new Promise((resolve) => worker.on("exit", () => resolve()));
    return worker;
  }
}
