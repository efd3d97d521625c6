import type { Index } from "@nacre/core/raft";
import { RegistryError } from "@nacre/protocol";
import type { Clock, Timer } from "../clock.ts";
import type { Applier, Entry } from "../storage/applier.ts";
import { DamageError } from "../storage/damage.ts";
import type { LogFile } from "../storage/log-file.ts";
import type { StorageLogger } from "../storage/logger.ts";
import type { Settled } from "./machine.ts";
import type { Tail } from "./tail.ts";

/** What is applied between two looks at what is committed. */
const ENTRIES_MAX = 512;
const BYTES_MAX = 1024 * 1024;
/** How soon a disk is asked again whose store takes nothing, or whose log cannot be read. */
const RETRY_MS = 500;

export interface ApplyLoopParts<R> {
  readonly storage: {
    readonly applier: Pick<Applier<never, Settled<R>>, "appliedIndex" | "apply" | "catchUp">;
    readonly log: Pick<LogFile, "read">;
  };
  readonly tail: Tail;
  readonly clock: Clock;
  readonly logger: StorageLogger;
  answer(settled: Settled<R>): void;
  applied(index: Index): void;
  stopped(thrown: unknown): void;
}

/** Applies what is committed, in order, as fast as the machine and the store take it. */
export class ApplyLoop<R> {
  readonly #parts: ApplyLoopParts<R>;
  #commit: Index;
  #running: Promise<void> | undefined;
  #isPaused = false;
  #isStopped = false;
  #timer: Timer | undefined;
  /** It was told that the log cannot be read. */
  #isUnreadable = false;

  constructor(parts: ApplyLoopParts<R>) {
    this.#parts = parts;
    this.#commit = parts.storage.applier.appliedIndex;
  }

  upTo(index: Index): void {
    this.#commit = Math.max(this.#commit, index);
    this.#run();
  }

  /** Nothing more is applied once the slice that is under way has ended (`idle`). */
  pause(): void {
    this.#isPaused = true;
  }

  /** Goes on behind `index`. */
  resume(index: Index): void {
    this.#isPaused = false;
    this.upTo(index);
  }

  async idle(): Promise<void> {
    await this.#running;
  }

  async close(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#running;
  }

  #run(): void {
    if (this.#running !== undefined || this.#isPaused || this.#isStopped || this.#timer !== undefined) return;
    if (this.#parts.storage.applier.appliedIndex >= this.#commit) return;
    this.#running = this.#apply().finally(() => {
      this.#running = undefined;
      this.#run();
    });
  }

  async #apply(): Promise<void> {
    const { applier } = this.#parts.storage;
    try {
      // Not within the step that said so.
      await undefined;
      while (applier.appliedIndex < this.#commit && !this.#isPaused && !this.#isStopped) {
        if (!(await this.#storeTakes())) return this.#later();
        const entries = await this.#next(applier.appliedIndex + 1);
        if (this.#isPaused) return;
        if (entries === undefined) return this.#later();
        await applier.apply(entries, (_, applied) => {
          if (applied?.ok === true) this.#parts.answer(applied.result);
        });
        this.#parts.applied(applier.appliedIndex);
      }
    } catch (thrown) {
      this.#isStopped = true;
      this.#parts.applied(applier.appliedIndex);
      this.#parts.stopped(thrown);
    }
  }

  /** What is committed waits while the store fails, or the log cannot be read. */
  #later(): void {
    if (this.#isStopped) return;
    this.#timer = this.#parts.clock.schedule(RETRY_MS, () => {
      this.#timer = undefined;
      this.#run();
    });
  }

  async #storeTakes(): Promise<boolean> {
    return this.#parts.storage.applier.catchUp().then(
      () => true,
      () => false,
    );
  }

  /** Undefined when the log cannot be read now. @throws RegistryError when it does not hold what was written. */
  async #next(first: Index): Promise<readonly Entry[] | undefined> {
    const { tail } = this.#parts;
    const entries: Entry[] = [];
    let bytes = 0;
    for (let index = first; index <= this.#commit && entries.length < ENTRIES_MAX; index++) {
      const entry = tail.get(index);
      if (entry === undefined) break;
      bytes += entry.payload.length;
      if (entries.length > 0 && bytes > BYTES_MAX) break;
      entries.push(entry);
    }
    if (entries.length > 0) return entries;
    const records = await this.#read(first);
    if (records === undefined) return undefined;
    if (records.length === 0)
      throw new RegistryError(
        "serverError",
        `record ${first} is committed, but it is not in the log: restart this member`,
      );
    return records.filter(({ index }) => index <= this.#commit);
  }

  async #read(first: Index): Promise<readonly Entry[] | undefined> {
    try {
      const records = (await this.#parts.storage.log.read(first, BYTES_MAX)) ?? [];
      this.#isUnreadable = false;
      return records;
    } catch (thrown) {
      if (thrown instanceof DamageError) throw thrown;
      if (!this.#isUnreadable)
        this.#parts.logger.warn(
          { err: thrown },
          "what is committed waits, because the log cannot be read; it is tried again",
        );
      this.#isUnreadable = true;
      return undefined;
    }
  }
}
