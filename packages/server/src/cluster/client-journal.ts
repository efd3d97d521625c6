import { type Changed, ChangedClients, type ClientId, type MemberId } from "@nacre/core/distro";
import type { ServiceName } from "@nacre/protocol";
import type { Clock } from "../clock.ts";
import { failureCode, mend } from "../storage/disk-failure.ts";
import { type Files, nodeFiles } from "../storage/files.ts";
import type { StorageLogger } from "../storage/logger.ts";
import { turn } from "../storage/turn.ts";
import { JournalFiles } from "./client-journal-files.ts";
import { JournalLedger, type Written } from "./client-journal-ledger.ts";
import { type Batch, encodeRecords, type Kept } from "./client-journal-records.ts";
import { SLICE_SERVICES_MAX, Slices } from "./client-journal-slices.ts";
import { type Found, readJournal } from "./client-journal-start.ts";

export type { Kept };

export interface ClientJournalOptions {
  /** Made when the first client is written. */
  readonly directory: string;
  /** This member. What the files hold of others, because the folder had another id once, is passed over. */
  readonly self: MemberId;
  readonly clock: Clock;
  readonly log: StorageLogger;
  /** How long a removal is remembered: as long as Distro remembers it. */
  readonly tombstoneMs: number;
  /**
   * What is to be remembered of a client at this moment: what it publishes with the version of this member's present or
   * earlier life, or that it is gone. Undefined: nothing, since it belongs to another member or is not known any more.
   * Not called before the first `note`.
   *
   * @param services  of what it publishes, what it does for these is enough; undefined: all of it.
   */
  readonly keptOf: (clientId: ClientId, services?: readonly ServiceName[]) => Kept | undefined;
  /** The services of a client that has more than so many. */
  readonly servicesOf: (clientId: ClientId, moreThan: number) => readonly ServiceName[] | undefined;
  /**
   * Called for each client that an earlier life left, before the journal is opened, in no order: what it was last, with
   * an age that went on while the member did not run. What it is given is not kept here, so that contents which are not
   * kept there cost no memory.
   */
  readonly restore: (kept: Kept) => void;
  readonly files?: Files;
  readonly limits?: Partial<ClientJournalLimits>;
}

export interface ClientJournalLimits {
  /** Clients that changed are written together, this long after the first of them. */
  readonly batchMs: number;
  /** After a failure of the disk. */
  readonly retryMs: number;
  /** Clients that wait for a disk that takes nothing. Beyond, the journal ends until the next start. */
  readonly waitingMax: number;
  /** Removals that are remembered; the oldest go first. */
  readonly tombstonesMax: number;
  /** Files are written anew when what is outdated in them exceeds the rest by this. */
  readonly garbageBytes: number;
}

export const CLIENT_JOURNAL_LIMITS: ClientJournalLimits = {
  batchMs: 50,
  retryMs: 2_000,
  waitingMax: 500_000,
  tombstonesMax: 200_000,
  garbageBytes: 1024 * 1024,
};

/**
 * After a record that took so long, which only a service with thousands of instances does, nothing is written for so many
 * times as long: one that changes all the time must not take the processor from everybody.
 */
const DEAR_MS = 20;
const REST_FACTOR = 9;
const REST_MAX_MS = 5_000;
/** One record holds so many clients or instances at most, so that a turn of the event loop takes a millisecond or two. */
const RECORD_CLIENTS_MAX = 128;
const RECORD_INSTANCES_MAX = 1_000;
/** Clients that a turn looks at, most of which may be those of others. */
const LOOKS_MAX = 5_000;

/**
 * What clients of this member publish, on disk, so that a member which starts again serves what it knew.
 *
 * Best effort by design: nobody waits for it, and nothing is synced but what replaces older files. It outlives the
 * process in whatever way that ends, except for the last 50 ms; after a power failure its newest part may be missing.
 * Then clients come back by themselves or from other members, only later.
 */
export interface ClientJournal {
  /**
   * Anything about a client that is, or was, this member's own has changed: what it is now is read a little later. Clients
   * of others may be noted too, since what became of a client that was this member's own is a change by another one.
   *
   * @param services  what it publishes has changed for these alone; none: its version has.
   */
  note(clientId: ClientId, services?: readonly ServiceName[]): void;
  /** Writes what is noted now. Resolves when the files have it, or when the disk does not take it. */
  flush(): Promise<void>;
  /** Writes what is noted, and ends. Nothing that is noted later is written. */
  close(): Promise<void>;
  /** For metrics: bytes of its files, and of what is not outdated in them; clients that wait to be written. */
  facts(): { readonly bytes: number; readonly liveBytes: number; readonly waiting: number };
}

/** Reads what earlier lives left, and never fails: what cannot be read is told to `log` and set aside. */
export async function openClientJournal(options: ClientJournalOptions): Promise<ClientJournal> {
  const { files = nodeFiles, clock } = options;
  return new Journal({ ...options, files }, await readJournal({ ...options, files, wall: clock.wall() }));
}

class Journal implements ClientJournal {
  readonly #options: ClientJournalOptions;
  readonly #limits: ClientJournalLimits;
  readonly #files: JournalFiles;
  readonly #ledger: JournalLedger;
  #waiting = new ChangedClients<never>();
  /** Taken from `#waiting` and not written yet. */
  #taken = new ChangedClients<never>();
  /** One that is written in slices: it is neither waiting nor taken. */
  #sliced: Slices | undefined;
  /** All clients, while the files are written anew. */
  #rewriting: Iterator<ClientId> | undefined;
  #running: Promise<void> | undefined;
  #scheduled = false;
  /** What dear slices of the flush under way took. */
  #dearMs = 0;
  #restUntil = 0;
  #failing = false;
  #ended = false;
  #removing: Promise<unknown> | undefined;

  constructor(options: ClientJournalOptions & { readonly files: Files }, found: Found) {
    this.#options = options;
    this.#limits = { ...CLIENT_JOURNAL_LIMITS, ...options.limits };
    this.#files = new JournalFiles(options.files, options.directory, found);
    this.#ledger = new JournalLedger(options.clock, found);
  }

  note(clientId: ClientId, services?: readonly ServiceName[]): void {
    if (this.#ended) return;
    if (this.#sliced?.id === clientId) return this.#sliced.note(services);
    this.#waiting.add(clientId, services);
    if (this.#waiting.size + this.#taken.size > this.#limits.waitingMax) this.#giveUp();
    else this.#scheduleBatch();
  }

  facts(): { bytes: number; liveBytes: number; waiting: number } {
    const waiting = this.#waiting.size + this.#taken.size + (this.#sliced === undefined ? 0 : 1);
    return { bytes: this.#files.bytes, liveBytes: this.#ledger.liveBytes, waiting };
  }

  async flush(): Promise<void> {
    await this.#running;
    if (this.facts().waiting > 0) await this.#run();
  }

  async close(): Promise<void> {
    if (!this.#ended) {
      this.#ended = true;
      await this.flush();
    }
    await this.#removing;
    await this.#files.close();
  }

  /** What changes first after quiet is written at once: a removal that a killed process did not write comes back. */
  #scheduleBatch(): void {
    this.#schedule(Math.max(0, this.#restUntil - this.#options.clock.now()));
  }

  #schedule(delayMs: number): void {
    if (this.#scheduled || this.#ended || this.#running !== undefined) return;
    this.#scheduled = true;
    this.#options.clock.schedule(delayMs, () => {
      this.#scheduled = false;
      if (!this.#ended && this.#running === undefined) void this.#run();
    });
  }

  #run(): Promise<void> {
    const { clock } = this.#options;
    this.#dearMs = 0;
    this.#running = this.#flush().finally(() => {
      this.#running = undefined;
      const restMs = Math.min(REST_MAX_MS, REST_FACTOR * this.#dearMs);
      this.#restUntil = clock.now() + Math.max(this.#limits.batchMs, restMs);
      if (this.#failing) this.#schedule(this.#limits.retryMs);
      else if (this.#waiting.size > 0) this.#scheduleBatch();
    });
    return this.#running;
  }

  /** Writes what waits, slice by slice: every write is a turn of the event loop for others. */
  async #flush(): Promise<void> {
    if (this.#taken.size === 0) [this.#taken, this.#waiting] = [this.#waiting, this.#taken];
    else {
      for (const id of this.#waiting.ids()) this.#taken.add(id, this.#waiting.get(id)?.services);
      this.#waiting.clear();
    }
    try {
      this.#ledger.expire(this.#options.tombstoneMs, this.#limits.tombstonesMax);
      if (this.#isDue()) await this.#rewrite();
      while (this.#rewriting !== undefined || this.#taken.size > 0 || this.#sliced !== undefined) {
        const batch = this.#sliced === undefined ? this.#next() : this.#nextSlice(this.#sliced);
        const { wholes, parts, slices, forgotten } = batch;
        try {
          if (wholes.length + parts.length + slices.length + forgotten.length > 0) await this.#write(batch);
          else await turn();
        } catch (thrown) {
          for (const { id } of [...wholes, ...parts, ...slices]) this.#taken.add(id);
          for (const id of forgotten) this.#taken.add(id);
          if (this.#sliced !== undefined) this.#taken.add(this.#sliced.id);
          this.#sliced = undefined;
          throw thrown;
        }
      }
      await this.#files.removeObsolete();
      this.#failing = false;
    } catch (thrown) {
      this.#failed(thrown);
    }
  }

  /** What comes next, as it is now: all clients while they are written anew, then those that changed. */
  #next(): Batch {
    const { keptOf, self, clock } = this.#options;
    const beganAt = clock.now();
    const wholes: Kept[] = [];
    const parts: Kept[] = [];
    const forgotten: ClientId[] = [];
    let items = 0;
    let instances = 0;
    let looks = 0;
    const isFull = (): boolean =>
      items >= RECORD_CLIENTS_MAX ||
      instances >= RECORD_INSTANCES_MAX ||
      looks >= LOOKS_MAX ||
      this.#sliced !== undefined;
    const take = (id: ClientId, changed?: Changed<never>): void => {
      looks++;
      const head = keptOf(id, []);
      if (head === undefined || head.version.owner !== self) {
        // Most are clients of others, of which nothing is written.
        if (!this.#ledger.has(id)) return;
        forgotten.push(id);
        items++;
        return;
      }
      const base = this.#baseOf(head, changed);
      if (this.#startSlices(head, base && changed?.services, base)) return;
      const one = head.contents === undefined ? head : keptOf(id, base && [...(changed?.services ?? [])]);
      if (one === undefined) return;
      if (base === undefined) wholes.push(one);
      else parts.push({ ...one, base });
      items++;
      for (const publication of one.contents?.publications ?? []) instances += publication.instances.length + 1;
    };
    while (this.#rewriting !== undefined && !isFull()) {
      const next = this.#rewriting.next();
      if (next.done === true) this.#rewriting = undefined;
      else {
        // A part would build on what is about to be removed.
        this.#claim(next.value);
        take(next.value);
      }
    }
    for (const id of this.#taken.ids()) {
      if (isFull()) break;
      take(id, this.#claim(id));
    }
    this.#noteDear(clock.now() - beganAt);
    return { wholes, parts, slices: [], forgotten };
  }

  /** All that changed of a client up to now: what is written of it is what it is now. */
  #claim(id: ClientId): Changed<never> | undefined {
    const later = this.#waiting.take(id);
    if (later !== undefined) this.#taken.add(id, later.services);
    return this.#taken.take(id);
  }

  /** What a part of a client builds on; undefined when the whole of it has to be written. */
  #baseOf({ id, version, contents }: Kept, changed: Changed<never> | undefined): Written | undefined {
    const written = this.#ledger.written(id);
    if (changed?.services === undefined || contents === undefined) return undefined;
    return written?.incarnation === version.incarnation ? written : undefined;
  }

  /** @returns whether there is so much to write that it is written in slices. */
  #startSlices(
    { id, version, contents }: Kept,
    part: Set<ServiceName> | undefined,
    base: Written | undefined,
  ): boolean {
    if (contents === undefined || (part !== undefined && part.size <= SLICE_SERVICES_MAX)) return false;
    const services = part ?? this.#options.servicesOf(id, SLICE_SERVICES_MAX);
    if (services === undefined) return false;
    this.#sliced = new Slices(id, version.incarnation, services, base);
    return true;
  }

  #nextSlice(sliced: Slices): Batch {
    const nothing: Batch = { wholes: [], parts: [], slices: [], forgotten: [] };
    const beganAt = this.#options.clock.now();
    const kept = sliced.next(this.#options.keptOf);
    this.#noteDear(this.#options.clock.now() - beganAt);
    if (kept !== undefined) return sliced.isDone ? { ...nothing, parts: [kept] } : { ...nothing, slices: [kept] };
    this.#sliced = undefined;
    // Before files go in which it stands.
    this.#taken.add(sliced.id);
    return nothing;
  }

  #noteDear(tookMs: number): void {
    if (tookMs >= DEAR_MS) this.#dearMs += tookMs;
  }

  async #write(batch: Batch): Promise<void> {
    const { clock } = this.#options;
    await this.#files.open();
    const beganAt = clock.now();
    const { bytes, wholeBytes } = encodeRecords(batch, clock.wall());
    this.#noteDear(clock.now() - beganAt);
    await this.#files.append(bytes);
    const share = Math.round(wholeBytes / batch.wholes.length);
    for (const id of batch.forgotten) this.#ledger.uncount(id);
    for (const one of batch.wholes) this.#ledger.count(one, share);
    for (const one of [...batch.wholes, ...batch.parts]) this.#ledger.remember(one);
    if (this.#sliced !== undefined) this.#countSlice(this.#sliced, bytes.length, batch);
  }

  #countSlice(sliced: Slices, bytes: number, { parts: [last], slices }: Batch): void {
    if (slices.length > 0 || sliced.isDone) sliced.bytes += bytes;
    if (!sliced.isDone || last === undefined) return;
    this.#sliced = undefined;
    if (sliced.isWhole) this.#ledger.count(last, sliced.bytes);
  }

  #isDue(): boolean {
    if (this.#rewriting !== undefined || this.#files.isRenewing) return false;
    const { liveBytes } = this.#ledger;
    const garbage = this.#files.bytes - liveBytes;
    return garbage > liveBytes + this.#limits.garbageBytes || this.#files.isScattered;
  }

  /** All that is known goes into a new file. */
  async #rewrite(): Promise<void> {
    await this.#files.renew();
    this.#rewriting = this.#ledger.all();
  }

  #failed(thrown: unknown): void {
    if (this.#failing) return;
    this.#failing = true;
    const { directory, log } = this.#options;
    log.warn(
      { code: failureCode(thrown) },
      `the journal of clients in ${directory} cannot be written (${failureCode(thrown)}), so that a restart now would ` +
        `forget what clients publish until they are back: ${mend(thrown)}`,
    );
  }

  /** So much is missing in the files that they are worse than none: they go, as far as the disk lets them. */
  #giveUp(): void {
    const { directory, log } = this.#options;
    this.#ended = true;
    this.#waiting.clear();
    this.#taken.clear();
    this.#rewriting = undefined;
    this.#sliced = undefined;
    log.warn(
      {},
      `the journal of clients in ${directory} ends until the next start, because its disk takes nothing and more than ` +
        `${this.#limits.waitingMax} changed clients wait for it: check that disk`,
    );
    this.#removing = this.#files.removeAll();
  }
}
