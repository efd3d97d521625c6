import type { Base, ClientId } from "@nacre/core/distro";
import type { ServiceName } from "@nacre/protocol";
import type { Kept } from "./client-journal-records.ts";

/** What so many services take to be read and written holds the event loop for a few milliseconds. */
export const SLICE_SERVICES_MAX = 100;
/** What the first slice of a whole builds on. */
export const NOTHING: Base = { counter: 0, contentHash: 0 };

/**
 * The records of a client with very many services, of which each builds on the one before it. They are written while the
 * client goes on changing, so that none of them is a state that there was: only the last one, which has what changed
 * meanwhile, makes them one. Until it is there they count for nothing.
 */
export class Slices {
  readonly id: ClientId;
  /** Whether the records before these are outdated by them. */
  readonly isWhole: boolean;
  bytes = 0;
  isDone = false;
  #services: readonly ServiceName[];
  #at = 0;
  #changed = new Set<ServiceName>();
  #base: Base;
  #number = 0;
  readonly #incarnation: number;
  #isOvertaken = false;

  /** @param base  what is written of the client and stays; undefined: nothing. */
  constructor(id: ClientId, incarnation: number, services: Iterable<ServiceName>, base: Base | undefined) {
    this.id = id;
    this.isWhole = base === undefined;
    this.#incarnation = incarnation;
    this.#services = [...services];
    this.#base = base ?? NOTHING;
  }

  /** The client has changed meanwhile, for these services or all over. */
  note(services: readonly ServiceName[] | undefined): void {
    if (services === undefined) this.#isOvertaken = true;
    else for (const service of services) this.#changed.add(service);
  }

  /** @returns the next record, after the last of which `isDone`; undefined when all has to begin anew. */
  next(keptOf: (id: ClientId, services: readonly ServiceName[]) => Kept | undefined): Kept | undefined {
    if (this.#at >= this.#services.length && this.#changed.size > SLICE_SERVICES_MAX) {
      this.#services = [...this.#changed];
      this.#changed = new Set();
      this.#at = 0;
    }
    const isLast = this.#at >= this.#services.length;
    const services = isLast ? [...this.#changed] : this.#services.slice(this.#at, this.#at + SLICE_SERVICES_MAX);
    const kept = keptOf(this.id, services);
    if (this.#isOvertaken || kept?.contents === undefined || kept.version.incarnation !== this.#incarnation)
      return undefined;
    this.#at += SLICE_SERVICES_MAX;
    this.isDone = isLast;
    const base = this.#base;
    if (isLast) return { ...kept, base };
    // A number in place of the hash of a state: so none can be missing between two that seem to belong together.
    this.#base = { counter: kept.version.counter, contentHash: ++this.#number };
    return { ...kept, base, contentHash: this.#number };
  }
}
