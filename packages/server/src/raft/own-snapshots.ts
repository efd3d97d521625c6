import { type Event, type Index, keepFrom, type Raft, snapshotsInUse } from "@nacre/core/raft";
import type { Clock } from "../clock.ts";
import { snapshotPath } from "../storage/snapshot.ts";
import type { Storage } from "../storage/storage.ts";
import type { TakenSnapshot } from "./port.ts";

/** Storage takes snapshots by itself, and lets the log go behind them: the core hears of it here. */
export class OwnSnapshots {
  /** Of the newest one, epoch milliseconds. */
  at: number | undefined;
  readonly #core: Raft;
  readonly #clock: Clock;
  readonly #storage: Pick<Storage<never, never>, "log" | "snapshots">;
  readonly #directory: string;
  readonly #feed: (event: Event) => void;
  #noticed: Index;

  /** @param directory  in which the snapshots lie. */
  constructor(
    core: Raft,
    clock: Clock,
    storage: Pick<Storage<never, never>, "log" | "snapshots">,
    directory: string,
    feed: (event: Event) => void,
  ) {
    this.#directory = directory;
    this.#core = core;
    this.#clock = clock;
    this.#storage = storage;
    this.#feed = feed;
    this.#noticed = storage.snapshots.index;
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

  notice(): void {
    const { snapshots, log } = this.#storage;
    const { newest } = snapshots;
    if (newest !== undefined && newest.index > this.#noticed) {
      this.#noticed = newest.index;
      this.at = this.#clock.wall();
      this.#feed({ type: "snapshotTaken", index: newest.index, bytes: newest.bytes });
    }
    if (log.firstIndex - 1 > this.#core.log.baseIndex && log.firstIndex - 1 <= this.#core.snapshot.index)
      this.#feed({ type: "logCut", first: log.firstIndex });
  }

  /** The newest came from another member, as the core ordered. */
  installed(): void {
    this.at = this.#clock.wall();
    this.#noticed = this.#storage.snapshots.index;
  }
}
