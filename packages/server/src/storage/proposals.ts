import type { ConfigWrite } from "@nacre/core/config";
import { RegistryError } from "@nacre/protocol";
import type { Appended } from "./log-file.ts";
import type { Applied, RowWrite, StateMachine, Writes } from "./port.ts";
import { type NewRecord, PAYLOAD_BYTES_MAX } from "./records.ts";
import type { Mark } from "./store.ts";
import { turn } from "./turn.ts";

/** Bounds of what waits (L11) and of what goes to the disk at once. */
export interface ProposalLimits {
  /** Proposals that may wait at once, those being written included. */
  readonly pendingMax: number;
  /** Bytes of their commands, as the log holds them. */
  readonly pendingBytesMax: number;
  /** Entries of one group commit. */
  readonly batchEntriesMax: number;
  /** Bytes of one group commit; a single larger command is a batch of its own. */
  readonly batchBytesMax: number;
}

/** Where batches go: a file and SQLite, or nowhere. */
export interface Medium {
  /** @throws RegistryError when the batch is not durable; none of it may then be in the log. */
  append(records: readonly NewRecord[]): Promise<Appended>;
  /** Takes what the entries up to the mark write. Never fails. @returns whether the store now holds all of it. */
  save(writes: Writes, mark: Mark): Promise<boolean>;
}

interface Pending<R> extends NewRecord {
  resolve(result: R): void;
  reject(error: RegistryError): void;
}

/** How long entries are applied before they are stored, and of how many rows and bytes at most. */
const SLICE_MS = 5;
const SLICE_ROWS_MAX = 512;
const SLICE_BYTES_MAX = 1024 * 1024;
/** How soon a store that failed is tried again when nobody writes; each time twice as late, up to the maximum. */
const CATCH_UP_MS = 500;
const CATCH_UP_MS_MAX = 60_000;

/**
 * The order in which commands become state, the same for every medium: collect, append, apply, save, answer (L1). One
 * batch is under way at a time; what is proposed meanwhile forms the next.
 */
export class Proposals<C, R> {
  readonly #machine: StateMachine<C, R>;
  readonly #medium: Medium;
  readonly #limits: ProposalLimits;
  readonly #wallClock: () => number;
  readonly #waiting: Pending<R>[] = [];
  #batchLength = 0;
  #pendingBytes = 0;
  #appliedIndex: number;
  #refusing: string | undefined;
  #closing = false;
  #running: Promise<void> | undefined;
  /** What the store could not take reaches to here. */
  #behind: Mark | undefined;
  #catchUp: NodeJS.Timeout | undefined;
  #catchUpMs = CATCH_UP_MS;

  constructor(options: {
    readonly machine: StateMachine<C, R>;
    readonly medium: Medium;
    readonly limits: ProposalLimits;
    readonly wallClock: () => number;
    readonly appliedIndex: number;
  }) {
    this.#machine = options.machine;
    this.#medium = options.medium;
    this.#limits = options.limits;
    this.#wallClock = options.wallClock;
    this.#appliedIndex = options.appliedIndex;
  }

  get appliedIndex(): number {
    return this.#appliedIndex;
  }

  get pending(): number {
    return this.#waiting.length + this.#batchLength;
  }

  /** Set once the state machine has failed. */
  get refusing(): string | undefined {
    return this.#refusing;
  }

  /** Not `async`: a refusal and the order of proposals are decided before this returns. */
  propose(command: C): Promise<R> {
    if (this.#closing) return refusal("unavailable", "the log takes no more commands, because the server is stopping");
    if (this.#refusing !== undefined) return refusal("dataAccess", this.#refusing);
    const { pendingMax, pendingBytesMax } = this.#limits;
    if (this.pending >= pendingMax) {
      return refusal(
        "overThreshold",
        `${pendingMax} writes are waiting for the disk, which is the limit: try again later`,
      );
    }
    let payload: Buffer;
    try {
      payload = encodeCommand(this.#machine, command);
    } catch (thrown) {
      return Promise.reject(thrown);
    }
    if (payload.length > PAYLOAD_BYTES_MAX) {
      return refusal(
        "invalidParameter",
        `a command may have ${PAYLOAD_BYTES_MAX} bytes, this one has ${payload.length}`,
      );
    }
    if (this.#pendingBytes + payload.length > pendingBytesMax && this.pending > 0) {
      return refusal(
        "overThreshold",
        `${pendingBytesMax} bytes wait for the disk, which is the limit: try again later`,
      );
    }
    this.#pendingBytes += payload.length;
    const at = Math.max(0, Math.floor(this.#wallClock()));
    const answer = new Promise<R>((resolve, reject) => this.#waiting.push({ at, payload, resolve, reject }));
    this.#running ??= this.#run();
    return answer;
  }

  /** Lets accepted proposals finish and refuses later ones. */
  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#catchUp);
    await this.#running;
  }

  async #run(): Promise<void> {
    // What arrives in the same turn of the event loop joins the first batch, instead of waiting for its sync.
    await turn();
    if (this.#behind !== undefined) await this.#save({ rows: [] }, this.#behind);
    while (this.#waiting.length > 0) {
      const batch = this.#take();
      try {
        await this.#commit(batch);
      } catch (thrown) {
        const error = RegistryError.from(thrown);
        // Answers are given in order: what is left of the batch is its end.
        for (const pending of batch.slice(batch.length - this.#batchLength))
          this.#answer(pending, () => pending.reject(error));
      }
    }
    this.#running = undefined;
    this.#planCatchUp();
  }

  /** Who reads what an import wrote waits until the store has it (L12), also on a server where nobody writes. */
  #planCatchUp(): void {
    clearTimeout(this.#catchUp);
    if (this.#behind === undefined || this.#closing) return;
    this.#catchUp = setTimeout(() => {
      this.#running ??= this.#run();
    }, this.#catchUpMs).unref();
    this.#catchUpMs = Math.min(CATCH_UP_MS_MAX, this.#catchUpMs * 2);
  }

  async #save(writes: Writes, mark: Mark): Promise<void> {
    const saved = await this.#medium.save(writes, mark);
    this.#behind = saved ? undefined : mark;
    if (!saved) return;
    this.#catchUpMs = CATCH_UP_MS;
    this.#machine.saved?.(mark.index);
  }

  #take(): Pending<R>[] {
    const { batchEntriesMax, batchBytesMax } = this.#limits;
    let count = 0;
    let bytes = 0;
    for (const { payload } of this.#waiting) {
      bytes += payload.length;
      if (count > 0 && (count === batchEntriesMax || bytes > batchBytesMax)) break;
      count += 1;
    }
    this.#batchLength = count;
    return this.#waiting.splice(0, count);
  }

  async #commit(batch: readonly Pending<R>[]): Promise<void> {
    if (this.#refusing !== undefined) throw new RegistryError("dataAccess", this.#refusing);
    const { firstIndex, checksums } = await this.#medium.append(batch);
    for (let next = 0; next < batch.length; ) {
      if (next > 0) await turn();
      next = await this.#applySlice(batch, next, firstIndex, checksums);
    }
  }

  /** Applies entries until time, rows or bytes are used up, saves them together, then answers. */
  async #applySlice(
    batch: readonly Pending<R>[],
    from: number,
    firstIndex: number,
    checksums: readonly number[],
  ): Promise<number> {
    const outcomes: (() => void)[] = [];
    const writes = new Gathered();
    const sliceEndsAt = performance.now() + SLICE_MS;
    let bytes = 0;
    let next = from;
    let broken: RegistryError | undefined;
    while (next < batch.length && (next === from || (performance.now() < sliceEndsAt && bytes < SLICE_BYTES_MAX))) {
      const pending = batch[next];
      if (pending === undefined || writes.count >= SLICE_ROWS_MAX) break;
      try {
        const applied = applyRecord(this.#machine, firstIndex + next, pending);
        writes.add(applied);
        outcomes.push(() => this.#answer(pending, () => settle(pending, applied)));
      } catch (thrown) {
        broken = this.#break(firstIndex + next, thrown);
        break;
      }
      bytes += pending.payload.length;
      next += 1;
    }
    if (next > from) {
      const index = firstIndex + next - 1;
      this.#appliedIndex = index;
      // To decode and apply a content of megabytes has taken a slice already; to store it takes the next.
      if (bytes >= SLICE_BYTES_MAX) await turn();
      await this.#save(writes, { index, checksum: checksums[next - 1] ?? 0 });
    }
    for (const outcome of outcomes) outcome();
    if (broken !== undefined) throw broken;
    return next;
  }

  /** Makes room first: whoever is answered may propose again. */
  #answer({ payload }: Pending<R>, settle: () => void): void {
    this.#batchLength -= 1;
    this.#pendingBytes -= payload.length;
    settle();
  }

  /** A state machine that throws has a broken invariant, and its state may be half changed: nothing follows (L10). */
  #break(index: number, thrown: unknown): RegistryError {
    this.#refusing = `the log stopped, because applying its record ${index} failed: report this as a bug and restart`;
    const outcome = `record ${index} is in the log, but applying it failed, so that this command's outcome is unknown`;
    return new RegistryError("serverError", outcome, { cause: thrown });
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

function encodeCommand<C>({ codec }: Pick<StateMachine<C, unknown>, "codec">, command: C): Buffer {
  if (codec === undefined) return Buffer.from(JSON.stringify(command));
  const { buffer, byteOffset, length } = codec.encode(command);
  const payload = Buffer.from(buffer, byteOffset, length);
  if (length === 0 || payload.includes(0)) throw new Error("a command's payload is empty or has a zero byte");
  return payload;
}

/** Gives the machine what a replay would give it: the command as the log holds it, not the caller's object (L3). */
export function applyRecord<C, R>(machine: StateMachine<C, R>, index: number, record: NewRecord): Applied<R> {
  const { at, payload } = record;
  const command = machine.codec === undefined ? JSON.parse(payload.toString()) : machine.codec.decode(payload);
  return machine.apply({ index, at, command: command as C });
}

function settle<R>(pending: Pending<R>, applied: Applied<R>): void {
  if (applied.ok) pending.resolve(applied.result);
  else pending.reject(new RegistryError(applied.failure, applied.message));
}

function refusal(...[failure, message]: ConstructorParameters<typeof RegistryError>): Promise<never> {
  return Promise.reject(new RegistryError(failure, message));
}
