import type { RegistryError } from "@nacre/protocol";
import { Gathered, type Saver } from "./applier.ts";
import { diskFailure } from "./disk-failure.ts";
import type { StorageLogger } from "./logger.ts";
import type { Writes } from "./port.ts";
import type { Snapshots } from "./snapshots.ts";
import type { Mark, Store } from "./store.ts";
import type { StoreThread } from "./store-thread.ts";
import { turn } from "./turn.ts";

/**
 * Items of an import, and bytes of their contents, beyond which the thread writes it: the `COMMIT` of ten thousand takes
 * 25 ms. To write fewer takes less than the way to the thread and back.
 */
const LONG_ITEMS = 1_000;
const LONG_BYTES = 1024 * 1024;

/** Brings what was applied into the store, and what it could not take along with the next. */
export class StoreSaver implements Saver {
  readonly #store: Store;
  readonly #path: string;
  readonly #snapshots: Pick<Snapshots, "consider">;
  readonly #thread: Pick<StoreThread, "hasEnded" | "consider" | "perform" | "write">;
  readonly #logger: StorageLogger;
  /** Writes that the store could not take; at most those of one batch, because the next is refused until they are in (L11). */
  #left = new Gathered();
  #mark: Mark;
  failing: RegistryError | undefined;

  constructor(options: {
    readonly store: Store;
    readonly path: string;
    readonly snapshots: Pick<Snapshots, "consider">;
    readonly thread: Pick<StoreThread, "hasEnded" | "consider" | "perform" | "write">;
    readonly logger: StorageLogger;
  }) {
    this.#store = options.store;
    this.#path = options.path;
    this.#snapshots = options.snapshots;
    this.#thread = options.thread;
    this.#logger = options.logger;
    this.#mark = options.store.mark;
  }

  async save(writes: Writes, mark: Mark): Promise<boolean> {
    this.#left.add(writes);
    this.#mark = mark;
    const saved = await this.saveLeft();
    this.#snapshots.consider();
    this.#thread.consider();
    return saved;
  }

  /** @returns whether the store holds everything that was applied. */
  async saveLeft(): Promise<boolean> {
    if (this.#mark === this.#store.mark) return true;
    try {
      await this.#write();
    } catch (thrown) {
      this.failing = diskFailure(`the store ${this.#path} cannot be written`, thrown);
      // The commands are durable in the log and applied, so they are answered; the next batch tries these writes again.
      this.#logger.warn({ err: this.failing }, "the store could not take what the log holds");
      return false;
    }
    this.#left = new Gathered();
    this.failing = undefined;
    return true;
  }

  async #write(): Promise<void> {
    if (!isLong(this.#left) || this.#thread.hasEnded) return this.#store.write(this.#left, this.#mark);
    await this.#thread.write(this.#left, this.#mark).catch((thrown: unknown) => this.#threadFailed(thrown));
    // A thread that ended may have committed before it could say so: the store alone knows.
    if (!this.#store.adopt(this.#mark)) await this.#store.write(this.#left, this.#mark);
  }

  #threadFailed(err: unknown): void {
    this.#logger.warn({ err }, "the thread that works on the store failed, so that the server does its work");
  }

  /** The store took something that was not saved here. */
  wrote(): void {
    this.#thread.consider();
  }

  /** Statements that may take long and be repeated: in a thread, unless that has ended. Nothing is saved meanwhile. */
  async perform(statements: readonly string[]): Promise<void> {
    try {
      await this.#thread.perform(statements);
    } catch (thrown) {
      this.#threadFailed(thrown);
      for (const statement of statements) {
        this.#store.perform(statement);
        await turn();
      }
    }
  }

  /** The store holds another state now, in the place of everything that was saved before. */
  replaced(): void {
    this.#left = new Gathered();
    this.#mark = this.#store.mark;
    this.failing = undefined;
  }
}

/** An import is dropped by the entry that promotes it. */
function isLong({ configs = [] }: Writes): boolean {
  return configs.some((write) => write.kind === "dropStaged" && (write.items > LONG_ITEMS || write.bytes > LONG_BYTES));
}
