import { type Event, type Index, keepFrom, needsSnapshot, type Raft, snapshotsInUse } from "@nacre/core/raft";
import type { Clock } from "../clock.ts";
import type { StorageLogger } from "../storage/logger.ts";
import { snapshotPath } from "../storage/snapshot.ts";
import type { Storage } from "../storage/storage.ts";
import type { TakenSnapshot } from "./port.ts";

/** Between two snapshots that another member needs. */
const PAUSE_MS = 1_000;
/** Between two looks at all of a snapshot. */
const CHECK_PAUSE_MS = 10_000;

/** Storage takes snapshots by itself, and lets the log go behind them: the core hears of it here. */
export class OwnSnapshots {
  /** Of the newest one, epoch milliseconds. */
  at: number | undefined;
  readonly #core: Raft;
  readonly #clock: Clock;
  readonly #storage: Pick<Storage<never, never>, "log" | "snapshots">;
  readonly #directory: string;
  readonly #feed: (event: Event) => void;
  readonly #logger: StorageLogger;
  #notBefore = -Infinity;
  /** One that could not be read for a peer. */
  #lost: Index | undefined;
  #checkNotBefore = -Infinity;

  /** @param directory  in which the snapshots lie. */
  constructor(
    core: Raft,
    clock: Clock,
    storage: Pick<Storage<never, never>, "log" | "snapshots">,
    directory: string,
    logger: StorageLogger,
    feed: (event: Event) => void,
  ) {
    this.#logger = logger;
    this.#directory = directory;
    this.#core = core;
    this.#clock = clock;
    this.#storage = storage;
    this.#feed = feed;
    storage.snapshots.retention = {
      keepFrom: () => keepFrom(core, clock.now()),
      inUse: () => snapshotsInUse(core),
    };
  }

  /** @throws RegistryError see `Snapshots.take`. */
  async take(): Promise<TakenSnapshot> {
    const { index, term, bytes } = await this.#storage.snapshots.take();
    this.notice();
    return { path: snapshotPath(this.#directory, index), index, term, bytes };
  }

  /** One cannot be read for a peer, which needs another one as soon as that would be newer. */
  lost(index: Index): void {
    this.#lost = index;
    this.#feed({ type: "snapshotLost", index });
  }

  /** A peer was sent all of one and asks for it anew: it may have been damaged since it was written. */
  doubted(index: Index): void {
    if (this.#clock.now() < this.#checkNotBefore) return;
    this.#checkNotBefore = Infinity;
    const again = (): void => {
      this.#checkNotBefore = this.#clock.now() + CHECK_PAUSE_MS;
    };
    this.#storage.snapshots.mend(index).then(
      (isMended) => {
        again();
        if (!isMended) return;
        this.notice();
        this.#feed({ type: "snapshotLost", index });
      },
      (thrown: unknown) => {
        again();
        this.#logger.warn({ err: thrown }, "a snapshot that is damaged could not be replaced; it is tried again");
      },
    );
  }

  /** Takes one if another member needs what the newest does not hold, or cannot be given. */
  takeIfNeeded(): void {
    const { snapshot, applied } = this.#core;
    const isLost = this.#lost === snapshot.index && applied > snapshot.index;
    if ((!isLost && !needsSnapshot(this.#core)) || this.#clock.now() < this.#notBefore) return;
    this.#notBefore = Infinity;
    const again = (): void => {
      this.#notBefore = this.#clock.now() + PAUSE_MS;
    };
    this.take().then(again, (thrown: unknown) => {
      this.#logger.warn({ err: thrown }, "a snapshot that another member needs could not be taken; it is tried again");
      again();
    });
  }

  notice(): void {
    const { snapshots, log } = this.#storage;
    const { newest } = snapshots;
    // Where a received one is on its way into its place, the core's log begins behind this one already.
    if (newest !== undefined && newest.index > this.#core.snapshot.index) {
      this.at = this.#clock.wall();
      this.#feed({ type: "snapshotTaken", index: newest.index, bytes: newest.bytes });
    }
    if (log.firstIndex - 1 > this.#core.log.baseIndex && log.firstIndex - 1 <= this.#core.snapshot.index)
      this.#feed({ type: "logCut", first: log.firstIndex });
  }

  /** The newest came from another member, as the core ordered. */
  installed(): void {
    this.at = this.#clock.wall();
  }
}
