import type { Event, Index, MemberId, Persist, Raft, Snapshot } from "@nacre/core/raft";
import type { RegistryError } from "@nacre/protocol";
import type { Clock, Timer } from "../clock.ts";
import type { Files } from "../storage/files.ts";
import type { StorageLogger } from "../storage/logger.ts";
import type { BatchLimits } from "../storage/proposals.ts";
import type { NewRecord } from "../storage/records.ts";
import type { Storage } from "../storage/storage.ts";
import { Disk } from "./disk.ts";
import type { RaftPacket } from "./feeder.ts";
import { probeDisk } from "./probe-disk.ts";
import type { Tail } from "./tail.ts";

/** How often a disk that refused is tried. */
const PROBE_MS = 1_000;

/** Runs once everything it rests on is on disk. */
interface Waiting {
  readonly after: number;
  readonly run: () => void;
}

export interface WritesParts {
  readonly self: MemberId;
  readonly core: Raft;
  readonly storage: Pick<Storage<never, never>, "log" | "vote"> & {
    readonly applier: { readonly appliedIndex: Index };
  };
  readonly tail: Tail;
  readonly applying: { pause(): void; resume(index: Index): void };
  readonly clock: Clock;
  readonly logger: StorageLogger;
  readonly files: Files;
  /** The data folder. */
  readonly directory: string;
  readonly limits: BatchLimits;
  feed(event: Event): void;
  /** What of the log is on the disk is not known any more. */
  broken(error: RegistryError): void;
  /** Puts the snapshot that came in the place of everything. @throws RegistryError */
  install(snapshot: Snapshot): Promise<void>;
}

/** What the core wants on disk, what waits for that, and what becomes of it when the disk refuses (Q2). */
export class Writes {
  readonly #parts: WritesParts;
  readonly #disk: Disk;
  #waiting: Waiting[] = [];
  #persisted = 0;
  #failure: string | undefined;
  #probeTimer: Timer | undefined;
  #probing: Promise<void> | undefined;
  #isClosed = false;

  constructor(parts: WritesParts) {
    this.#parts = parts;
    this.#disk = new Disk(
      parts.storage,
      {
        persisted: (number) => this.#onPersisted(number),
        failed: (number, error, isOfSnapshot) => this.#onFailed(number, error, isOfSnapshot),
        broken: (error) => parts.broken(error),
        install: (snapshot) => parts.install(snapshot),
      },
      parts.limits,
    );
  }

  /** Why the last write failed; undefined when one has succeeded since. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** At once if write number `after` is on disk already. */
  when(after: number, run: () => void): void {
    if (after > this.#persisted) this.#waiting.push({ after, run });
    else run();
  }

  /**
   * @param fresh  what the entries hold that this member makes.
   * @param packet  the message that led to the write, with the entries that came in it.
   */
  write(persist: Persist, fresh: readonly NewRecord[], packet: RaftPacket | undefined): void {
    const { tail, applying } = this.#parts;
    const { snapshot, cutFrom, first, last } = persist;
    if (snapshot !== undefined) {
      applying.pause();
      tail.restart(snapshot.index + 1);
    }
    if (cutFrom !== undefined) tail.cut(cutFrom);
    let records: readonly NewRecord[] = [];
    if (last >= first) {
      const message = packet?.message;
      records =
        fresh.length > 0 || message?.type !== "append"
          ? fresh
          : (packet?.entries ?? []).slice(first - message.prevIndex - 1);
      if (records.length !== last - first + 1) throw new Error(`entries ${first} to ${last} are not here`);
    }
    this.#disk.write(persist, records.length === 0 ? [] : tail.append(first, records));
  }

  trusts(trust: "whole" | "stateLost"): void {
    this.#disk.trusts(trust);
  }

  /** Tells nothing more. Resolves when nothing is being written. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#probeTimer?.cancel();
    await this.#disk.idle();
    await this.#probing;
  }

  #onPersisted(number: number): void {
    if (this.#isClosed) return;
    this.#persisted = number;
    this.#failure = undefined;
    const due = this.#waiting.filter(({ after }) => after <= number);
    this.#waiting = this.#waiting.filter(({ after }) => after > number);
    for (const { run } of due) run();
    this.#parts.feed({ type: "persisted", number });
  }

  #onFailed(number: number, error: RegistryError, isOfSnapshot: boolean): void {
    if (this.#isClosed) return;
    const { self, core, storage, tail, applying, logger, feed } = this.#parts;
    logger.warn({ err: error }, "the disk took nothing of what the group decided");
    this.#failure = error.message;
    tail.restart(storage.log.lastIndex + 1);
    this.#waiting = this.#waiting.filter(({ after }) => after < number);
    applying.resume(storage.applier.appliedIndex);
    feed({ type: "persistFailed", number });
    const { voters } = core.configuration;
    const isAlone = voters.length === 1 && voters[0] === self;
    if (storage.log.refusing !== undefined || storage.vote.refusing !== undefined) return;
    // Alone, every proposal is a try of its own.
    if (isOfSnapshot || isAlone) feed({ type: "diskTakes" });
    this.#probeLater();
  }

  /** Nobody has to write for this member to find that it can. */
  #probeLater(): void {
    const { clock, files, directory, core, storage, feed } = this.#parts;
    const isAwaited = core.diskRefuses || storage.log.full !== undefined;
    if (!isAwaited || this.#probeTimer !== undefined || this.#isClosed) return;
    const probe = async () => {
      const takes = await probeDisk(files, directory);
      this.#probeTimer = undefined;
      if (!takes) return this.#probeLater();
      storage.log.foundSpace();
      feed({ type: "diskTakes" });
    };
    this.#probeTimer = clock.schedule(PROBE_MS, () => {
      this.#probing = probe();
    });
  }
}
