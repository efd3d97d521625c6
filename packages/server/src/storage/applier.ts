import type { ConfigWrite } from "@nacre/core/config";
import { RegistryError } from "@nacre/protocol";
import { type Applied, type RowWrite, type StateMachine, UnknownKind, type Writes } from "./port.ts";
import type { NewRecord } from "./records.ts";
import type { Mark } from "./store.ts";
import { SLICE_MS, turn } from "./turn.ts";

/** A record that is to be applied: on the disk and, in a group, committed. */
export interface Entry extends NewRecord {
  readonly index: number;
  readonly checksum: number;
}

/** Where applied writes go: SQLite, or nowhere. */
export interface Saver {
  /** Takes what the entries up to the mark write. Never fails. @returns whether the store now holds all of it. */
  save(writes: Writes, mark: Mark): Promise<boolean>;
  /** Why the store did not take the last writes; undefined once it has. */
  readonly failing: RegistryError | undefined;
}

/** What came of an entry; undefined for one that is not for the machine. */
export type Answer<R> = (position: number, applied: Applied<R> | undefined) => void;

/** Entries are applied for a slice before they are stored, and of so many rows and bytes at most. */
const SLICE_ROWS_MAX = 512;
const SLICE_BYTES_MAX = 1024 * 1024;
/** How soon a store that failed is tried again when nobody writes; each time twice as late, up to the maximum. */
const CATCH_UP_MS = 500;
const CATCH_UP_MS_MAX = 60_000;

/**
 * How entries become state, whoever says that they may: applied in slices, saved, then answered (L1, L7, L12). One call
 * of `apply`, `catchUp` or `replaced` at a time.
 */
export class Applier<C, R> {
  readonly #machine: StateMachine<C, R>;
  readonly #saver: Saver;
  #mark: Mark;
  #refusing: string | undefined;
  /** What the store could not take reaches to here. */
  #behind: Mark | undefined;
  #isApplying = false;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;
  #timerMs = CATCH_UP_MS;
  #catchingUp: Promise<void> | undefined;

  constructor(options: { readonly machine: StateMachine<C, R>; readonly saver: Saver; readonly mark: Mark }) {
    this.#machine = options.machine;
    this.#saver = options.saver;
    this.#mark = options.mark;
  }

  get appliedIndex(): number {
    return this.#mark.index;
  }

  /** The last applied entry, with the group's members as of it. */
  get mark(): Mark {
    return this.#mark;
  }

  /** The store has not taken what was applied last. */
  get isBehind(): boolean {
    return this.#behind !== undefined;
  }

  /** Set once the state machine has failed. */
  get refusing(): string | undefined {
    return this.#refusing;
  }

  /**
   * Applies the entries that follow the last applied one, and answers each once it is saved, or durable without that when
   * the store fails (L12).
   *
   * @throws RegistryError when the machine fails (L10): the entries before that one are answered, none behind it is.
   */
  async apply(entries: readonly Entry[], answer: Answer<R>): Promise<void> {
    await this.#exclusively(async () => {
      if (this.#refusing !== undefined) throw new RegistryError("dataAccess", this.#refusing);
      for (let next = 0; next < entries.length; ) {
        if (next > 0) await turn();
        next = await this.#applySlice(entries, next, answer);
      }
    });
  }

  /**
   * Has the store take what it could not take before. Whoever brings more entries asks for this first: so what waits for
   * the store is bounded by one call of `apply` (L11).
   *
   * @throws RegistryError `dataAccess` while the store fails.
   */
  async catchUp(): Promise<void> {
    if (this.#behind === undefined) return;
    await this.#exclusively(async () => {
      if (this.#behind !== undefined) await this.#save({ rows: [] }, this.#behind);
      if (this.#behind !== undefined) throw this.#saver.failing ?? new RegistryError("dataAccess", "the store fails");
    });
  }

  /**
   * Lets another state take the place of what was applied so far; nothing is applied meanwhile.
   * @param work  resolves with the last entry of the new state.
   */
  async replace(work: () => Promise<Mark>): Promise<void> {
    await this.#exclusively(async () => {
      this.#mark = await work();
      this.#behind = undefined;
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#catchingUp;
  }

  async #exclusively(work: () => Promise<void>): Promise<void> {
    clearTimeout(this.#timer);
    this.#isApplying = true;
    try {
      await this.#catchingUp;
      await work();
    } finally {
      this.#isApplying = false;
      this.#planCatchUp();
    }
  }

  /** Who reads what an import wrote waits until the store has it (L12), also on a server where nobody writes. */
  #planCatchUp(): void {
    if (this.#behind === undefined || this.#isClosed) return;
    this.#timer = setTimeout(() => {
      const behind = this.#behind;
      if (this.#isApplying || behind === undefined) return;
      this.#catchingUp = this.#save({ rows: [] }, behind).then(() => {
        this.#catchingUp = undefined;
        if (!this.#isApplying) this.#planCatchUp();
      });
    }, this.#timerMs).unref();
    this.#timerMs = Math.min(CATCH_UP_MS_MAX, this.#timerMs * 2);
  }

  async #save(writes: Writes, mark: Mark): Promise<void> {
    const saved = await this.#saver.save(writes, mark);
    this.#behind = saved ? undefined : mark;
    if (!saved) return;
    this.#timerMs = CATCH_UP_MS;
    this.#machine.saved?.(mark.index);
  }

  /** Applies entries until time, rows or bytes are used up, saves them together, then answers. */
  async #applySlice(entries: readonly Entry[], from: number, answer: Answer<R>): Promise<number> {
    const outcomes: (Applied<R> | undefined)[] = [];
    const writes = new Gathered();
    const sliceEndsAt = performance.now() + SLICE_MS;
    let bytes = 0;
    let mark = this.#mark;
    let next = from;
    let broken: RegistryError | undefined;
    while (next < entries.length && (next === from || (performance.now() < sliceEndsAt && bytes < SLICE_BYTES_MAX))) {
      const entry = entries[next];
      if (entry === undefined || writes.count >= SLICE_ROWS_MAX) break;
      try {
        const applied = applyRecord(this.#machine, entry);
        if (applied !== undefined) writes.add(applied);
        outcomes.push(applied);
      } catch (thrown) {
        broken = this.#break(entry.index, thrown);
        break;
      }
      mark = markOf(entry, mark);
      bytes += entry.payload.length;
      next += 1;
    }
    if (next > from) {
      this.#mark = mark;
      writes.add({ rows: this.#machine.sliceRows?.() ?? [] });
      // To decode and apply a content of megabytes has taken a slice already; to store it takes the next.
      if (bytes >= SLICE_BYTES_MAX) await turn();
      await this.#save(writes, mark);
    }
    for (const [at, applied] of outcomes.entries()) answer(from + at, applied);
    if (broken !== undefined) throw broken;
    return next;
  }

  /** A state machine that throws has a broken invariant, and its state may be half changed: nothing follows (L10). */
  #break(index: number, thrown: unknown): RegistryError {
    if (thrown instanceof UnknownKind) {
      this.#refusing = `the log stopped before its record ${index}, because ${thrown.message}: upgrade this member to the version of the member that wrote it`;
      return new RegistryError("outcomeUnknown", this.#refusing, { cause: thrown });
    }
    this.#refusing = `the log stopped, because applying its record ${index} failed: report this as a bug and restart`;
    const outcome = `record ${index} is in the log, but applying it failed, so that this command's outcome is unknown`;
    return new RegistryError("outcomeUnknown", outcome, { cause: thrown });
  }
}

/** What several entries write, in their order. */
export class Gathered implements Writes {
  readonly rows: RowWrite[] = [];
  readonly configs: ConfigWrite[] = [];

  get count(): number {
    return this.rows.length + this.configs.length;
  }

  add({ rows, configs = [] }: Writes): void {
    // One by one: an edit of many instances has more rows than a call takes as arguments.
    for (const row of rows) this.rows.push(row);
    for (const write of configs) this.configs.push(write);
  }
}

/** The mark of a store that holds everything up to this entry. */
export function markOf({ index, term, checksum, kind, payload }: Entry, before: Mark): Mark {
  const configuration = kind === "configuration" ? payload.toString() : before.configuration;
  return { index, term, checksum, configuration };
}

/** Gives the machine what a replay would give it: the command as the log holds it, not the caller's object (L3). */
export function applyRecord<C, R>(machine: StateMachine<C, R>, record: Entry): Applied<R> | undefined {
  const { index, at, kind, payload } = record;
  if (kind !== "command") return undefined;
  const command = machine.codec === undefined ? JSON.parse(payload.toString()) : machine.codec.decode(payload);
  return machine.apply({ index, at, command: command as C });
}
