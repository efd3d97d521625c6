import type { ClientId } from "@nacre/core/distro";
import type { Clock } from "../clock.ts";
import type { Kept } from "./client-journal-records.ts";
import type { Found } from "./client-journal-start.ts";

/** Clients with so few services are always written as wholes, so that nothing has to be remembered of what was written. */
const WHOLE_SERVICES_MAX = 8;
const EXPIRED_PER_FLUSH_MAX = 5_000;

/** What the records of a client say when all of them are read. */
export interface Written {
  readonly incarnation: number;
  readonly counter: number;
  readonly contentHash: number;
}

/** What stands in the files of the journal, client by client, and what of their bytes is not outdated. */
export class JournalLedger {
  readonly #clock: Clock;
  /** Bytes of the newest whole of each client; parts on top of it are outdated when that is written again. */
  readonly #live: Map<ClientId, number>;
  /** Of clients with many services, on what the next part of them builds. */
  readonly #written = new Map<ClientId, Written>();
  /** Oldest first, as they were written. */
  readonly #gone = new Map<ClientId, { bytes: number; readonly at: number }>();
  #liveBytes = 0;

  constructor(clock: Clock, found: Found) {
    this.#clock = clock;
    this.#live = found.live;
    for (const bytes of found.live.values()) this.#liveBytes += bytes;
    for (const { id, ageMs, bytes } of found.gone) {
      this.#gone.set(id, { bytes, at: clock.now() - ageMs });
      this.#liveBytes += bytes;
    }
  }

  get liveBytes(): number {
    return this.#liveBytes;
  }

  has(id: ClientId): boolean {
    return this.#live.has(id) || this.#gone.has(id);
  }

  /** What a part of it would build on, when its records are of a client with many services. */
  written(id: ClientId): Written | undefined {
    return this.#written.get(id);
  }

  *all(): Generator<ClientId> {
    yield* this.#gone.keys();
    yield* this.#live.keys();
  }

  /** The whole of it, or its tombstone, was written. */
  count({ id, gone, ageMs }: Kept, bytes: number): void {
    if (gone === undefined) {
      const held = this.#live.get(id);
      if (held === undefined) this.uncount(id);
      else this.#liveBytes -= held;
      // Keeps its place: one that moved to the end would be found again by a rewriting, for ever.
      this.#live.set(id, bytes);
    } else {
      const held = this.#gone.get(id);
      if (held === undefined) this.uncount(id);
      else this.#liveBytes -= held.bytes;
      this.#gone.set(id, { bytes, at: held?.at ?? this.#clock.now() - ageMs });
    }
    this.#liveBytes += bytes;
  }

  uncount(id: ClientId): void {
    this.#liveBytes -= this.#live.get(id) ?? this.#gone.get(id)?.bytes ?? 0;
    this.#live.delete(id);
    this.#gone.delete(id);
    this.#written.delete(id);
  }

  /** The next part of it builds on what was written just now. */
  remember({ id, version: { incarnation, counter }, contentHash, contents, base }: Kept): void {
    const isLarge = base !== undefined || (contents?.publications.length ?? 0) > WHOLE_SERVICES_MAX;
    if (isLarge) this.#written.set(id, { incarnation, counter, contentHash });
    else this.#written.delete(id);
  }

  /** Removals whose time is over are garbage from now on, and the oldest of more than so many. */
  expire(tombstoneMs: number, tombstonesMax: number): void {
    const before = this.#clock.now() - tombstoneMs;
    let count = 0;
    for (const [id, { at }] of this.#gone) {
      const isOver = at < before || this.#gone.size > tombstonesMax;
      if (!isOver || count++ >= EXPIRED_PER_FLUSH_MAX) return;
      this.uncount(id);
    }
  }
}
