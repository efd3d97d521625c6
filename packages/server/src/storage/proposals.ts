import { RegistryError } from "@nacre/protocol";
import type { Applier } from "./applier.ts";
import type { Appended } from "./log-file.ts";
import type { Applied, StateMachine } from "./port.ts";
import { type NewRecord, PAYLOAD_BYTES_MAX } from "./records.ts";
import { turn } from "./turn.ts";

/** Bounds of what goes to the disk at once. */
export interface BatchLimits {
  /** Entries of one group commit. */
  readonly batchEntriesMax: number;
  /** Bytes of one group commit; a single larger command is a batch of its own. */
  readonly batchBytesMax: number;
}

/** Why a write is not taken while `max` others wait. */
export function tooManyWait(max: number): string {
  return `${max} writes wait at this member, which is the most it takes at a time: try again when they are done`;
}

/** Why a write of so many bytes is not taken while others wait that have `waiting`. */
export function tooMuchWaits(bytes: number, waiting: number, max: number): string {
  return (
    `this write has ${bytes} bytes and writes of ${waiting} bytes wait at this member, which takes ${max} at a time: ` +
    "try again when they are done"
  );
}

/** Bounds of what waits (L11), and of what goes to the disk at once. */
export interface ProposalLimits extends BatchLimits {
  /** Proposals that may wait at once, those being written included. */
  readonly pendingMax: number;
  /** Bytes of their commands, as the log holds them. */
  readonly pendingBytesMax: number;
}

interface EncodedBy<C> {
  readonly codec?: StateMachine<C, unknown>["codec"] | undefined;
}

/** Where batches become durable: a file, or nowhere. */
export interface Journal {
  /** @throws RegistryError when the batch is not durable; none of it may then be in the log. */
  append(records: readonly NewRecord[]): Promise<Appended>;
}

/** A command on its way; it is an entry once it has been appended. */
interface Pending<R> extends NewRecord {
  index: number;
  checksum: number;
  resolve(result: R): void;
  reject(error: RegistryError): void;
}

/**
 * The order in which commands of a member by itself become state, the same for every journal: collect, append, and what
 * is appended is applied (L1). One batch is under way at a time; what is proposed meanwhile forms the next.
 */
export class Proposals<C, R> {
  readonly #machine: StateMachine<C, R>;
  readonly #journal: Journal;
  readonly #applier: Applier<C, R>;
  readonly #limits: ProposalLimits;
  readonly #wallClock: () => number;
  readonly #waiting: Pending<R>[] = [];
  #batchLength = 0;
  #pendingBytes = 0;
  #closing = false;
  #running: Promise<void> | undefined;

  constructor(options: {
    readonly machine: StateMachine<C, R>;
    readonly journal: Journal;
    readonly applier: Applier<C, R>;
    readonly limits: ProposalLimits;
    readonly wallClock: () => number;
  }) {
    this.#machine = options.machine;
    this.#journal = options.journal;
    this.#applier = options.applier;
    this.#limits = options.limits;
    this.#wallClock = options.wallClock;
  }

  get pending(): number {
    return this.#waiting.length + this.#batchLength;
  }

  /** Not `async`: a refusal and the order of proposals are decided before this returns. */
  propose(command: C): Promise<R> {
    if (this.#closing) return refusal("unavailable", "the log takes no more commands, because the server is stopping");
    const { refusing } = this.#applier;
    if (refusing !== undefined) return refusal("dataAccess", refusing);
    const { pendingMax, pendingBytesMax } = this.#limits;
    if (this.pending >= pendingMax) {
      return refusal("overThreshold", tooManyWait(pendingMax));
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
      return refusal("overThreshold", tooMuchWaits(payload.length, this.#pendingBytes, pendingBytesMax));
    }
    this.#pendingBytes += payload.length;
    const at = Math.max(0, Math.floor(this.#wallClock()));
    const answer = new Promise<R>((resolve, reject) =>
      this.#waiting.push({ term: 0, kind: "command", at, payload, index: 0, checksum: 0, resolve, reject }),
    );
    this.#running ??= this.#run();
    return answer;
  }

  /** Lets accepted proposals finish and refuses later ones. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#running;
    await this.#applier.close();
  }

  async #run(): Promise<void> {
    // What arrives in the same turn of the event loop joins the first batch, instead of waiting for its sync.
    await turn();
    while (this.#waiting.length > 0) {
      const batch = this.#take();
      try {
        await this.#commit(batch);
      } catch (thrown) {
        const error = RegistryError.from(thrown);
        // Answers are given in order: what is left of the batch is its end.
        for (const pending of batch.slice(batch.length - this.#batchLength)) this.#answer(pending, error);
      }
    }
    this.#running = undefined;
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
    const { refusing } = this.#applier;
    if (refusing !== undefined) throw new RegistryError("dataAccess", refusing);
    await this.#applier.catchUp();
    const { firstIndex, checksums } = await this.#journal.append(batch);
    for (const [place, pending] of batch.entries()) {
      pending.index = firstIndex + place;
      pending.checksum = checksums[place] ?? 0;
    }
    await this.#applier.apply(batch, (place, applied) => {
      const pending = batch[place];
      if (pending !== undefined && applied !== undefined) this.#answer(pending, applied);
    });
  }

  /** Makes room first: whoever is answered may propose again. */
  #answer(pending: Pending<R>, outcome: Applied<R> | RegistryError): void {
    this.#batchLength -= 1;
    this.#pendingBytes -= pending.payload.length;
    if (outcome instanceof RegistryError) pending.reject(outcome);
    else if (outcome.ok) pending.resolve(outcome.result);
    else pending.reject(new RegistryError(outcome.failure, outcome.message));
  }
}

/** @throws Error for a codec that breaks its contract. */
export function encodeCommand<C>({ codec }: EncodedBy<C>, command: C): Buffer {
  if (codec === undefined) return Buffer.from(JSON.stringify(command));
  const { buffer, byteOffset, length } = codec.encode(command);
  const payload = Buffer.from(buffer, byteOffset, length);
  if (length === 0 || payload.includes(0)) throw new Error("a command's payload is empty or has a zero byte");
  return payload;
}

function refusal(...[failure, message]: ConstructorParameters<typeof RegistryError>): Promise<never> {
  return Promise.reject(new RegistryError(failure, message));
}
