import type { Files } from "./files.ts";
import type { LogFile } from "./log-file.ts";
import type { StorageLogger } from "./logger.ts";
import type { Folders } from "./recovery.ts";
import { pruneSnapshots, writeSnapshot } from "./snapshot.ts";
import type { Store } from "./store.ts";

/** Snapshots that are kept. Two, so that a damaged one costs time and not data (L8). */
const KEEP = 2;

/** Decides when a snapshot is due, takes one at a time in the background, and lets the log go that it stands in for. */
export class Snapshots {
  readonly #files: Files;
  readonly #folders: Folders;
  readonly #store: Store;
  readonly #log: LogFile;
  readonly #logBytes: number;
  readonly #logger: StorageLogger;
  /** Total of the log, counted like `#written`, when the last snapshot was begun. */
  #triedAt = 0;
  #index: number;
  /** Of the newest snapshot: a large one is written again only after as much log. */
  #bytes: number;
  #running: Promise<void> | undefined;
  #stopped = false;
  readonly #written: () => number;

  constructor(options: {
    readonly files: Files;
    readonly folders: Folders;
    readonly store: Store;
    readonly log: LogFile;
    readonly limits: { readonly snapshotLogBytes: number };
    readonly logger: StorageLogger;
    readonly snapshotIndex: number;
    readonly snapshotBytes: number;
    readonly bytesSinceSnapshot: number;
  }) {
    this.#files = options.files;
    this.#folders = options.folders;
    this.#store = options.store;
    this.#log = options.log;
    this.#logBytes = options.limits.snapshotLogBytes;
    this.#logger = options.logger;
    this.#index = options.snapshotIndex;
    this.#bytes = options.snapshotBytes;
    this.#written = () => options.bytesSinceSnapshot + options.log.appendedBytes;
  }

  /** Index of the newest snapshot, 0 without one. */
  get index(): number {
    return this.#index;
  }

  /** Starts a snapshot if one is due and none is under way. */
  consider(): void {
    if (this.#stopped || this.#running !== undefined || !this.#isDue()) return;
    if (this.#store.mark.index === this.#index) return;
    // Set before the outcome is known: after a failure, such as a full disk, the next try waits for as much log again.
    this.#triedAt = this.#written();
    this.#running = this.#take().finally(() => {
      this.#running = undefined;
    });
  }

  #isDue(): boolean {
    return this.#written() - this.#triedAt >= Math.max(this.#logBytes, this.#bytes);
  }

  /** Gives up a snapshot that is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #take(): Promise<void> {
    try {
      const view = this.#store.view();
      try {
        const bytes = await writeSnapshot(this.#files, this.#folders.snapshots, view, () => this.#stopped);
        if (bytes === undefined) return;
        this.#bytes = bytes;
      } finally {
        view.close();
      }
      this.#index = view.mark.index;
      const oldestKept = await pruneSnapshots(this.#files, this.#folders.snapshots, KEEP);
      // With a single snapshot, the log from its start is the second way to the same state.
      if (oldestKept !== undefined) await this.#log.dropThrough(oldestKept);
      this.#logger.info({ index: this.#index, logBytes: this.#log.bytes }, "took a snapshot");
    } catch (thrown) {
      this.#logger.warn({ err: thrown }, "a snapshot failed; the log is kept until one succeeds");
    }
  }
}
