import type { Index, Persist, Snapshot, Trust } from "@nacre/core/raft";
import { RegistryError } from "@nacre/protocol";
import type { BatchLimits } from "../storage/proposals.ts";
import type { Storage } from "../storage/storage.ts";
import type { TailEntry } from "./tail.ts";

export interface DiskEvents {
  /** Everything up to this `persist` is on disk. */
  persisted(number: number): void;
  /**
   * This `persist` and all after it were not written.
   * @param isOfSnapshot  it was the snapshot that was not good, and not the disk.
   */
  failed(number: number, error: RegistryError, isOfSnapshot: boolean): void;
  /** A cut failed half way: nobody knows what of the log is on the disk. */
  broken(error: RegistryError): void;
  /** Puts the snapshot that came in the place of everything. @throws RegistryError */
  install(snapshot: Snapshot): Promise<void>;
}

interface Write {
  readonly number: number;
  readonly hard: Persist["hard"];
  readonly snapshot: Snapshot | undefined;
  readonly cutFrom: Index | undefined;
  readonly entries: readonly TailEntry[];
}

/** Writes that go to disk together, and the last number of them. */
interface Group extends Write {
  readonly last: number;
}

/**
 * Brings what the core wants on disk there, in order: one write and one sync for all entries that came while the write
 * before was under way (Q2).
 */
export class Disk {
  readonly #storage: Pick<Storage<never, never>, "log" | "vote">;
  readonly #limits: BatchLimits;
  readonly #events: DiskEvents;
  readonly #queue: Write[] = [];
  #trust: Trust;
  #running: Promise<void> | undefined;

  constructor(storage: Pick<Storage<never, never>, "log" | "vote">, events: DiskEvents, limits: BatchLimits) {
    this.#storage = storage;
    this.#events = events;
    this.#limits = limits;
    this.#trust = storage.vote.state.trust;
  }

  /** @param entries  those that the write appends. */
  write({ number, hard, snapshot, cutFrom }: Persist, entries: readonly TailEntry[]): void {
    this.#enqueue({ number, hard, snapshot, cutFrom, entries });
  }

  /** What this member has lost, or has again. Nothing waits for that to be on disk. */
  trusts(trust: "whole" | "stateLost"): void {
    this.#trust = trust;
    this.#enqueue({ number: 0, hard: undefined, snapshot: undefined, cutFrom: undefined, entries: [] });
  }

  /** Resolves when nothing is being written. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  #enqueue(write: Write): void {
    this.#queue.push(write);
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    // Whoever asked is in the middle of a step.
    await undefined;
    while (this.#queue.length > 0) {
      const group = this.#take();
      const { refusing } = this.#storage.log;
      try {
        await this.#perform(group);
      } catch (thrown) {
        // Nobody waits for the trust, which goes with the next write. Those behind it are waited for: they are tried.
        if (group.number === 0) continue;
        this.#queue.length = 0;
        const error = RegistryError.from(thrown);
        const { log } = this.#storage;
        const isHalfWay = group.cutFrom !== undefined && refusing === undefined && log.refusing !== undefined;
        const isFailing = log.refusing !== undefined || log.full !== undefined;
        if (isHalfWay) this.#events.broken(error);
        else this.#events.failed(group.number, error, group.snapshot !== undefined && !isFailing);
        continue;
      }
      if (group.last > 0) this.#events.persisted(group.last);
    }
    this.#running = undefined;
  }

  /** The next write, with those behind it that only append to the same end of the log. */
  #take(): Group {
    const [first] = this.#queue as [Write];
    if (first.snapshot !== undefined) {
      this.#queue.shift();
      return { ...first, last: first.number };
    }
    const { batchEntriesMax, batchBytesMax } = this.#limits;
    let { number, hard } = first;
    let entries = first.entries;
    let last = number;
    let bytes = bytesOf(entries);
    let count = 1;
    for (; count < this.#queue.length; count++) {
      const next = this.#queue[count] as Write;
      if (next.snapshot !== undefined || next.cutFrom !== undefined) break;
      bytes += bytesOf(next.entries);
      if (entries.length > 0 && next.entries.length > 0) {
        if (entries.length + next.entries.length > batchEntriesMax || bytes > batchBytesMax) break;
      }
      if (next.entries.length > 0) entries = entries.length === 0 ? next.entries : entries.concat(next.entries);
      // Term and vote of later writes are told to nobody before all of them are there.
      hard = next.hard ?? hard;
      number = number === 0 ? next.number : number;
      last = Math.max(last, next.number);
    }
    this.#queue.splice(0, count);
    return { number, hard, snapshot: undefined, cutFrom: first.cutFrom, entries, last };
  }

  /** In the order in which a crash may leave a part of it: term and vote, snapshot, cut, entries. */
  async #perform({ hard, snapshot, cutFrom, entries }: Group): Promise<void> {
    const { log, vote } = this.#storage;
    if (hard !== undefined || this.#trust !== vote.state.trust) {
      const { term, vote: votedFor } = hard ?? vote.state;
      await vote.write({ term, vote: votedFor, trust: this.#trust });
    }
    if (snapshot !== undefined) await this.#events.install(snapshot);
    const [first] = entries;
    if (cutFrom === undefined && first === undefined) return;
    const { checksums } =
      cutFrom === undefined ? await log.append(entries, first?.index) : await log.truncateFrom(cutFrom, entries);
    entries.forEach((entry, at) => {
      entry.checksum = checksums[at] ?? 0;
    });
  }
}

function bytesOf(entries: readonly TailEntry[]): number {
  return entries.reduce((sum, { payload }) => sum + payload.length, 0);
}
