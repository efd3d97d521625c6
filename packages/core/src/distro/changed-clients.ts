import type { ServiceName } from "@nacre/protocol";
import type { ClientId } from "./model.ts";

/** What changed of a client that waits: these services since `base`, or anything. */
export interface Changed<Base> {
  readonly base: Base | undefined;
  readonly services: Set<ServiceName> | undefined;
}

/** Of all of them. Beyond, clients wait as wholes, which take no memory here. */
const SERVICES_MAX = 100_000;

const ANYTHING: Changed<never> = { base: undefined, services: undefined };

/**
 * Clients that changed and wait to be told, oldest first, each once however often it changes. Beside the id of each it is
 * remembered which of its services changed, as long as these are few.
 */
export class ChangedClients<Base> {
  readonly #all = new Map<ClientId, Changed<Base>>();
  readonly #servicesOfClientMax: number;
  #services = 0;

  /** @param servicesOfClientMax  with more of them than this a client waits as a whole. */
  constructor(servicesOfClientMax = SERVICES_MAX) {
    this.#servicesOfClientMax = servicesOfClientMax;
  }

  get size(): number {
    return this.#all.size;
  }

  get(id: ClientId): Changed<Base> | undefined {
    return this.#all.get(id);
  }

  /** @param services  what changed since `base`, which counts for a client that does not wait yet; undefined: anything. */
  add(id: ClientId, services?: Iterable<ServiceName>, base?: Base): void {
    const held = this.#all.get(id);
    if (services === undefined) {
      this.#uncount(held);
      this.#all.set(id, ANYTHING);
      return;
    }
    if (held !== undefined && held.services === undefined) return;
    const all = held?.services ?? new Set();
    const before = all.size;
    for (const service of services) all.add(service);
    this.#services += all.size - before;
    if (held === undefined) this.#all.set(id, { base, services: all });
    if (all.size > this.#servicesOfClientMax || this.#services > SERVICES_MAX) this.add(id);
  }

  /** Takes one out that waits. */
  take(id: ClientId): Changed<Base> | undefined {
    const held = this.#all.get(id);
    this.#uncount(held);
    this.#all.delete(id);
    return held;
  }

  clear(): void {
    this.#all.clear();
    this.#services = 0;
  }

  ids(): IterableIterator<ClientId> {
    return this.#all.keys();
  }

  #uncount(held: Changed<Base> | undefined): void {
    this.#services -= held?.services?.size ?? 0;
  }
}
