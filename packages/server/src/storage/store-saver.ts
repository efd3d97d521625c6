import type { RegistryError } from "@nacre/protocol";
import { Gathered, type Saver } from "./applier.ts";
import type { Checkpoints } from "./checkpoints.ts";
import { diskFailure } from "./disk-failure.ts";
import type { StorageLogger } from "./logger.ts";
import type { Writes } from "./port.ts";
import type { Snapshots } from "./snapshots.ts";
import type { Mark, Store } from "./store.ts";
import { turn } from "./turn.ts";

/** Brings what was applied into the store, and what it could not take along with the next. */
export class StoreSaver implements Saver {
  readonly #store: Store;
  readonly #path: string;
  readonly #snapshots: Snapshots;
  readonly #checkpoints: Checkpoints;
  readonly #logger: StorageLogger;
  /** Writes that the store could not take; at most those of one batch, because the next is refused until they are in (L11). */
  #left = new Gathered();
  #mark: Mark;
  failing: RegistryError | undefined;

  constructor(options: {
    readonly store: Store;
    readonly path: string;
    readonly snapshots: Snapshots;
    readonly checkpoints: Checkpoints;
    readonly logger: StorageLogger;
  }) {
    this.#store = options.store;
    this.#path = options.path;
    this.#snapshots = options.snapshots;
    this.#checkpoints = options.checkpoints;
    this.#logger = options.logger;
    this.#mark = options.store.mark;
  }

  async save(writes: Writes, mark: Mark): Promise<boolean> {
    this.#left.add(writes);
    this.#mark = mark;
    const saved = await this.saveLeft();
    this.#snapshots.consider();
    this.#checkpoints.consider();
    return saved;
  }

  /** @returns whether the store holds everything that was applied. */
  async saveLeft(): Promise<boolean> {
    if (this.#mark === this.#store.mark) return true;
    try {
      await this.#store.write(this.#left, this.#mark);
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

  /** The store took something that was not saved here. */
  wrote(): void {
    this.#checkpoints.consider();
  }

  /** Statements that may take long and be repeated: in a thread, unless that has ended. Nothing is saved meanwhile. */
  async perform(statements: readonly string[]): Promise<void> {
    try {
      await this.#checkpoints.perform(statements);
    } catch (thrown) {
      this.#logger.warn({ err: thrown }, "the thread that tidies the store failed, so that the server does its work");
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
