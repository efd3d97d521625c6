import { RegistryError } from "@nacre/protocol";
import { diskFailure } from "./disk-failure.ts";
import type { Files } from "./files.ts";
import type { LogFile } from "./log-file.ts";
import type { StorageLogger } from "./logger.ts";
import type { Folders } from "./recovery.ts";
import {
  checkSnapshot,
  pruneSnapshots,
  type SnapshotInfo,
  setAsideSnapshot,
  snapshotPath,
  writeSnapshot,
} from "./snapshot.ts";
import type { Store } from "./store.ts";

/** Snapshots that are kept. Two, so that a damaged one costs time and not data (L8). */
const KEEP = 2;

/** What others need of what would be dropped. */
export interface Retention {
  /** The first record that has to stay in the log. */
  keepFrom(): number;
  /** Snapshots that are being read. */
  inUse(): readonly number[];
}

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
  /** A large one is written again only after as much log. */
  #newest: SnapshotInfo | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;
  /** What else keeps the log, and the files of snapshots. */
  retention: Retention = { keepFrom: () => Number.POSITIVE_INFINITY, inUse: () => [] };
  readonly #written: () => number;

  constructor(options: {
    readonly files: Files;
    readonly folders: Folders;
    readonly store: Store;
    readonly log: LogFile;
    readonly limits: { readonly snapshotLogBytes: number };
    readonly logger: StorageLogger;
    readonly snapshot: SnapshotInfo | undefined;
    readonly scan: { readonly bytesAfter: number };
  }) {
    this.#files = options.files;
    this.#folders = options.folders;
    this.#store = options.store;
    this.#log = options.log;
    this.#logBytes = options.limits.snapshotLogBytes;
    this.#logger = options.logger;
    this.#newest = options.snapshot;
    this.#written = () => options.scan.bytesAfter + options.log.appendedBytes;
  }

  /** Index of the newest snapshot, 0 without one. */
  get index(): number {
    return this.#newest?.index ?? 0;
  }

  get newest(): SnapshotInfo | undefined {
    return this.#newest;
  }

  /** Starts a snapshot if one is due and none is under way. */
  consider(): void {
    if (this.#stopped || this.#running !== undefined || !this.#isDue()) return;
    if (this.#store.mark.index === this.index) return;
    this.#begin().catch((thrown: unknown) => {
      this.#logger.warn({ err: thrown }, "a snapshot failed; the log is kept until one succeeds");
    });
  }

  /**
   * Takes a snapshot of what the store holds, if the newest is older.
   * @throws RegistryError `dataAccess`; `unavailable` when it was given up.
   */
  async take(): Promise<SnapshotInfo> {
    const { index } = this.#store.mark;
    while (this.index < index) {
      try {
        await (this.#running ?? this.#begin());
      } catch (thrown) {
        throw diskFailure(`a snapshot cannot be written to ${this.#folders.snapshots}`, thrown);
      }
      if (this.#stopped) throw new RegistryError("unavailable", "no snapshot is taken, because the server is stopping");
    }
    if (this.#newest === undefined) throw new RegistryError("notFound", "there is nothing yet to take a snapshot of");
    return this.#newest;
  }

  /**
   * Looks whether a snapshot is still as it was written, and takes another one if it is not, which is then the newest.
   *
   * @returns whether it was damaged.
   * @throws RegistryError `dataAccess` when none can be taken.
   */
  async mend(index: number): Promise<boolean> {
    const { snapshots } = this.#folders;
    const found = await checkSnapshot(this.#files, snapshotPath(snapshots, index));
    if (typeof found !== "string" || this.#stopped) return false;
    this.#logger.warn({ index, reason: found }, "a snapshot is damaged, and another one is taken");
    try {
      await this.#running;
      if (this.#store.mark.index > index) {
        // It is not to count as one of the two.
        await setAsideSnapshot(this.#files, snapshots, index);
        await this.take();
      } else {
        // The next one takes its name.
        await this.#begin();
      }
    } catch (thrown) {
      throw diskFailure(`a snapshot cannot be written to ${snapshots}`, thrown);
    }
    return true;
  }

  #begin(): Promise<void> {
    // Set before the outcome is known: after a failure, such as a full disk, the next try waits for as much log again.
    this.#triedAt = this.#written();
    this.#running = this.#take().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  #isDue(): boolean {
    return this.#written() - this.#triedAt >= Math.max(this.#logBytes, this.#newest?.bytes ?? 0);
  }

  /**
   * Bytes of a snapshot, from an offset on: as many as asked for, fewer at its end.
   * @throws RegistryError `dataAccess` when there is none of this index any more, or its file cannot be read.
   */
  async read(index: number, offset: number, bytes: number): Promise<Buffer> {
    try {
      return await this.#files.readRange(snapshotPath(this.#folders.snapshots, index), offset, bytes);
    } catch (thrown) {
      throw diskFailure(`snapshot ${index} in ${this.#folders.snapshots} cannot be read`, thrown);
    }
  }

  /** Takes no snapshot until the work is done, at the end of which this one is the newest. */
  async without(work: () => Promise<SnapshotInfo>): Promise<void> {
    const stopped = this.#stopped;
    await this.stop();
    try {
      this.#newest = await work();
      this.#triedAt = this.#written();
    } finally {
      this.#stopped = stopped;
    }
  }

  async #drop(): Promise<void> {
    const { keepFrom, inUse } = this.retention;
    const oldestKept = await pruneSnapshots(this.#files, this.#folders.snapshots, KEEP, inUse());
    // With a single snapshot, the log from its start is the second way to the same state.
    if (oldestKept !== undefined) await this.#log.dropThrough(Math.min(oldestKept, keepFrom() - 1));
  }

  /** Gives up a snapshot that is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running?.catch(() => {});
  }

  async #take(): Promise<void> {
    const view = this.#store.view();
    try {
      const bytes = await writeSnapshot(this.#files, this.#folders.snapshots, view, () => this.#stopped);
      if (bytes === undefined) return;
      this.#newest = { ...view.mark, bytes };
    } finally {
      view.close();
    }
    await this.#drop();
    this.#logger.info({ index: this.index, logBytes: this.#log.bytes }, "took a snapshot");
  }
}
