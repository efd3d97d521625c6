import type { Service } from "./model.ts";
import type { View } from "./view.ts";

/** Views of one service that are kept for one revision: cluster filters that clients use at the same time. */
const VIEWS_PER_SERVICE_MAX = 16;

/** What the cache's own clock counts in: small enough a number for centuries of it to fit into 31 bits. */
const CHARS_PER_TICK = 1024;

/**
 * Encoded lists of services, so that an unchanged service is encoded once. Bounded by the characters it holds, or by one
 * list when that alone is longer: the service for which none was made for the longest time makes room. A service that
 * changed loses its lists at once.
 *
 * A full cache takes in a list only when its service was asked for so shortly before that a cache of this size would
 * still have held it. Otherwise a member with more services than fit would keep each list for a while and give it up
 * unread, which costs far more than encoding it: it lives long enough to be moved among the old objects, and it takes a
 * full collection to get rid of it there.
 */
export class ViewCache {
  readonly #charsMax: number;
  readonly #byService = new Map<Service, Map<string, View>>();
  #chars = 0;
  /** Characters of all lists that were ever made: how far two of them are apart tells how many others came between. */
  #made = 0;

  constructor(charsMax: number) {
    this.#charsMax = charsMax;
  }

  get chars(): number {
    return this.#chars;
  }

  /** Services with lists in here. */
  get size(): number {
    return this.#byService.size;
  }

  get(service: Service, key: string): View | undefined {
    return this.#byService.get(service)?.get(key);
  }

  put(service: Service, key: string, view: View): void {
    const again = this.#madeAgainSoon(service);
    this.#made += view.cost;
    if (!again && this.#chars > 0 && this.#chars + view.cost > this.#charsMax) return;
    let views = this.#byService.get(service) ?? new Map<string, View>();
    let own = view.cost;
    for (const { cost } of views.values()) own += cost;
    if (views.size >= VIEWS_PER_SERVICE_MAX || own > this.#charsMax) {
      this.drop(service);
      views = new Map();
    }
    views.set(key, view);
    this.#chars += view.cost;
    // Last in the order of the map, so that everybody else makes room first.
    this.#byService.delete(service);
    this.#byService.set(service, views);
    this.#makeRoom(service);
  }

  /** Whether the lists made since the last one of this service would fit; notes that now there is another one. */
  #madeAgainSoon(service: Service): boolean {
    const before = service.viewMadeAt;
    service.viewMadeAt = Math.ceil(this.#made / CHARS_PER_TICK);
    return before !== undefined && (service.viewMadeAt - before) * CHARS_PER_TICK <= this.#charsMax;
  }

  #makeRoom(service: Service): void {
    for (const oldest of this.#byService.keys()) {
      if (this.#chars <= this.#charsMax) break;
      if (oldest !== service) this.drop(oldest);
    }
  }

  /** A complete message was made around a view and is kept with it. */
  charge(service: Service, view: View, size: number): void {
    this.#made += size;
    const held = this.#byService.get(service);
    if (held === undefined || ![...held.values()].includes(view)) return;
    view.cost += size;
    this.#chars += size;
    this.#makeRoom(service);
  }

  drop(service: Service): void {
    const views = this.#byService.get(service);
    if (views === undefined) return;
    for (const view of views.values()) this.#chars -= view.cost;
    this.#byService.delete(service);
  }
}
