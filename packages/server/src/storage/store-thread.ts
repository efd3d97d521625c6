import { Worker } from "node:worker_threads";
import type { ConfigWrite } from "@nacre/core/config";
import type { StorageLogger } from "./logger.ts";
import type { RowWrite, Writes } from "./port.ts";
import type { Mark } from "./store.ts";

/** What entries write, for one transaction. */
export interface Written {
  readonly rows: readonly RowWrite[];
  readonly configs: readonly ConfigWrite[];
  readonly mark: Mark;
}

export type ThreadOrder =
  | { readonly type: "checkpoint" | "end" }
  | { readonly type: "perform"; readonly statements: readonly string[] }
  | ({ readonly type: "write" } & Written);

export type ThreadAnswer =
  | { readonly type: "checkpointed" | "done" }
  | { readonly type: "failed"; readonly reason: string };

/** Pages of the store's write-ahead log after which they are copied into the store. */
const PAGES = 1000;

/**
 * A thread for what SQLite does in one call however long it takes (L7). It starts when there is something to do, and a
 * server whose thread has ended does all of it itself.
 */
export class StoreThread {
  readonly #path: string;
  readonly #pagesWaiting: () => number;
  readonly #logger: StorageLogger;
  #worker: Worker | undefined;
  #ended: Promise<void> = Promise.resolve();
  #isCopying = false;
  #hasEnded = false;
  #answered: (failed: Error | undefined) => void = () => {};
  #isStopped = false;

  constructor(path: string, pagesWaiting: () => number, logger: StorageLogger) {
    this.#path = path;
    this.#pagesWaiting = pagesWaiting;
    this.#logger = logger;
  }

  /** Whether it takes no orders any more. */
  get hasEnded(): boolean {
    return this.#hasEnded || this.#isStopped;
  }

  /**
   * Starts a checkpoint if one is due and none is under way: after a long snapshot the write-ahead log may be hundreds of
   * megabytes, and SQLite would copy them inside one call. Without the thread SQLite does so itself, at a later point.
   */
  consider(): void {
    if (this.hasEnded || this.#isCopying || this.#pagesWaiting() < PAGES) return;
    this.#isCopying = true;
    this.#tell({ type: "checkpoint" });
  }

  /**
   * Statements that would hold the event loop for long. Nothing else writes meanwhile, nor asks for anything else.
   *
   * @throws Error when one fails, or the thread has ended.
   */
  perform(statements: readonly string[]): Promise<void> {
    return this.#ask({ type: "perform", statements });
  }

  /**
   * What `Store.write` does, whose `COMMIT` takes longer the more the transaction holds. Otherwise as `perform`.
   *
   * @throws Error as `perform`. A thread that ended may have committed before it could say so.
   */
  write({ rows, configs = [] }: Writes, mark: Mark): Promise<void> {
    return this.#ask({ type: "write", rows, configs, mark });
  }

  /** Lets the thread finish and leave the store, so that whoever closes it last finds nobody else there. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#worker?.ref();
    this.#worker?.postMessage({ type: "end" } satisfies ThreadOrder);
    await this.#ended;
  }

  async #ask(order: ThreadOrder): Promise<void> {
    if (this.hasEnded) throw new Error("the thread has ended");
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#answered = (failed) => (failed === undefined ? resolve() : reject(failed));
    this.#tell(order);
    // Whoever waits for it keeps the process alive.
    this.#worker?.ref();
    await promise.finally(() => this.#worker?.unref());
  }

  #tell(order: ThreadOrder): void {
    this.#worker ??= this.#start();
    this.#worker.postMessage(order);
  }

  #start(): Worker {
    const file = import.meta.url.endsWith(".ts") ? "store-worker.ts" : "store-worker.js";
    const worker = new Worker(new URL(file, import.meta.url), {
      name: "store",
      workerData: this.#path,
      // Flags of the process are not for this thread: an inspector or a test runner would follow into it.
      execArgv: [],
    });
    worker.unref();
    worker.on("message", (answer: ThreadAnswer) => {
      if (answer.type === "checkpointed") this.#isCopying = false;
      else this.#answered(answer.type === "failed" ? new Error(answer.reason) : undefined);
    });
    worker.on("error", (err) => {
      this.#logger.warn({ err }, "the thread that works on the store ended; the server does so itself from now on");
    });
    this.#ended = new Promise((resolve) =>
      // Only now has it left the store: what it had not committed is undone.
      worker.on("exit", () => {
        this.#hasEnded = true;
        this.#answered(new Error("the thread ended"));
        resolve();
      }),
    );
    return worker;
  }
}
